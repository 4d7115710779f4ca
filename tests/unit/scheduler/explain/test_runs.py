"""What is kept of a run: each decision as it would have been kept had it been made for itself."""

from datetime import UTC, datetime
from typing import Any

from scheduler.attempt import Attempts, Placed
from scheduler.cluster import Cluster
from scheduler.explain.decisions import Decisions
from tests.unit.scheduler.build import PROFILES, node, pod
from tests.unit.scheduler.test_run import SINGLY

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def kept(profiles: Any) -> tuple[list[Any], int]:
    """Return what is kept of ten equal pods on four nodes, two of which fill up, and how many followed."""
    cluster, decisions, followed = Cluster(profiles), Decisions(), 0
    for number in range(4):
        offers = {"pods": "2"} if number % 2 else {}
        cluster.node_changed(None, node(f"n{number}", offers=offers), 0.0)
    for number in range(10):
        cluster.pod_changed(None, pod(f"p{number}", requests={"cpu": "300m", "memory": "1Gi"}), 0.0)
    attempts = Attempts(cluster)
    while (entry := cluster.queue.pop(0.0)) is not None:
        outcome = attempts.attempt(entry, 0.0)
        followed += isinstance(outcome, Placed) and outcome.after is not None
        decisions.keep(outcome, entry, NOW)
    return [picture(decisions, f"p{number}") for number in range(10)], followed


def picture(decisions: Decisions, name: str) -> Any:
    (record,) = decisions.of("default", name)
    detail = record.detail()
    assert detail is not None
    names = [each for each in detail.names if each]
    slots = {each: detail.slot(each) for each in names}
    return {
        "node": record.node,
        "totals": {each: int(detail.totals[slot]) for each, slot in slots.items() if slot is not None},
        "refused": {
            each: {(v.plugin, v.reason) for v in detail.verdicts(slot)}
            for each, slot in slots.items()
            if slot is not None
        },
        "scores": [
            detail.scored(slot) for slot in slots.values() if slot is not None and detail.feasible[slot]
        ],
    }


def test_kept_as_if_decided_one_by_one() -> None:
    in_runs, followed = kept(PROFILES)
    singly, none = kept(SINGLY)
    assert (followed > 0, none) == (True, 0)
    assert in_runs == singly
