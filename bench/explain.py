"""What it costs to keep every decision: `python -m bench.explain [--nodes 1000,5000] [--pods 3000]`.

One JSON line per figure; microseconds are medians, so that what else the machine does counts little. In one
process, without any edge:

    pack     turning what the plugins said into bytes
    note     the whole of keeping a decision, as long as there is room, and when an older one must go
    follow   keeping a decision of a batch of identical pods
    share    the time for keeping a decision, as a share of the time for making it
"""

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from bench.scheduler import Pure, new_pod
from scheduler.attempt import Placed
from scheduler.decide import schedule
from scheduler.explain.decisions import Decisions, Record
from scheduler.explain.packed import Nodes, SlotChange, pack
from scheduler.framework import Cycle, Placement
from scheduler.objects import Objects
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
    say("share", unit="%", **shape, value=round(100 * share, 1), must=5)


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
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(pods):
        pod = new_pod(number, False)
        cycle = Cycle(pod, pure.shapes.of(pod), pure.snapshot, pure.kept, Objects())
        found = schedule(cycle, pure.profile, pod["metadata"]["name"], 0)
        assert isinstance(found, Placement)
        decisions.note(Placed(cycle, pure.profile, found.node), 1, NOW)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    say("memory", unit="bytes", nodes=nodes, value=round(used / pods), counted=round(decisions.nbytes / pods))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", default="1000,5000")
    parser.add_argument("--pods", type=int, default=3000)
    args = parser.parse_args()
    for nodes in map(int, args.nodes.split(",")):
        for spread in (False, True):
            keeping(nodes, args.pods, spread)
        memory(nodes, args.pods)


if __name__ == "__main__":
    main()
