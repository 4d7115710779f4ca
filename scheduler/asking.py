"""Attempts about which extenders are asked. Pure: an attempt is a generator that yields questions and is sent
the replies; the caller may take its time, and hears the outcome at the end.

    feasible by the plugins -> filter, one extender after the other -> prioritize, all at once
        -> decided anew among what is left, as the cluster is then -> placed
                                              |
                     nobody: candidates -> preempt, one after the other -> decided anew -> room is made

The cluster may change while extenders are asked. So what they say is kept by name, and the decision, which is
made in one go, is about the cluster as it is then; what has happened meanwhile is told to the queue again.
Source: pkg/scheduler/schedule_one.go findNodesThatFitPod, prioritizeNodes, framework/preemption (1.36).
"""

from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from api.types.core_v1 import Node, Pod
from scheduler.attempt import SCHEDULER_ERROR, Attempts, Outcome, Refused
from scheduler.configuration.model import ExtenderConfig
from scheduler.decide import EXTENDER, Outside, find_feasible
from scheduler.extenders import (
    ExtenderError,
    Question,
    Reply,
    filter_question,
    interested,
    is_interested,
    preempt_question,
    prioritize_question,
    read_filter,
    read_preemption,
    read_scores,
)
from scheduler.framework import Profile
from scheduler.preempt import Preemption, cost
from scheduler.queue import Entry
from scheduler.shape import Shape

_NO_CANDIDATE = "no candidate node for preemption"
# Woken by whatever happens: extenders do not say what may change their minds.
_ANYTHING = frozenset(("",))


@dataclass(frozen=True)
class Overtaken:
    """The pod, or the nodes that it was to have, have changed or gone while extenders were asked: what they
    said is worth nothing any more.
    """


T: TypeAlias = Outcome | Overtaken
Asking: TypeAlias = Generator[Sequence[Question], Sequence[Reply], T]


class AskingAttempts:
    def __init__(self, attempts: Attempts, extenders: Sequence[ExtenderConfig]) -> None:
        self._attempts = attempts
        self._extenders = extenders

    def concerns(self, pod: Pod) -> bool:
        """Say whether any extender is to be asked about a pod."""
        return any(is_interested(extender, pod) for extender in self._extenders)

    def attempt(self, entry: Entry, clock: Callable[[], float]) -> Asking:
        """Decide about a pod that has been popped from the queue. `clock` gives the time now."""
        queue, shape = self._attempts.cluster.queue, self._shape(entry)
        queue.listen()
        try:
            asked = interested(self._extenders, entry.pod)
            try:
                outcome = yield from self._judge(entry, shape, asked)
            except ExtenderError as error:
                outcome = self._broken(entry, str(error))
            now = clock()
            if isinstance(outcome, Overtaken) or _is_broken(outcome):
                queue.retry(entry.uid, now)
            else:
                self._attempts.settle(entry, outcome, now)
        finally:
            queue.catch_up(clock())
        return outcome

    def _judge(self, entry: Entry, shape: Shape, asked: Sequence[ExtenderConfig]) -> Asking:
        outside = yield from self._outside(entry.pod, asked)
        if self._has_changed(entry, shape) or self._are_taken(entry.pod, outside):
            return Overtaken()
        room: Preemption | str | None = None
        advisers = [extender for extender in asked if extender.preempt_verb]
        if advisers and (candidates := self._attempts.candidates(entry, outside)):
            room = yield from self._choose(entry.pod, advisers, candidates)
            if self._has_changed(entry, shape) or self._is_gone(room):
                return Overtaken()
        outcome = self._attempts.judge(entry, False, outside, room)
        if isinstance(outcome, Refused) and EXTENDER in outcome.plugins:
            return replace(outcome, plugins=outcome.plugins | _ANYTHING)
        return outcome

    def _shape(self, entry: Entry) -> Shape:
        return self._attempts.cluster.shapes.of(entry.pod)

    def _has_changed(self, entry: Entry, shape: Shape) -> bool:
        return entry.uid not in self._attempts.cluster.queue or self._shape(entry).key != shape.key

    def _are_taken(self, pod: Pod, outside: Outside) -> bool:
        """Say whether there were nodes left, none of which will do any more."""
        return bool(outside.names) and outside.names.isdisjoint(self._feasible(pod)[0])

    def _is_gone(self, room: Preemption | str) -> bool:
        return isinstance(room, Preemption) and room.node not in self._attempts.cluster.snapshot.index

    def _broken(self, entry: Entry, message: str) -> Outcome:
        """An extender that matters has failed: the pod is tried again after its back-off."""
        return self._attempts.refuse(entry.pod, message, EXTENDER, SCHEDULER_ERROR)

    def _outside(
        self, pod: Pod, asked: Sequence[ExtenderConfig]
    ) -> Generator[Sequence[Question], Sequence[Reply], Outside]:
        """Ask which nodes are left, and how good they are."""
        nodes, nominated = self._feasible(pod)
        if nominated in nodes:
            # A node where room has been made is taken before others, if it is still left.
            kept = yield from _filter(asked, pod, {nominated: nodes[nominated]})
            if kept.names:
                return kept
        kept = yield from _filter(asked, pod, nodes)
        if len(kept.names) < 2:
            return kept
        scores = yield from _prioritize(asked, pod, [nodes[name] for name in nodes if name in kept.names])
        return replace(kept, scores=scores)

    def _feasible(self, pod: Pod) -> tuple[dict[str, Node], str]:
        """Return the nodes that pass the filters, by name, and the one where room has been made."""
        attempts, snapshot = self._attempts, self._attempts.cluster.snapshot
        profile = attempts.profile_of(pod)
        cycle = attempts.cycle_of(pod, profile)
        with attempts.cluster.reserved(pod):
            feasible, _ = find_feasible(cycle, profile)
        found = {}
        for slot in map(int, np.flatnonzero(feasible)):
            node = snapshot.nodes[slot]
            if node is not None:
                found[snapshot.names[slot]] = node
        return found, cycle.nominated

    def _choose(
        self, pod: Pod, advisers: Sequence[ExtenderConfig], candidates: list[Preemption]
    ) -> Generator[Sequence[Question], Sequence[Reply], Preemption | str]:
        """Ask about candidates; return the best that is left, or why there is none."""
        cluster = self._attempts.cluster
        for extender in advisers:
            (reply,) = yield [preempt_question(extender, pod, candidates)]
            pods_on = {name: cluster.pods_on(name) for name in cluster.snapshot.index}
            try:
                candidates = read_preemption(extender, reply, pods_on)
            except ExtenderError as error:
                if extender.ignorable:
                    continue
                return str(error)
            if not candidates:
                return _NO_CANDIDATE
        return min(candidates, key=cost)


