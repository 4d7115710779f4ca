"""One attempt to place a group of pods: as many as it needs at once, or none. Synchronous and without I/O, as
`attempt` for single pods.

    one pod of the group is popped: all others that wait are taken from the queue with it
      each in turn: fits     -> assumed there, so that the next one sees it
                    would if others went -> these are taken away in thought, the pod is assumed there
                    refused
    enough fit                           -> bind those; the others wait on
    enough, once there is room           -> nothing is bound; room is made for all of them, and they wait
    not enough                           -> everything is as it was before

What a group with the policy `basic` has of it is a condition: its pods are scheduled one by one.

DEVIATION: upstream ends the pods that are in the way as soon as one pod of the group needs that, even if the
group has no place after all; and it forgets where room is being made for a group whose first pods find it
while others still wait for theirs.
Source: pkg/scheduler/schedule_one_podgroup.go (1.36), KEP-4671.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import TypeAlias

from api import conditions
from api.resource import Key
from api.times import format_time
from api.types.meta_v1 import Condition
from api.types.scheduling_v1alpha2 import PodGroup
from scheduler.attempt import UNSCHEDULABLE, Attempts, MakeRoom, Outcome, Placed, Refused, unreserve
from scheduler.groups import group_of, least
from scheduler.plugins.gang_scheduling import NAME
from scheduler.preempt import Preemption
from scheduler.queue import Entry
from scheduler.ranked import priority_of

CONDITION = "PodGroupScheduled"
SCHEDULED, SCHEDULER_ERROR = "Scheduled", "SchedulerError"
_NO_PLACE = "pod group is unschedulable"
_TOO_FEW = f"{_NO_PLACE}, waiting for minCount pods from a gang to be scheduled"
_NO_ROOM_YET = f"{_NO_PLACE}, pod group is waiting for preemption to complete"
# Those that fit wait for the others, which wait for something of their own.
_WAITS_FOR_OTHERS = frozenset((NAME,))

# Called with each decision as it is made; what it returns is called with the reason if that is taken back.
Note: TypeAlias = Callable[[Entry, Outcome], Callable[[str], None]]


@dataclass(frozen=True)
class Verdict:
    """What PodGroupScheduled says of a group; `reason` is upstream's, and says whether it has its places."""

    reason: str
    message: str

    @property
    def is_scheduled(self) -> bool:
        return self.reason == SCHEDULED

    @property
    def result(self) -> str:
        """The word that metrics have for it."""
        if self.message == _NO_ROOM_YET:
            return "waiting_on_preemption"
        return {SCHEDULED: "scheduled", SCHEDULER_ERROR: "error"}.get(self.reason, "unschedulable")


@dataclass(frozen=True)
class GroupOutcome:
    """What to do for each pod that was tried, and what to tell of their group."""

    key: Key
    pods: Sequence[tuple[Entry, Outcome]]
    verdict: Verdict


@dataclass
class _Trial:
    """What has been decided of the first ones of `entries`, and how each decision is taken back."""

    entries: Sequence[Entry]
    # Pods of the group that have places already, and how many there must be.
    placed: int
    needed: int
    decided: list[tuple[Outcome, Callable[[str], None]]] = field(default_factory=list)
    fitting: int = 0
    # Pods that would fit if others went, and pods for which others are going already.
    wanting: int = 0
    awaiting: int = 0

    @property
    def left(self) -> int:
        return len(self.entries) - len(self.decided)

    @property
    def scheduled(self) -> int:
        """How many pods have places, or will have when there is room."""
        return self.placed + self.fitting + self.wanting + self.awaiting

    @property
    def is_lost(self) -> bool:
        """Whether there are not enough pods left."""
        return self.scheduled + self.left < self.needed

    @property
    def is_won(self) -> bool:
        return self.fitting > 0 and not self.wanting and self.placed + self.fitting >= self.needed

    @property
    def is_waiting(self) -> bool:
        """Whether the group will have its places when there is room."""
        return not self.is_lost and not self.is_won and self.wanting + self.awaiting > 0


