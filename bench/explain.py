"""What it costs to keep every decision: `python -m bench.explain [--nodes 1000,5000] [--pods 3000]`.

One JSON line per figure; microseconds are medians, so that what else the machine does counts little. In one
process, without any edge:

    pack     turning what the plugins said into bytes
    note     the whole of keeping a decision, as long as there is room, and when an older one must go
    follow   keeping a decision of a batch of identical pods
    share    the time for keeping a decision, as a share of the time for making it, without any edge
    answer   why a pod is where it is, or nowhere: in all, and the longest that the scheduler is held up
"""

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from bench.scheduler import NAMESPACE, Pure, new_node, new_pod
from scheduler.attempt import Attempts, Placed
from scheduler.cluster import Cluster
from scheduler.decide import schedule
from scheduler.explain.decisions import Decisions, Record
from scheduler.explain.explainer import Explainer, Inquiry
from scheduler.explain.packed import Nodes, SlotChange, pack
from scheduler.framework import Cycle, Placement
from scheduler.objects import Objects
from scheduler.profiles import default_profile
from scheduler.queue import Entry

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SMALL_BYTES = 1 << 20


def say(figure: str, **values: Any) -> None:
    print(json.dumps({"bench": "explain", "figure": figure, **values}), flush=True)


@dataclass
class Times:
    """Seconds of each call, by what was called."""

    of: dict[str, list[float]] = field(default_factory=dict)

    def take(self, what: str, call: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        found = call()
        self.of.setdefault(what, []).append(time.perf_counter() - started)
        return found

    def us(self, what: str) -> float:
        return round(median(self.of[what]) * 1e6, 2)


def keeping(nodes: int, pods: int, spread: bool) -> None:
    pure, times = Pure(nodes), Times()
    names = Nodes(tuple(pure.snapshot.names))
    roomy, tight = Decisions(budget_bytes=1 << 40), Decisions(budget_bytes=SMALL_BYTES)
    for number in range(pods):
        pod = new_pod(number, spread)
        cycle = Cycle(pod, pure.shapes.of(pod), pure.snapshot, pure.kept, Objects())

        def decide(cycle: Cycle = cycle, pod: Any = pod) -> str:
            found = schedule(cycle, pure.profile, pod["metadata"]["name"], 0)
            assert isinstance(found, Placement)
            return found.node

        node = times.take("decide", decide)
        outcome, slot, trace = Placed(cycle, pure.profile, node), pure.snapshot.index[node], cycle.trace
        assert trace is not None
        times.take("pack", lambda: pack(trace, names, slot))  # noqa: B023 - called at once
        record = times.take("note", lambda: roomy.note(outcome, 1, NOW))  # noqa: B023
        full = len(tight._full) < len(tight)
        times.take("note, full" if full else "-", lambda: tight.note(outcome, 1, NOW))  # noqa: B023
        pure.snapshot.add_pod(pod["metadata"]["uid"], node, pure.shapes.of(pod))
    following(times, roomy, record, spread)
    shape = {"nodes": nodes, "shape": "spread" if spread else "plain"}
    for what in ("decide", "pack", "note", "note, full", "follow"):
        say(what, unit="us", **shape, value=times.us(what))
    share = times.us("note") / times.us("decide")
    say("share", unit="%", **shape, value=round(100 * share, 1))


def following(times: Times, decisions: Decisions, record: Record, spread: bool) -> None:
    detail = record.detail()
    assert detail is not None
    scores = [50] * len(detail.plugins)
    for number in range(1000):
        entry = Entry("uid", new_pod(number, spread, "follow"), 0.0)
        change = SlotChange(number % 100, scores)
        record = times.take(
            "follow",
            lambda: decisions.follow(record, entry, record.node, record.slot, (change,), NOW),  # noqa: B023
        )


def memory(nodes: int, pods: int) -> None:
    """How much memory kept decisions take, as Python counts it and as the budget counts it."""
    pure, decisions = Pure(nodes), Decisions(budget_bytes=1 << 40, limit=1 << 40)
    # The pods are the informers', not the decisions'; their shapes have been seen.
    waiting = [new_pod(number, False) for number in range(pods)]
    shapes = [pure.shapes.of(pod) for pod in waiting]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for pod, shape in zip(waiting, shapes, strict=True):
        cycle = Cycle(pod, shape, pure.snapshot, pure.kept, Objects())
        found = schedule(cycle, pure.profile, pod["metadata"]["name"], 0)
        assert isinstance(found, Placement)
        decisions.note(Placed(cycle, pure.profile, found.node), 1, NOW)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    say("memory", unit="bytes", nodes=nodes, value=round(used / pods), counted=round(decisions.nbytes / pods))


class Stuck:
    """A cluster that is well filled, and pods that no node of it takes, by what they want."""

    def __init__(self, nodes: int) -> None:
        profile = default_profile()
        self.cluster = Cluster({profile.name: profile})
        self.attempts, self.decisions = Attempts(self.cluster), Decisions()
        self.explainer = Explainer(self.cluster, self.attempts, self.decisions)
        for number in range(nodes):
            node = new_node(number)
            if number % 50 == 0:
                value = str(number % 7)
                node["spec"]["taints"] = [{"key": "team", "value": value, "effect": "NoSchedule"}]
            if number % 97 == 0:
                node["spec"]["unschedulable"] = True
            self.cluster.node_changed(None, node, 0.0)
        pods = [new_pod(number, False, "old") for number in range(3 * nodes)]
        self.schedule(pods)
        for pod in pods:
            if on := self.decisions.of(NAMESPACE, pod["metadata"]["name"]):
                bound: Any = {**pod, "spec": {**pod["spec"], "nodeName": on[-1].node}}
                self.cluster.pod_changed(pod, bound, 0.0)
        self.schedule([_stuck(name, spec) for name, spec in WANTS.items()])

    def schedule(self, pods: list[Any]) -> None:
        for pod in pods:
            self.cluster.pod_changed(None, pod, 0.0)
        while (entry := self.cluster.queue.pop(1000.0)) is not None:
            self.decisions.keep(self.attempts.attempt(entry, 0.0), entry, NOW)

    def answer(self, name: str, node: str) -> tuple[float, float]:
        """Return the milliseconds of the whole answer, and of its longest step."""
        steps, times = self.explainer.answer(Inquiry(NAMESPACE, name, node=node)), list[float]()
        while True:
            started = time.perf_counter()
            try:
                next(steps)
            except StopIteration:
                times.append(time.perf_counter() - started)
                return sum(times) * 1e3, max(times) * 1e3
            times.append(time.perf_counter() - started)


_HOSTS = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
_RACKS = {**_HOSTS, "topologyKey": "rack"}
WANTS: dict[str, dict[str, Any]] = {
    "too-large": {"resources": {"requests": {"cpu": "40"}}},
    "labels": {"nodeSelector": {"disk": "ssd", "rack": "r1"}},
    "spread": {"topologySpreadConstraints": [_HOSTS, _RACKS]},
}


def _stuck(name: str, spec: Mapping[str, Any]) -> Any:
    pod = new_pod(0, False, name)
    pod["metadata"] |= {"name": name, "uid": name}
    constraints = [{**each, "labelSelector": {}} for each in spec.get("topologySpreadConstraints", ())]
    return {**pod, "spec": {**pod["spec"], **spec, "topologySpreadConstraints": constraints}}


def answering(nodes: int) -> None:
    stuck = Stuck(nodes)
    placed = f"old-{3 * nodes - 1:05d}"
    for name, node in ((placed, ""), (placed, "node-00050"), *((name, "") for name in WANTS)):
        runs = [stuck.answer(name, node) for _ in range(5)]
        shape = f"{'placed' if name == placed else name}{', one node' if node else ''}"
        whole, longest = (round(median(column), 1) for column in zip(*runs, strict=True))
        say("answer", unit="ms", nodes=nodes, pod=shape, value=whole, longest_step=longest, must=200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", default="1000,5000")
    parser.add_argument("--pods", type=int, default=3000)
    args = parser.parse_args()
    for nodes in map(int, args.nodes.split(",")):
        for spread in (False, True):
            keeping(nodes, args.pods, spread)
        memory(nodes, args.pods)
        answering(nodes)


if __name__ == "__main__":
    main()
