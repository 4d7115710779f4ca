"""What goes with what: deletion by owner, orphans, namespaces with all that runs in them."""

from tests.e2e.harness import eventually
from tests.e2e.space import deployment


def _deploy(space, name, replicas=2):
    space.create("deployments", deployment(name, replicas))
    eventually(
        lambda: space.get("deployments", name)["status"].get("readyReplicas") == replicas,
        f"deployment {name} is ready",
    )


def test_a_deployment_takes_its_pods_along(space):
    _deploy(space, "whole")
    space.cluster.kubectl("delete", "deployment", "whole", "-n", space.name)
    eventually(lambda: not space.items("replicasets"), "the replica sets are gone", 20)
    eventually(lambda: not space.items("pods"), "the pods are gone", 30)


def test_in_the_foreground_the_owner_goes_last(space):
    _deploy(space, "front")
    space.delete("deployments", "front", propagationPolicy="Foreground")
    leaving = space.get("deployments", "front")
    assert "foregroundDeletion" in leaving["metadata"]["finalizers"]
    eventually(lambda: space.is_gone("deployments", "front"), "the deployment is gone", 30)
    assert not space.items("pods")
    assert not space.items("replicasets")


def test_orphans_stay_and_are_adopted(space):
    _deploy(space, "parent")
    (owned,) = space.items("replicasets")
    before = {p["metadata"]["uid"] for p in space.items("pods")}
    space.cluster.kubectl("delete", "deployment", "parent", "-n", space.name, "--cascade=orphan")
    assert space.is_gone("deployments", "parent")
    eventually(
        lambda: not space.items("replicasets")[0]["metadata"].get("ownerReferences"), "the owner is forgotten"
    )
    assert {p["metadata"]["uid"] for p in space.items("pods")} == before
    _deploy(space, "parent")
    (adopted,) = space.items("replicasets")
    assert adopted["metadata"]["uid"] == owned["metadata"]["uid"]
    assert adopted["metadata"]["ownerReferences"][0]["name"] == "parent"
    assert {p["metadata"]["uid"] for p in space.items("pods")} == before


def test_what_lost_its_owner_is_collected(space):
    owner = space.create("configmaps", {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    space.create("secrets", {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    space.delete("configmaps", "owner")
    eventually(lambda: space.is_gone("secrets", "owned"), "the dependent is gone", 20)
    space.create("secrets", {"metadata": {"name": "late", "ownerReferences": [reference]}})
    eventually(lambda: space.is_gone("secrets", "late"), "a dependent of what is gone is gone", 20)


def test_a_finalizer_holds_an_object(space):
    space.create("configmaps", {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    space.delete("configmaps", "held")
    assert space.get("configmaps", "held")["metadata"]["deletionTimestamp"]
    space.patch("configmaps", "held", {"metadata": {"finalizers": None}})
    assert space.is_gone("configmaps", "held")


def test_a_namespace_goes_with_everything_in_it(space):
    _deploy(space, "inside")
    space.service("inside", {"app": "inside"})
    space.create("configmaps", {"metadata": {"name": "inside"}})
    space.cluster.kubectl("delete", "namespace", space.name, "--timeout=60s")
    assert space.cluster.request("GET", f"/api/v1/namespaces/{space.name}").code == 404
    for kind in ("pods", "services", "configmaps", "deployments", "serviceaccounts"):
        assert not space.items(kind), f"{kind} outlive their namespace"
    refused = space.cluster.request("POST", space.path("configmaps"), {"metadata": {"name": "late"}})
    assert refused.code == 404


def test_events_are_told(space):
    _deploy(space, "told", 1)
    words = ("get", "events", "-n", space.name, "--sort-by=.lastTimestamp")
    listed = eventually(
        lambda: (text := space.cluster.kubectl(*words)) and "Started" in text and text, "events are there"
    )
    for reason in ("ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Pulled", "Created", "Started"):
        assert reason in listed, listed
    assert listed.splitlines()[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