class GroupAttempts:
    def __init__(self, attempts: Attempts, note: Note) -> None:
        self._attempts, self._note = attempts, note
        self._cluster = attempts.cluster

    def attempt(self, entry: Entry, now: float) -> GroupOutcome:
        """Decide about the group of a pod that has been popped from the queue."""
        key = group_of(entry.pod)
        assert key is not None, "the pod names a group"
        group = self._cluster.groups.get(key)
        if group is None:
            return self._failed(key, [entry], f"failed to get podGroup {key}", now)
        profile = self._attempts.profile_of(entry.pod)
        needed = least(group) if any(plugin.name == NAME for plugin in profile.pre_enqueues) else 0
        if not needed:
            return self._alone(key, entry, now)
        entries = self._gather(entry, key, now)
        if others := _other_scheduler(entries):
            return self._failed(key, entries, others, now)
        trial = self._try(_Trial(entries, self._placed(key, entries), needed))
        return self._settle(key, trial, now)

    def _alone(self, key: Key, entry: Entry, now: float) -> GroupOutcome:
        outcome = self._attempts.attempt(entry, now)
        self._note(entry, outcome)
        match outcome:
            case Placed():
                verdict = Verdict(SCHEDULED, "")
            case MakeRoom():
                verdict = Verdict(UNSCHEDULABLE, _NO_ROOM_YET)
            case Refused(message=message):
                verdict = Verdict(UNSCHEDULABLE, f"{_NO_PLACE}: {message}")
        return GroupOutcome(key, [(entry, outcome)], verdict)

    def _gather(self, first: Entry, key: Key, now: float) -> list[Entry]:
        """Return all pods of the group that wait, in the order in which they are decided."""
        found = [first]
        for pod in self._cluster.groups.members(key):
            if not pod["spec"].get("nodeName"):
                entry = self._cluster.queue.take(pod["metadata"]["uid"], now)
                found += [entry] if entry is not None else []
        return sorted(found, key=_order)

    def _placed(self, key: Key, entries: Sequence[Entry]) -> int:
        """Return how many pods of the group have places already: bound, or about to be."""
        waiting = {entry.uid for entry in entries}
        return sum(
            bool(pod["spec"].get("nodeName")) or pod["metadata"]["uid"] in self._cluster.assumed
            for pod in self._cluster.groups.members(key)
            if pod["metadata"]["uid"] not in waiting
        )

    def _try(self, trial: _Trial) -> _Trial:
        for entry, following in zip_longest(trial.entries, trial.entries[1:]):
            if trial.is_lost:
                break
            like = following is not None and following.group == entry.group is not None
            outcome = self._attempts.judge(entry, like)
            trial.decided.append((outcome, self._note(entry, outcome)))
            match outcome:
                case Placed():
                    trial.fitting += 1
                case MakeRoom(plan=plan):
                    trial.wanting += 1
                    for victim in plan.victims:
                        self._cluster.banish(victim)
                    self._cluster.assume(entry.pod, plan.node)
                case Refused():
                    trial.awaiting += self._cluster.is_awaiting_room(entry.pod)
        return trial

    def _settle(self, key: Key, trial: _Trial, now: float) -> GroupOutcome:
        if trial.is_won:
            outcomes = [outcome for outcome, _ in trial.decided]
            verdict = Verdict(SCHEDULED, "")
        else:
            self._take_back(trial)
            outcomes = self._waiting(trial) if trial.is_waiting else self._given_up(trial)
            verdict = Verdict(UNSCHEDULABLE, _NO_ROOM_YET if trial.is_waiting else _why(trial))
        pods = list(zip(trial.entries, outcomes, strict=True))
        # Those that got on first: while all others are out of the queue, nobody is woken for it.
        for entry, outcome in sorted(pods, key=lambda pair: isinstance(pair[1], Refused)):
            self._attempts.settle(entry, outcome, now)
        return GroupOutcome(key, pods, verdict)

    def _take_back(self, trial: _Trial) -> None:
        """Leave the cluster as it was before the trial."""
        for outcome, _ in reversed(trial.decided):
            match outcome:
                case Placed(cycle=cycle, profile=profile, node=node):
                    unreserve(cycle, profile, node)
                    self._cluster.forget(cycle.pod)
                case MakeRoom(cycle=cycle, plan=plan):
                    self._cluster.forget(cycle.pod)
                    for victim in reversed(plan.victims):
                        self._cluster.restore(victim)

    def _waiting(self, trial: _Trial) -> list[Outcome]:
        """Keep the places of those that fit, while room is made for the others."""
        found: list[Outcome] = []
        for outcome, take_back in trial.decided:
            if isinstance(outcome, Placed):
                take_back(_NO_ROOM_YET)
                nomination = Preemption(outcome.node, (), 0)
                outcome = MakeRoom(outcome.cycle, nomination, _NO_ROOM_YET, (), _WAITS_FOR_OTHERS)
            found.append(outcome)
        return found

    def _given_up(self, trial: _Trial) -> list[Outcome]:
        found: list[Outcome] = []
        for outcome, take_back in trial.decided:
            if not isinstance(outcome, Refused):
                take_back(_TOO_FEW)
                outcome = Refused(outcome.cycle, _TOO_FEW, plugins=_WAITS_FOR_OTHERS)
            found.append(outcome)
        return found + self._refused(trial.entries[len(found) :], _too_few(trial), UNSCHEDULABLE)

    def _refused(self, entries: Sequence[Entry], message: str, reason: str) -> list[Outcome]:
        """Refuse pods that were not looked at."""
        found: list[Outcome] = []
        for entry in entries:
            outcome = self._attempts.refuse(entry.pod, message, NAME, reason)
            self._note(entry, outcome)
            found.append(outcome)
        return found

    def _failed(self, key: Key, entries: Sequence[Entry], message: str, now: float) -> GroupOutcome:
        """There is something wrong with the group itself: its pods are tried again after a while."""
        outcomes = self._refused(entries, message, SCHEDULER_ERROR)
        for entry in entries:
            self._cluster.queue.retry(entry.uid, now)
        pods = list(zip(entries, outcomes, strict=True))
        return GroupOutcome(key, pods, Verdict(SCHEDULER_ERROR, message))


