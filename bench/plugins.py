"""What each plugin of the scheduler costs: `python -m bench.plugins [--nodes 5000]`.

One JSON line per plugin and extension point, medians in microseconds for all nodes, in one process: `first`
is for a pod of a shape that no pod had before, `next` for the pod after it, when one more has been placed.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from bench.scheduler import Pure, new_pod
from scheduler.decide import find_feasible
from scheduler.framework import Cycle

ROUNDS = 60


class Costs:
    """Microseconds of each call, by what was called."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, str], dict[str, list[float]]] = {}

    def take(self, plugin: str, point: str, which: str, call: Callable[[], Any]) -> None:
        started = time.perf_counter()
        call()
        passed = (time.perf_counter() - started) * 1e6
        self.of.setdefault((plugin, point), {}).setdefault(which, []).append(passed)

    def say(self, nodes: int, pods: str) -> None:
        for (plugin, point), found in self.of.items():
            each = {which: round(median(times), 1) for which, times in found.items()}
            line = {"bench": "plugins", "plugin": plugin, "point": point, "pods": pods, "unit": "us"}
            print(json.dumps({**line, "nodes": nodes, **each}), flush=True)


def ask(pure: Pure, costs: Costs, pod: Any, which: str) -> None:
    """Ask every plugin about a pod, one after the other, and place it."""
    profile = pure.profile
    cycle: Cycle = pure.attempts.cycle_of(pod, profile)
    for filtering in profile.filters:
        costs.take(filtering.name, "filter", which, partial(filtering.filter, cycle))
    feasible, _ = find_feasible(cycle, profile)
    for scoring, _ in profile.scores:
        costs.take(scoring.name, "score", which, partial(scoring.score, cycle, feasible))
    pure.cluster.assume(pod, pure.snapshot.names[int(feasible.argmax())])


def measure(nodes: int, spread: bool) -> None:
    pure, costs = Pure(nodes), Costs()
    for number in range(ROUNDS):
        for which, each in (("first", 2 * number), ("next", 2 * number + 1)):
            pod = new_pod(each, spread, f"g{number}")
            requests = pod["spec"]["containers"][0]["resources"]["requests"]
            requests["cpu"] = f"{100 + number}m"
            ask(pure, costs, pod, which)
    costs.say(nodes, "zone spread, host anti-affinity" if spread else "plain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=5000)
    args = parser.parse_args()
    for spread in (False, True):
        measure(args.nodes, spread)


if __name__ == "__main__":
    main()
