"""One attempt to place one pod: decide, assume, or find room to be made. Synchronous and without I/O, so that
the process, a simulation and a test run the same code; the caller performs what comes back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from api.types.core_v1 import Pod
from scheduler.cluster import Cluster
from scheduler.decide import schedule, with_preemption
from scheduler.framework import BEGINNING, Change, Cycle, Placement, Profile, Relief, Unschedulable
from scheduler.kept import Kept
from scheduler.preempt import NO_VICTIMS, NOT_HELPFUL, Hopeless, Preemption, Request, preempt
from scheduler.queue import Entry
from scheduler.ranked import priority_of
from scheduler.run import After, Run, start


@dataclass(frozen=True)
class Placed:
    """The pod is assumed on `node` and all is reserved: bind it."""

    cycle: Cycle
    profile: Profile
    node: str
    # Not decided anew, but as one more of a run: what has become of the node where the pod before it went.
    after: After | None = None


@dataclass(frozen=True)
class MakeRoom:
    """No node would do; it will when the victims of `plan` are gone. `changes` are what plugins want too."""

    cycle: Cycle
    plan: Preemption
    message: str
    changes: Sequence[Change] = ()


@dataclass(frozen=True)
class Refused:
    """No node will do. `changes` are what plugins want so that one may."""

    cycle: Cycle
    message: str
    changes: Sequence[Change] = ()


Outcome: TypeAlias = Placed | MakeRoom | Refused


class Attempts:
    """`now` tells the time of day, for what plugins write into objects."""

    def __init__(
        self, cluster: Cluster, seed: int = 0, now: Callable[[], datetime] = lambda: BEGINNING
    ) -> None:
        self.cluster = cluster
        self._now = now
        self._kept = {name: Kept() for name in cluster.profiles}
        self._seed = seed
        self._run: Run | None = None

    def cycle_of(self, pod: Pod, profile: Profile) -> Cycle:
        """Return a new cycle for the pod."""
        cluster = self.cluster
        shape = cluster.shapes.of(pod)
        return Cycle(
            pod,
            shape,
            cluster.snapshot,
            self._kept[profile.name],
            cluster.objects,
            nominated=cluster.nominated(pod["metadata"]["uid"]),
            default_selector=cluster.spreading.selector_of(shape),
            now=self._now(),
        )

    def attempt(self, entry: Entry, now: float) -> Outcome:
        """Decide about a pod that has been popped from the queue."""
        pod, cluster = entry.pod, self.cluster
        if (placed := self._go_on(entry, now)) is not None:
            return placed
        profile = cluster.profile_of(pod)
        assert profile is not None, "the queue holds pods of known profiles only"
        cycle = self.cycle_of(pod, profile)
        with cluster.reserved(pod):
            found = schedule(cycle, profile, pod["metadata"]["name"], self._seed)
            reliefs: list[Relief] = []
            made: Preemption | str = ""
            if isinstance(found, Unschedulable):
                reliefs = [relief for p in profile.post_filters if (relief := p.post_filter(cycle))]
                made = self._make_room(cycle, profile, _with_notes(found, reliefs))
        if isinstance(found, Placement):
            return self._place_first(cycle, profile, entry, found.node, now)
        changes = [change for relief in reliefs for change in relief.changes]
        if isinstance(made, Preemption):
            cluster.queue.got_on(entry.uid, now)
            cluster.queue.park(entry.uid, found.plugins, alone=True)
            return MakeRoom(cycle, made, found.message, changes)
        cluster.queue.park(entry.uid, found.plugins, alone=bool(cycle.nominated))
        return Refused(cycle, made.removesuffix(","), changes)

    def _go_on(self, entry: Entry, now: float) -> Outcome | None:
        """Place the pod as one more of the present run; None if it must be decided about for itself."""
        run, cluster = self._run, self.cluster
        if run is None:
            return None
        self._run = None
        if not run.is_for(entry, cluster.snapshot.revision) or entry.uid in cluster.nominations:
            return None
        base = run.cycle
        if cluster.spreading.selector_of(base.shape) != base.default_selector:
            return None
        profile = cluster.profile_of(entry.pod)
        assert profile is not None, "the queue holds pods of known profiles only"
        slot, after = run.take(entry.pod["metadata"]["name"], self._seed)
        cycle = replace(base, pod=entry.pod, state={}, trace=None, now=self._now())
        outcome = self._place(cycle, profile, entry, cluster.snapshot.names[slot], now)
        if not isinstance(outcome, Placed):
            return outcome
        run.revision, self._run = cluster.snapshot.revision, run
        return replace(outcome, after=after)

    def _place_first(self, cycle: Cycle, profile: Profile, entry: Entry, node: str, now: float) -> Outcome:
        """Place a pod that was decided about; if the next one is alike, a run begins."""
        run = None
        if not cycle.nominated and self.cluster.queue.next_is_like(entry):
            run = start(entry, cycle, profile, cycle.snapshot.index[node])
        outcome = self._place(cycle, profile, entry, node, now)
        if run is not None and isinstance(outcome, Placed):
            run.revision, self._run = self.cluster.snapshot.revision, run
        return outcome

    def _place(self, cycle: Cycle, profile: Profile, entry: Entry, node: str, now: float) -> Outcome:
        for plugin in profile.reserves:
            reason = plugin.reserve(cycle, node)
            if reason is not None:
                unreserve(cycle, profile, node)
                self.cluster.queue.park(entry.uid, frozenset((plugin.name,)))
                return Refused(cycle, reason)
        self.cluster.assume(cycle.pod, node)
        self.cluster.queue.got_on(entry.uid, now)
        return Placed(cycle, profile, node)

    def _make_room(self, cycle: Cycle, profile: Profile, failure: Unschedulable) -> Preemption | str:
        """Return what to end for the pod, or the message that says that there is nothing."""
        cluster, pod, nodes = self.cluster, cycle.pod, self.cluster.snapshot.node_count
        if not nodes or profile.preemption is None:
            return failure.message
        if pod["spec"].get("preemptionPolicy") == "Never":
            return f"{failure.message} preemption: not eligible due to preemptionPolicy=Never."
        if cluster.is_awaiting_room(pod):
            text = "not eligible due to a terminating pod on the nominated node."
            return f"{failure.message} preemption: {text}"
        if cluster.any_below(priority_of(pod)):
            match preempt(self._request(cycle, profile, failure)):
                case Preemption() as found:
                    return found
                case Hopeless(reasons=reasons):
                    return with_preemption(failure, nodes, reasons)
        curable = int(failure.curable.sum())
        counts = {NO_VICTIMS: curable, NOT_HELPFUL: nodes - curable}
        return with_preemption(failure, nodes, {why: count for why, count in counts.items() if count})

    def _request(self, cycle: Cycle, profile: Profile, failure: Unschedulable) -> Request:
        cluster = self.cluster
        return Request(
            cycle,
            profile,
            priority_of(cycle.pod),
            failure.curable,
            cluster.pods_on,
            cluster.shapes.of,
            cluster.ranked,
            tuple(cluster.budgets.values()),
        )


def _with_notes(failure: Unschedulable, reliefs: Sequence[Relief]) -> Unschedulable:
    """Return a failure that also tells what was done about it; more may follow."""
    notes = "".join(f" {relief.note}," for relief in reliefs)
    return replace(failure, message=failure.message + notes)


def unreserve(cycle: Cycle, profile: Profile, node: str) -> None:
    """Give back all that was reserved for a pod that will not be bound after all."""
    for plugin in reversed(profile.reserves):
        plugin.unreserve(cycle, node)