def new_condition(group: PodGroup, verdict: Verdict, now: datetime) -> Condition | None:
    """Return the condition that tells a verdict; None if it is told, or if the group has had its places
    before: that stays true, whatever becomes of further pods.
    """
    before = conditions.find((group.get("status") or {}).get("conditions"), CONDITION)
    status = "True" if verdict.is_scheduled else "False"
    told: Condition = {"type": CONDITION, "status": status, "reason": verdict.reason}
    told["message"] = verdict.message
    if before is not None:
        if before["status"] == "True" and status != "True":
            return None
        if all(before.get(name) == value for name, value in told.items()):
            return None
    same = before is not None and before["status"] == status
    since = before["lastTransitionTime"] if before is not None and same else format_time(now)
    found: Condition = {**told, "lastTransitionTime": since}
    if generation := group["metadata"].get("generation"):
        found["observedGeneration"] = generation
    return found


def _order(entry: Entry) -> tuple[int, float, str]:
    return -priority_of(entry.pod), entry.arrived, entry.pod["metadata"]["name"]


def _other_scheduler(entries: Sequence[Entry]) -> str:
    """Return what is wrong with pods that are for different schedulers."""
    names = list(dict.fromkeys(entry.pod["spec"].get("schedulerName", "") for entry in entries))
    if len(names) == 1:
        return ""
    text = "all pods in a single pod group should have the same .spec.schedulerName set"
    return f'{text}, got: "{names[0]}" and "{names[1]}"'


def _too_few(trial: _Trial) -> str:
    if not trial.is_lost:
        return _NO_PLACE
    numbers = f"{trial.scheduled} scheduled, {trial.left} remaining"
    return f"{_NO_PLACE}, minCount ({trial.needed}) cannot be satisfied: {numbers}"


def _why(trial: _Trial) -> str:
    """Return the whole message about a group without places: what the first refused pod lacks is told too."""
    first = next((outcome.message for outcome, _ in trial.decided if isinstance(outcome, Refused)), "")
    return f"{_too_few(trial)}. {first}" if first else _too_few(trial)
