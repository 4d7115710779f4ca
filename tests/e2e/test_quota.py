"""A quota of a namespace as its users meet it: with kubectl, real pods, and the controllers' own rights."""

from tests.e2e.harness import Cluster, eventually
from tests.e2e.space import Space, deployment


def _used(space: Space) -> dict[str, str]:
    status = space.get("resourcequotas", "small").get("status") or {}
    return dict(status.get("used") or {})


def test_a_quota_holds_and_gives_back(cluster: Cluster, space: Space) -> None:
    hard = "pods=2,requests.cpu=100m,count/deployments.apps=1"
    cluster.kubectl("-n", space.name, "create", "quota", "small", f"--hard={hard}")
    nothing = {"pods": "0", "requests.cpu": "0", "count/deployments.apps": "0"}
    eventually(lambda: _used(space) == nothing, "the quota is counted", timeout_s=15)

    web = deployment("web", 3)
    web["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "50m"}}
    space.create("deployments", web)
    full = {"pods": "2", "requests.cpu": "100m", "count/deployments.apps": "1"}
    eventually(lambda: _used(space) == full, "the quota is used up")
    assert len(space.items("pods")) == 2
    error = cluster.kubectl_error("-n", space.name, "create", "deployment", "more", "--image=none")
    assert "exceeded quota: small, requested: count/deployments.apps=1" in error
    told = cluster.kubectl("-n", space.name, "describe", "quota", "small")
    assert ["pods", "2", "2"] in [line.split() for line in told.splitlines()]

    cluster.kubectl("-n", space.name, "scale", "deployment/web", "--replicas=1")
    less = {**full, "pods": "1", "requests.cpu": "50m"}
    eventually(lambda: _used(space) == less, "what is gone is given back")
    cluster.kubectl("-n", space.name, "delete", "deployment", "web")
    eventually(lambda: _used(space) == nothing, "all of it is given back")
