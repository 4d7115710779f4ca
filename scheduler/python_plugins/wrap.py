"""Functions of users as plugins of the scheduler: asked about nodes, checked, and their answers kept.

    Plugin                       what the decorator said of a function, and where the function is from
    PythonFilter, PythonScore    what a profile holds
    Guard                        runs the functions: contains what they raise and how long they take

A per-node function is asked about all nodes once, then about those that have changed. A vectorised one is
asked in every decision, unless it is `node_only`: then once, until a node changes.
"""

import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from scheduler import hints
from scheduler.framework import MAX_SCORE, Cycle, Profile, Reject
from scheduler.hints import Hints
from scheduler.kept import Kept, Where
from scheduler.python_plugins.view import NodesView, NodeView, PodView, traits
from scheduler.snapshot import Ints, Mask, Snapshot

T = TypeVar("T")
# More different reasons than this from one function: it puts numbers or names of nodes into them.
MOST_REASONS = 64
LONGEST_REASON = 256
_VIEW = "python_plugins/pod"


class BadAnswer(Exception):
    """A function returned something that means nothing to the scheduler."""


class LeftOut(Exception):
    """A function has failed: the decision goes on without it."""


@dataclass(frozen=True, eq=False)
class Plugin:
    """A marked function of the file `path`. `weight` is of scores, `reason` of filters."""

    name: str
    point: str
    function: Callable[[Any, Any], Any]
    path: str
    node_only: bool = False
    vectorised: bool = False
    weight: int = 1
    reason: str = ""


class Guard(Protocol):
    def is_out(self, plugin: Plugin, cycle: Cycle) -> bool:
        """Say whether the plugin has no part in this decision."""

    def run(self, plugin: Plugin, cycle: Cycle, ask: Callable[[], T]) -> T:
        """Return `ask()`, which calls the plugin's function. Raises `LeftOut` if that goes wrong."""


class _Memory:
    """What a function has said, by shape: of one cluster at a time."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._kept = Kept()

    def of(self, snapshot: Snapshot) -> Kept:
        if self._snapshot is not snapshot:
            self._snapshot, self._kept = snapshot, Kept()
        return self._kept


class _Reasons:
    """Why nodes were refused, numbered from 1. Kept per node is the number; 0 is a node that will do."""

    def __init__(self, default: str) -> None:
        self._default = default
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Return the number of a reason. Raises `BadAnswer` when there are too many."""
        line = " ".join((text or self._default).split())[:LONGEST_REASON]
        found = self._numbers.get(line)
        if found is None:
            if len(self._numbers) >= MOST_REASONS:
                raise BadAnswer(
                    f"gave more than {MOST_REASONS} different reasons: leave names and numbers out"
                )
            found = self._numbers[line] = len(self._numbers) + 1
        return found

    def of_verdict(self, verdict: Any) -> int:
        """Return the number of what a per-node filter has answered."""
        if verdict is None or verdict is True:
            return 0
        if isinstance(verdict, str) and verdict:
            return self.number(verdict)
        if isinstance(verdict, bool | np.bool_):
            return 0 if verdict else self.number("")
        raise BadAnswer(f"returned {reprlib.repr(verdict)}: neither True, False, None nor a reason")

    def items(self) -> Sequence[tuple[str, int]]:
        return tuple(self._numbers.items())


@dataclass(frozen=True, eq=False)
class _Wrapper:
    plugin: Plugin
    guard: Guard
    memory: _Memory = field(default_factory=_Memory)

    @property
    def name(self) -> str:
        return self.plugin.name

    def _per_node(self, cycle: Cycle, judge: Callable[[Any], int]) -> Ints:
        """Return, per slot, the number that `judge` makes of the function's answer."""
        pod, kept = _view_of(cycle), self.memory.of(cycle.snapshot)

        def compute(where: Where) -> Ints:
            return self.guard.run(self.plugin, cycle, lambda: self._ask_each(cycle, pod, where, judge))

        keep = kept.of_nodes if self.plugin.node_only else kept.local
        return keep((pod.key, cycle.shape.key), cycle.snapshot, compute)

    def _ask_each(self, cycle: Cycle, pod: PodView, where: Where, judge: Callable[[Any], int]) -> Ints:
        snapshot, plugin = cycle.snapshot, self.plugin
        answers = np.zeros(len(snapshot.alive), dtype=np.int64)
        for slot in snapshot.slots(where):
            node = snapshot.nodes[slot]
            if node is not None:
                view = NodeView(snapshot, slot, node, plugin.node_only)
                answers[slot] = judge(plugin.function(pod, view))
        return answers[where]

    def _of_all(self, cycle: Cycle, feasible: Mask | None, judge: Callable[[Any, NodesView], Ints]) -> Ints:
        """Return, per slot, what `judge` makes of the vectorised function's answer."""
        pod, kept = _view_of(cycle), self.memory.of(cycle.snapshot)

        def ask() -> Ints:
            nodes = NodesView(cycle.snapshot, kept, self.plugin.node_only, feasible)
            answers = np.zeros(len(cycle.snapshot.alive), dtype=np.int64)
            answers[nodes.slots] = judge(self.plugin.function(pod, nodes), nodes)
            return answers

        def compute() -> Ints:
            return self.guard.run(self.plugin, cycle, ask)

        if not self.plugin.node_only:
            return compute()
        return kept.get((pod.key, cycle.shape.key), cycle.snapshot.version, compute)


