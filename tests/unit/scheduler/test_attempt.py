"""One attempt: what plugins do for a pod that no node takes."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from api.types.core_v1 import PERSISTENTVOLUMECLAIMS
from scheduler.attempt import Attempts, MakeRoom, Outcome, Refused
from scheduler.cluster import Cluster
from scheduler.framework import Cycle, Relief, Write
from scheduler.hints import Hints
from tests.unit.scheduler.build import PROFILE, node, pod

CHANGE = Write(PERSISTENTVOLUMECLAIMS, "default", "c", {"metadata": {}})


@dataclass(frozen=True)
class Helps:
    relief: Relief | None
    name: str = "Helps"
    hints: ClassVar[Hints] = {}

    def post_filter(self, cycle: Cycle) -> Relief | None:
        return self.relief


def attempt(*reliefs: Relief | None, placed: Any = (), preempts: bool = True, **new: Any) -> Outcome:
    """Return what comes of a pod with priority 10 that is too large for the only node."""
    preemption = PROFILE.preemption if preempts else None
    profile = replace(PROFILE, post_filters=tuple(map(Helps, reliefs)), preemption=preemption)
    cluster = Cluster({profile.name: profile})
    cluster.node_changed(None, node("n"), 0)
    for each in (*placed, pod("new", requests={"cpu": "3"}, priority=10, **new)):
        cluster.pod_changed(None, each, 0)
    entry = cluster.queue.pop(0)
    assert entry is not None
    return Attempts(cluster).attempt(entry, 0.0)


BIG = pod("big", "n", requests={"cpu": "3"}, priority=10)
SMALL = pod("small", "n", requests={"cpu": "3"}, priority=1)
WHY = "0/1 nodes are available: 1 Insufficient cpu."
NO_ROOM = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."


@pytest.mark.parametrize(
    ("reliefs", "more", "message"),
    [
        pytest.param([], {}, f"{WHY} {NO_ROOM}", id="nobody-helps"),
        pytest.param([None], {}, f"{WHY} {NO_ROOM}", id="not-its-affair"),
        pytest.param([Relief("one done")], {}, f"{WHY} one done, {NO_ROOM}", id="told-before-preemption"),
        pytest.param(
            [Relief("one done"), Relief("two done")], {"preempts": False}, f"{WHY} one done, two done",
            id="nothing-follows",
        ),
        pytest.param(
            [Relief("one done")], {"preemptionPolicy": "Never"},
            f"{WHY} one done, preemption: not eligible due to preemptionPolicy=Never.", id="may-not-preempt",
        ),
    ],
)  # fmt: skip
def test_what_was_done_for_a_pod_is_told(reliefs, more, message):
    outcome = attempt(*reliefs, placed=[BIG], **more)
    assert isinstance(outcome, Refused)
    assert outcome.message == message


def test_changes_are_handed_out():
    outcome = attempt(Relief("one", [CHANGE]), None, Relief("two", [CHANGE]), placed=[BIG])
    assert isinstance(outcome, Refused)
    assert outcome.changes == [CHANGE, CHANGE]


def test_changes_are_handed_out_beside_a_preemption():
    outcome = attempt(Relief("one", [CHANGE]), placed=[SMALL])
    assert isinstance(outcome, MakeRoom)
    assert (outcome.changes, outcome.message) == ([CHANGE], WHY)
