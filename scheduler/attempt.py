"""One attempt to place one pod: decide, assume, or find room to be made. Synchronous and without I/O, so that
the process, a simulation and a test run the same code; the caller performs what comes back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from api.types.core_v1 import Pod
from scheduler.cluster import Cluster
from scheduler.decide import Outside, schedule, with_preemption
from scheduler.framework import BEGINNING, Change, Cycle, Placement, Profile, Relief, Unschedulable
from scheduler.kept import Kept
from scheduler.preempt import NO_VICTIMS, NOT_HELPFUL, Hopeless, Preemption, Request, candidates, preempt
from scheduler.queue import Entry
from scheduler.ranked import priority_of
from scheduler.run import After, Run, start

# Reasons of the condition: no node will do; it could not be found out.
UNSCHEDULABLE, SCHEDULER_ERROR = "Unschedulable", "SchedulerError"


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
    # Those that refused the pod: an event that may help one of them wakes it.
    plugins: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Refused:
    """No node will do. `changes` are what plugins want so that one may; `plugins` as above."""

    cycle: Cycle
    message: str
    changes: Sequence[Change] = ()
    plugins: frozenset[str] = frozenset()
    # Of the condition that tells it.
    reason: str = UNSCHEDULABLE


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
        outcome = self.judge(entry, self.cluster.queue.next_is_like(entry))
        self.settle(entry, outcome, now)
        return outcome

    def profile_of(self, pod: Pod) -> Profile:
        """Return the profile of a pod from the queue."""
        profile = self.cluster.profile_of(pod)
        assert profile is not None, "the queue holds pods of known profiles only"
        return profile

    def settle(self, entry: Entry, outcome: Outcome, now: float) -> None:
        """Tell the queue what has come of a pod."""
        queue = self.cluster.queue
        match outcome:
            case Placed():
                queue.got_on(entry.uid, now)
            case MakeRoom(plugins=plugins):
                queue.got_on(entry.uid, now)
                queue.park(entry.uid, plugins, alone=True)
            case Refused(cycle=cycle, plugins=plugins):
                queue.park(entry.uid, plugins, alone=bool(cycle.nominated))

    def refuse(self, pod: Pod, message: str, plugin: str, reason: str = UNSCHEDULABLE) -> Refused:
        """Refuse a pod without looking at it, for a plugin."""
        self._run = None
        cycle = self.cycle_of(pod, self.profile_of(pod))
        return Refused(cycle, message, plugins=frozenset((plugin,)), reason=reason)

    def judge(
        self,
        entry: Entry,
        next_is_like: bool,
        outside: Outside | None = None,
        room: Preemption | str | None = None,
    ) -> Outcome:
        """Decide about a pod, and assume it where it is placed. The queue hears nothing of it; `next_is_like`
        says whether the next pod will be one that is alike. `outside`: what others say of the nodes; `room`:
        how room is to be made, or why it is not, if it may be.
        """
        if (placed := self._go_on(entry)) is not None:
            return placed
        pod, cluster = entry.pod, self.cluster
        profile = self.profile_of(pod)
        cycle = self.cycle_of(pod, profile)
        with cluster.reserved(pod):
            found = schedule(cycle, profile, pod["metadata"]["name"], self._seed, outside)
            reliefs: list[Relief] = []
            made: Preemption | str = ""
            if isinstance(found, Unschedulable):
                reliefs = [relief for p in profile.post_filters if (relief := p.post_filter(cycle))]
                made = self._make_room(cycle, profile, _with_notes(found, reliefs), room)
        if isinstance(found, Placement):
            return self._place_first(cycle, profile, entry, found.node, next_is_like)
        changes = [change for relief in reliefs for change in relief.changes]
        if isinstance(made, Preemption):
            return MakeRoom(cycle, made, found.message, changes, found.plugins)
        return Refused(cycle, made.removesuffix(","), changes, found.plugins)

    def _go_on(self, entry: Entry) -> Outcome | None:
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
        slot, after = run.take(entry.pod["metadata"]["name"], self._seed)
        cycle = replace(base, pod=entry.pod, state={}, trace=None, now=self._now())
        outcome = self._place(cycle, self.profile_of(entry.pod), cluster.snapshot.names[slot])
        if not isinstance(outcome, Placed):
            return outcome
        run.revision, self._run = cluster.snapshot.revision, run
        return replace(outcome, after=after)

    def _place_first(
        self, cycle: Cycle, profile: Profile, entry: Entry, node: str, next_is_like: bool
    ) -> Outcome:
        """Place a pod that was decided about; if the next one is alike, a run begins."""
        run = None
        if not cycle.nominated and next_is_like:
            run = start(entry, cycle, profile, cycle.snapshot.index[node])
        outcome = self._place(cycle, profile, node)
        if run is not None and isinstance(outcome, Placed):
            run.revision, self._run = self.cluster.snapshot.revision, run
        return outcome

    def _place(self, cycle: Cycle, profile: Profile, node: str) -> Outcome:
        for plugin in profile.reserves:
            reason = plugin.reserve(cycle, node)
            if reason is not None:
                unreserve(cycle, profile, node)
                return Refused(cycle, reason, plugins=frozenset((plugin.name,)))
        self.cluster.assume(cycle.pod, node)
        return Placed(cycle, profile, node)

    def candidates(self, entry: Entry, outside: Outside) -> list[Preemption]:
        """Return how room might be made for a pod, if it needs any and may have it."""
        cluster, pod, profile = self.cluster, entry.pod, self.profile_of(entry.pod)
        cycle = self.cycle_of(pod, profile)
        with cluster.reserved(pod):
            found = schedule(cycle, profile, pod["metadata"]["name"], self._seed, outside)
            if isinstance(found, Placement) or not cluster.any_below(priority_of(pod)):
                return []
            if self._is_out_of_question(cycle, profile) is not None:
                return []
            return candidates(self._request(cycle, profile, found))

    def _is_out_of_question(self, cycle: Cycle, profile: Profile) -> str | None:
        """Return why nobody is ended for the pod in any case ("": nothing is said of it); None: maybe."""
        pod = cycle.pod
        if not self.cluster.snapshot.node_count or profile.preemption is None:
            return ""
        if pod["spec"].get("preemptionPolicy") == "Never":
            return " preemption: not eligible due to preemptionPolicy=Never."
        if self.cluster.is_awaiting_room(pod):
            return " preemption: not eligible due to a terminating pod on the nominated node."
        return None

    def _make_room(
        self, cycle: Cycle, profile: Profile, failure: Unschedulable, room: Preemption | str | None
    ) -> Preemption | str:
        """Return what to end for the pod, or the message that says that there is nothing."""
        cluster, pod, nodes = self.cluster, cycle.pod, self.cluster.snapshot.node_count
        if (why := self._is_out_of_question(cycle, profile)) is not None:
            return failure.message + why
        if room is not None:
            return room if isinstance(room, Preemption) else f"{failure.message} preemption: {room}"
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