@dataclass(frozen=True, eq=False)
class PythonFilter(_Wrapper):
    reasons: _Reasons = field(init=False)

    def __post_init__(self) -> None:
        default = self.plugin.reason or f"node(s) were refused by {self.plugin.name}"
        object.__setattr__(self, "reasons", _Reasons(default))

    @property
    def hints(self) -> Hints:
        """Any change of what the function may look at may change its mind."""
        of_node: Hints = {hints.NODE_CHANGED: None, hints.POD_CHANGED: None}
        return of_node if self.plugin.node_only else {**of_node, hints.POD_GONE: None, hints.POD_CAME: None}

    def filter_is_static(self, cycle: Cycle) -> bool:
        """Say whether the answer stays the same, whatever pods come or go."""
        return self.plugin.node_only or self.guard.is_out(self.plugin, cycle)

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        if self.guard.is_out(self.plugin, cycle):
            return ()
        try:
            numbers = self._numbers(cycle)
        except LeftOut:
            return ()
        if not numbers.any():
            return ()
        # What depends on the Node alone stays as it is, whoever leaves.
        told = ((reason, numbers == number) for reason, number in self.reasons.items())
        return [Reject(reason, nodes, self.plugin.node_only) for reason, nodes in told if nodes.any()]

    def _numbers(self, cycle: Cycle) -> Ints:
        if self.plugin.vectorised:
            return self._of_all(cycle, None, self._judge_all)
        return self._per_node(cycle, self.reasons.of_verdict)

    def _judge_all(self, answer: Any, nodes: NodesView) -> Ints:
        verdicts, reason = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, "")
        values = _column(verdicts, len(nodes))
        if values.dtype != np.bool_ or not isinstance(reason, str):
            raise BadAnswer(f"returned {values.dtype} values: expected an array of bool, or (array, reason)")
        if values.all():
            return np.zeros(len(nodes), dtype=np.int64)
        return np.where(values, 0, self.reasons.number(reason))


@dataclass(frozen=True, eq=False)
class PythonScore(_Wrapper):
    def score_is_static(self, cycle: Cycle) -> bool:
        """Say whether the answer stays the same, whatever pods come or go."""
        return self.plugin.node_only or self.guard.is_out(self.plugin, cycle)

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        if self.guard.is_out(self.plugin, cycle):
            return None
        try:
            if self.plugin.vectorised:
                return self._of_all(cycle, feasible, _judge_scores)
            return self._per_node(cycle, _judge_score)
        except LeftOut:
            return None


def extend(profile: Profile, plugins: Sequence[Plugin], guard: Guard) -> Profile:
    """Return the profile with functions of users after its own plugins, in the order given.

    Also without functions it tells pods apart as those do: there may be some later.
    """
    filters = tuple(PythonFilter(each, guard) for each in plugins if each.point == "filter")
    scores = tuple((PythonScore(each, guard), each.weight) for each in plugins if each.point == "score")
    return replace(profile, filters=profile.filters + filters, scores=profile.scores + scores, traits=traits)


def _view_of(cycle: Cycle) -> PodView:
    view = cycle.state.get(_VIEW)
    if view is None:
        view = cycle.state[_VIEW] = PodView(cycle.pod, cycle.shape)
    assert isinstance(view, PodView)
    return view


def _judge_score(answer: Any) -> int:
    is_number = isinstance(answer, int | float | np.number) and not isinstance(answer, bool)
    # Not a number (NaN) is neither below nor above.
    if not is_number or not 0 <= answer <= MAX_SCORE:
        raise BadAnswer(f"returned {reprlib.repr(answer)}: not a number from 0 to {MAX_SCORE}")
    return round(float(answer))


def _judge_scores(answer: Any, nodes: NodesView) -> Ints:
    values = _column(answer, len(nodes))
    if values.dtype.kind not in "iuf":
        raise BadAnswer(f"returned {values.dtype} values: not numbers from 0 to {MAX_SCORE}")
    wrong = np.flatnonzero(~((values >= 0) & (values <= MAX_SCORE)))
    if len(wrong):
        first = int(wrong[0])
        raise BadAnswer(
            f"returned {values[first]} for {nodes[first].name}: not a number from 0 to {MAX_SCORE}"
        )
    rounded: Ints = np.rint(values).astype(np.int64)
    return rounded


def _column(answer: Any, length: int) -> Any:
    values = np.asarray(answer)
    if values.shape != (length,):
        raise BadAnswer(
            f"returned an array of shape {values.shape}: expected one value for each of {length} nodes"
        )
    return values
