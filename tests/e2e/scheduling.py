"""What tests of the scheduler share: nodes with a resource, a label or a class for a while, its Events."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.harness import Cluster, eventually
from tests.e2e.space import Space, conditions

STRATEGIC = "application/strategic-merge-patch+json"
ENDED = ("Succeeded", "Failed")
PRIORITYCLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
RUNTIMECLASSES = "/apis/node.k8s.io/v1/runtimeclasses"


def ready_nodes(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the nodes that take pods, once all nodes of the cluster do."""

    def look() -> list[dict[str, Any]] | None:
        nodes: list[dict[str, Any]] = cluster.call("GET", "/api/v1/nodes")["items"]
        fine = [
            node
            for node in nodes
            if conditions(node).get("Ready") == "True"
            and not node["spec"].get("unschedulable")
            and not node["spec"].get("taints")
        ]
        return fine if len(fine) == len(nodes) else None

    found: list[dict[str, Any]] = eventually(look, "all nodes are ready")
    return found


def live_pods(cluster: Cluster) -> list[dict[str, Any]]:
    pods: list[dict[str, Any]] = cluster.call("GET", "/api/v1/pods")["items"]
    return [one for one in pods if one["status"]["phase"] not in ENDED]


def wait_until_stable(cluster: Cluster) -> None:
    """Wait until every pod has a node, and says so, whoever has put it there."""

    def is_stable() -> bool:
        pods = live_pods(cluster)
        placed = [one for one in pods if one["spec"].get("nodeName")]
        return placed == pods and all(conditions(one).get("PodScheduled") == "True" for one in placed)

    eventually(is_stable, "every pod has a node and the condition PodScheduled", 120)


def counts(space: Space) -> tuple[int, int]:
    """Return how many pods of the namespace have a node, and how many have none."""
    pods = space.items("pods")
    placed = [one for one in pods if one["spec"].get("nodeName")]
    assert all(conditions(one)["PodScheduled"] == "True" for one in placed)
    return len(placed), len(pods) - len(placed)


def added_event(space: Space, revision: str, name: str, reason: str) -> dict[str, Any]:
    """Return the Event with `reason` about a pod that was new after `revision`, as a watch shows it."""
    for event in space.cluster.watch(space.path("events"), revision, 60):
        said = event["object"]
        if event["type"] == "ADDED" and said["reason"] == reason and said["involvedObject"]["name"] == name:
            assert said["metadata"]["name"].startswith(f"{name}.")
            found: dict[str, Any] = said
            return found
    raise AssertionError(f"no Event {reason} about {name}")


def refuse(space: Space, one: dict[str, Any], act: Callable[[], Any] | None = None) -> dict[str, Any]:
    """Create a pod that no node takes (or do `act` to one that is there): return the Event that says why."""
    revision = space.cluster.revision(space.path("events"))
    if act is None:
        space.create("pods", one)
    else:
        act()
    event = added_event(space, revision, one["metadata"]["name"], "FailedScheduling")
    assert event["type"] == "Warning"
    assert re.match(r"0/\d+ nodes are available: ", event["message"])
    pending = space.wait(
        one["metadata"]["name"],
        lambda p: conditions(p).get("PodScheduled") == "False",
        "says that no node takes it",
    )
    said = next(c for c in pending["status"]["conditions"] if c["type"] == "PodScheduled")
    assert (said["reason"], said["message"]) == ("Unschedulable", event["message"])
    assert "nodeName" not in pending["spec"]
    return event


@contextmanager
def label(cluster: Cluster, node: str, key: str, value: str) -> Iterator[dict[str, str]]:
    """A label on a node; the node selector that asks for it."""
    path = f"/api/v1/nodes/{node}"
    cluster.call("PATCH", path, {"metadata": {"labels": {key: value}}}, STRATEGIC)
    try:
        yield {key: value}
    finally:
        cluster.call("PATCH", path, {"metadata": {"labels": {key: None}}}, STRATEGIC)


@contextmanager
def resource(cluster: Cluster, nodes: list[str], name: str, amount: str) -> Iterator[None]:
    """An extended resource of nodes, as somebody who patches their status adds it, and takes it away."""
    for node in nodes:
        status = {"capacity": {name: amount}, "allocatable": {name: amount}}
        cluster.call("PATCH", f"/api/v1/nodes/{node}/status", {"status": status}, STRATEGIC)
    try:
        yield
    finally:
        for node in nodes:
            gone = {"capacity": {name: None}, "allocatable": {name: None}}
            cluster.call("PATCH", f"/api/v1/nodes/{node}/status", {"status": gone}, STRATEGIC)


@contextmanager
def made(cluster: Cluster, path: str, *objects: dict[str, Any]) -> Iterator[None]:
    """Objects of the whole cluster, for a while."""
    try:
        for obj in objects:
            cluster.call("POST", path, obj)
        yield
    finally:
        for obj in objects:
            cluster.request("DELETE", f"{path}/{obj['metadata']['name']}")


@contextmanager
def priorities(cluster: Cluster, **values: int) -> Iterator[None]:
    """PriorityClasses by name (`_` stands for `-`)."""
    classes = ({"metadata": {"name": name.replace("_", "-")}, "value": values[name]} for name in values)
    with made(cluster, PRIORITYCLASSES, *classes):
        yield


def on(node: str) -> dict[str, Any]:
    """The affinity that binds a pod to one node, as the DaemonSet controller writes it."""
    return _required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]})


def selects(key: str, values: list[str]) -> dict[str, Any]:
    """The affinity to nodes with one of these labels."""
    return _required({"matchExpressions": [{"key": key, "operator": "In", "values": values}]})


def _required(term: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"nodeAffinity": required}


def asking(**amounts: str) -> dict[str, Any]:
    """Resources of a container that asks for exactly this much."""
    return {"resources": {"requests": amounts, "limits": amounts}}
