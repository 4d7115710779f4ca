"""What devices cost the scheduler: `python -m bench.devices [--nodes 5000] [--pods 500]`.

One JSON line per cluster and kind of claim, in one process, without any edge: how long the first pod with
such a claim takes (everything is looked at), and each of the next ones (median, and the slowest of a
hundred), from the queue to the reserved node. Beside it the same pods without claims.
"""

import argparse
import json
import time
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from api.types.resource_v1 import DEVICECLASSES, RESOURCECLAIMS, RESOURCESLICES
from bench.scheduler import NAMESPACE, new_node, new_pod
from scheduler.attempt import Attempts, Placed
from scheduler.cluster import Cluster
from scheduler.framework import Write
from scheduler.profiles import default_profile

DRIVER, CLASS = "gpu.example.com", "gpu"
PER_NODE = 8


def say(**values: Any) -> None:
    print(json.dumps({"bench": "devices", **values}), flush=True)


def new_slice(name: str, devices: Iterable[Any], pool: str, count: int = 1, **reach: Any) -> Any:
    numbers = {"name": pool, "generation": 1, "resourceSliceCount": count}
    spec = {"driver": DRIVER, "pool": numbers, "devices": list(devices), **reach}
    return {"metadata": {"name": name, "resourceVersion": "1"}, "spec": spec}


def new_device(name: str, **attributes: str) -> Any:
    values = {key: {"string": value} for key, value in {"model": "a", **attributes}.items()}
    return {"name": name, "attributes": values}


def local(names: Iterable[str], unique: bool) -> list[Any]:
    """Return a slice for each node: with devices that are alike, or that all differ in one attribute."""
    return [
        new_slice(
            f"slice-{node}",
            [new_device(f"d{n}", **({"uuid": f"{node}-{n}"} if unique else {})) for n in range(PER_NODE)],
            node,
            nodeName=node,
        )
        for node in names
    ]


def shared(count: int) -> list[Any]:
    """Return the slices of one pool of 1,000 devices that all nodes reach."""
    each = 1000 // count
    return [
        new_slice(f"net-{s}", [new_device(f"d{s}-{n}") for n in range(each)], "net", count, allNodes=True)
        for s in range(count)
    ]


def new_claim(number: int, count: int) -> Any:
    selector = {"cel": {"expression": f'device.attributes["{DRIVER}"].model == "a"'}}
    wanted = {
        "deviceClassName": CLASS,
        "allocationMode": "ExactCount",
        "count": count,
        "selectors": [selector],
    }
    name = f"claim-{number}"
    metadata = {"name": name, "namespace": NAMESPACE, "uid": name, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"devices": {"requests": [{"name": "r", "exactly": wanted}]}}}


class Bench:
    def __init__(self, nodes: list[Any], slices: list[Any]) -> None:
        profile = default_profile()
        self.cluster = Cluster({profile.name: profile})
        for node in nodes:
            self.cluster.node_changed(None, node, 0.0)
        selector = {"cel": {"expression": f'device.driver == "{DRIVER}"'}}
        made = {"metadata": {"name": CLASS, "resourceVersion": "1"}, "spec": {"selectors": [selector]}}
        self.cluster.object_changed(DEVICECLASSES, None, made, 0.0)
        for slice_ in slices:
            self.cluster.object_changed(RESOURCESLICES, None, slice_, 0.0)
        self.attempts = Attempts(self.cluster)

    def place(self, pod: Any) -> tuple[float, Any]:
        """Return how long a decision takes, in milliseconds, and what it is."""
        self.cluster.pod_changed(None, pod, 0.0)
        entry = self.cluster.queue.pop(0.0)
        assert entry is not None
        started = time.perf_counter()
        outcome = self.attempts.attempt(entry, 0.0)
        return (time.perf_counter() - started) * 1000, outcome

    def write(self, claim: Any, placed: Placed) -> None:
        """Show what the binder would have written."""
        (plugin,) = (each for each in placed.profile.pre_binds if each.name == "DynamicResources")
        step: Any = plugin.pre_bind(placed.cycle, placed.node)
        write = step[-1]
        assert isinstance(write, Write)
        metadata = {**claim["metadata"], "resourceVersion": "2"}
        written: Mapping[str, Any] = {**claim, "metadata": metadata, "status": write.body["status"]}
        self.cluster.objects.assume(RESOURCECLAIMS, written)
        assert plugin.pre_bind(placed.cycle, placed.node) == ()
        self.cluster.object_changed(RESOURCECLAIMS, claim, written, 0.0)


def measure(what: str, nodes: list[Any], slices: list[Any], pods: int, count: int) -> None:
    """`count` devices for each pod; 0: pods without claims."""
    bench, times, placed = Bench(nodes, slices), [], 0
    for number in range(pods):
        pod = new_pod(number, False)
        claim = new_claim(number, count)
        if count:
            bench.cluster.object_changed(RESOURCECLAIMS, None, claim, 0.0)
            claims = [{"name": "x", "resourceClaimName": claim["metadata"]["name"]}]
            pod = {**pod, "spec": {**pod["spec"], "resourceClaims": claims}}
        took, outcome = bench.place(pod)
        times.append(took)
        if isinstance(outcome, Placed):
            placed += 1
            if count:
                bench.write(claim, outcome)
    rest = sorted(times[1:])
    say(
        what=what,
        nodes=len(nodes),
        devices=sum(len(slice_["spec"]["devices"]) for slice_ in slices),
        placed=placed,
        first_ms=round(times[0], 1),
        median_ms=round(median(rest), 3),
        p99_ms=round(rest[len(rest) * 99 // 100], 3),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--pods", type=int, default=500)
    args = parser.parse_args()
    nodes = [new_node(number) for number in range(args.nodes)]
    names = [node["metadata"]["name"] for node in nodes]
    alike, unique = local(names, False), local(names, True)
    for what, slices, count in (
        ("no claims, no devices", [], 0),
        ("no claims", unique, 0),
        ("1 of 8 devices, all alike", alike, 1),
        ("1 of 8 devices, all unlike", unique, 1),
        ("4 of 8 devices, all unlike", unique, 4),
        ("1 of 8 devices, on a tenth of the nodes", unique[: len(unique) // 10], 1),
        ("1 of 1,000 devices that all nodes reach", shared(10), 1),
        ("9 of 8 devices: nowhere", unique, 9),
    ):
        measure(what, nodes, slices, args.pods, count)


if __name__ == "__main__":
    main()