def _filter(
    asked: Iterable[ExtenderConfig], pod: Pod, nodes: Mapping[str, Node]
) -> Generator[Sequence[Question], Sequence[Reply], Outside]:
    """Ask one after the other which of the nodes are left. Raises `ExtenderError`."""
    left, failed = list(nodes), dict[str, tuple[str, bool]]()
    for extender in asked:
        if not left:
            break
        if not extender.filter_verb:
            continue
        (reply,) = yield [filter_question(extender, pod, [nodes[name] for name in left])]
        try:
            found = read_filter(extender, reply, left)
        except ExtenderError:
            if extender.ignorable:
                continue
            raise
        failed |= {name: why for name, why in found.failed.items() if name not in found.names}
        left = [name for name in left if name in found.names]
    return Outside(frozenset(left), failed)


def _prioritize(
    asked: Iterable[ExtenderConfig], pod: Pod, nodes: Sequence[Node]
) -> Generator[Sequence[Question], Sequence[Reply], Sequence[tuple[str, Mapping[str, int]]]]:
    """Ask all at once how good the nodes are. Who does not say adds nothing."""
    judges = [extender for extender in asked if extender.prioritize_verb]
    if not judges:
        return ()
    replies = yield [prioritize_question(extender, pod, nodes) for extender in judges]
    found = []
    for extender, reply in zip(judges, replies, strict=True):
        try:
            found.append((extender.url_prefix, read_scores(extender, reply)))
        except ExtenderError:
            continue
    return found


def _is_broken(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and outcome.reason == SCHEDULER_ERROR


def told_apart(profile: Profile, extenders: Sequence[ExtenderConfig]) -> Profile:
    """Return the profile with pods that extenders are asked about told apart, each from every other: what was
    said of one says nothing of the next.
    """
    if not extenders:
        return profile

    def traits(pod: Pod) -> Hashable:
        own = profile.traits(pod) if profile.traits is not None else None
        asked = any(is_interested(extender, pod) for extender in extenders)
        return (own, pod["metadata"]["uid"]) if asked else own

    return replace(profile, traits=traits)
