"""One attempt to place one pod: decide, assume, or find room to be made. Synchronous and without I/O, so that
the process, a simulation and a test run the same code; the caller performs what comes back.
"""

from dataclasses import dataclass
from typing import TypeAlias

from api.types.core_v1 import Pod
from scheduler.cluster import Cluster
from scheduler.decide import schedule, with_preemption
from scheduler.framework import Cycle, Placement, Profile, Unschedulable
from scheduler.kept import Kept
from scheduler.preempt import NO_VICTIMS, NOT_HELPFUL, Hopeless, Preemption, Request, preempt, priority_of
from scheduler.queue import Entry


@dataclass(frozen=True)
class Placed:
    """The pod is assumed on `node` and all is reserved: bind it."""

    cycle: Cycle
    profile: Profile
    node: str


@dataclass(frozen=True)
class MakeRoom:
    """No node would do; it will when the victims of `plan` are gone."""

    cycle: Cycle
    plan: Preemption
    message: str


@dataclass(frozen=True)
class Refused:
    """No node will do."""

    cycle: Cycle
    message: str


Outcome: TypeAlias = Placed | MakeRoom | Refused


class Attempts:
    def __init__(self, cluster: Cluster, seed: int = 0) -> None:
        self.cluster = cluster
        self._kept = {name: Kept() for name in cluster.profiles}
        self._seed = seed

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
        )

    def attempt(self, entry: Entry) -> Outcome:
        """Decide about the next pod of the queue."""
        pod, cluster = entry.pod, self.cluster
        profile = cluster.profile_of(pod)
        assert profile is not None, "the queue holds pods of known profiles only"
        cycle = self.cycle_of(pod, profile)
        with cluster.reserved(pod):
            found = schedule(cycle, profile, pod["metadata"]["name"], self._seed)
            made = self._make_room(cycle, profile, found) if isinstance(found, Unschedulable) else ""
        if isinstance(found, Placement):
            return self._place(cycle, profile, entry, found.node)
        cluster.queue.park(entry.uid, found.plugins)
        if isinstance(made, Preemption):
            return MakeRoom(cycle, made, found.message)
        return Refused(cycle, made)

    def _place(self, cycle: Cycle, profile: Profile, entry: Entry, node: str) -> Outcome:
        for plugin in profile.reserves:
            reason = plugin.reserve(cycle, node)
            if reason is not None:
                unreserve(cycle, profile, node)
                self.cluster.queue.park(entry.uid, frozenset((plugin.name,)))
                return Refused(cycle, reason)
        self.cluster.assume(cycle.pod, node)
        return Placed(cycle, profile, node)

    def _make_room(self, cycle: Cycle, profile: Profile, failure: Unschedulable) -> Preemption | str:
        """Return what to end for the pod, or the message that says that there is nothing."""
        cluster, pod, nodes = self.cluster, cycle.pod, self.cluster.snapshot.node_count
        if not nodes or not profile.preempts:
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
            tuple(cluster.budgets.values()),
        )


def unreserve(cycle: Cycle, profile: Profile, node: str) -> None:
    """Give back all that was reserved for a pod that will not be bound after all."""
    for plugin in reversed(profile.reserves):
        plugin.unreserve(cycle, node)
