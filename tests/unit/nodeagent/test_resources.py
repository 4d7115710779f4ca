import pytest

from nodeagent import resources
from nodeagent.resources import Limits


def pod(*requests, qos="", priority=0, limits=None):
    containers = [
        {"name": f"c{n}", "resources": {"requests": one, **({"limits": limits} if limits else {})}}
        for n, one in enumerate(requests)
    ]
    status = {"qosClass": qos} if qos else {}
    return {
        "metadata": {"uid": "u"},
        "spec": {"containers": containers, "priority": priority},
        "status": status,
    }


@pytest.mark.parametrize(("milli", "shares"), [(0, 2), (1, 2), (100, 102), (1000, 1024), (10**6, 262144)])
def test_shares(milli, shares):
    assert resources.shares_of(milli) == shares


@pytest.mark.parametrize(("milli", "quota"), [(0, 0), (1, 1000), (250, 25000), (2000, 200000)])
def test_quota(milli, quota):
    assert resources.quota_of(milli) == quota


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262144, 10000)])
def test_weight(shares, weight):
    assert resources.weight_of(shares) == weight


@pytest.mark.parametrize(
    ("spec", "score"),
    [
        pytest.param(pod({}), 1000, id="best-effort"),
        pytest.param(pod({"memory": "1Gi"}), 875, id="burstable-eighth"),
        pytest.param(pod({"memory": "1Mi"}), 999, id="burstable-little"),
        pytest.param(pod({"memory": "8Gi"}), 3, id="burstable-all"),
        pytest.param(
            pod({"memory": "1Gi", "cpu": "1"}, limits={"memory": "1Gi", "cpu": "1"}), -997, id="guaranteed"
        ),
        pytest.param(pod({}, priority=2_000_000_000), -997, id="critical"),
    ],
)
def test_oom_score(spec, score):
    assert resources.oom_score(spec, spec["spec"]["containers"][0], 8 << 30) == score


def test_container_limits():
    spec = pod({"cpu": "100m"}, limits={"cpu": "1", "memory": "64Mi", "hugepages-2Mi": "4Mi"})
    limits = resources.container_limits(spec, spec["spec"]["containers"][0], 8 << 30)
    assert limits == Limits(102, 100000, 64 << 20, 999, (("2Mi", 4 << 20),))


def test_a_limit_stands_in_for_a_missing_cpu_request():
    spec = pod({}, limits={"cpu": "500m"})
    assert resources.container_limits(spec, spec["spec"]["containers"][0], 0).shares == 512


def test_pod_limits_need_a_limit_of_every_container():
    both = pod({"cpu": "1"}, {"cpu": "1"}, limits={"memory": "1Mi"})
    assert resources.pod_cgroup_limits(both) == Limits(2048, 0, 2 << 20)
    del both["spec"]["containers"][1]["resources"]["limits"]
    assert resources.pod_cgroup_limits(both) == Limits(2048, 0, 0)


@pytest.mark.parametrize(
    ("qos", "root", "path"),
    [
        ("Guaranteed", "/", "/kubepods/podu"),
        ("Burstable", "/n1", "/n1/kubepods/burstable/podu"),
        ("BestEffort", "n1/", "/n1/kubepods/besteffort/podu"),
    ],
)
def test_cgroup_parent(qos, root, path):
    assert resources.cgroup_parent(pod({}, qos=qos), root) == path
    assert path in resources.cgroup_paths("u", root)
