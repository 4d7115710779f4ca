"""The seam of the scheduler: what a plugin sees, and what it may say.

A plugin is a frozen dataclass with a `name` and one or both of `filter` and `score`. Both look at all nodes
at once: they read columns of the snapshot and answer with arrays over its slots. Neither may change anything
it is given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np

from api.labels import Selector
from scheduler.shape import Shape
from scheduler.snapshot import Ints, Mask, Snapshot

MAX_SCORE = 100
# Slots of the snapshot: some, or all.
Where: TypeAlias = slice | Ints
_NONE: Ints = np.zeros(0, dtype=np.int64)
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Reject:
    """Nodes that a plugin refuses, and why, in upstream's words. `final`: no preemption could change it."""

    reason: str
    nodes: Mask
    final: bool = False


@dataclass
class Cycle:
    """One pod's way through the plugins. `kept` outlives it: what depends on shape and node data alone goes
    there.
    """

    shape: Shape
    snapshot: Snapshot
    kept: "Kept"
    # The node that the pod itself names.
    node_name: str = ""
    # The node where room has been made for the pod: taken before all others if it fits there.
    nominated: str = ""
    # The selector of the services and the controller that a pod belongs to, for default spreading.
    default_selector: Selector | None = None
    # Within one cycle, by plugin.
    state: dict[str, Any] = field(default_factory=dict)

    def static(self, plugin: str, compute: Callable[[], T]) -> T:
        """Return `compute()`, kept for pods of this shape until node data change."""
        return self.kept.get(plugin, self.shape, self.snapshot.version, compute)

    def local(self, plugin: str, compute: Callable[[Where], Ints]) -> Ints:
        """Return what depends, per node, on this shape and the node's own columns alone.

        `compute` gives it for some slots, or for all: only slots that have changed since the last pod of this
        shape are computed anew. The array is good until the snapshot changes.
        """
        return self.kept.local(plugin, self.shape, self.snapshot, compute)


class Kept:
    """Results by plugin and shape, valid for one version of the node data. Full, it starts anew."""

    LIMIT = 1024
    LOCAL_LIMIT = 192
    # With more changed slots than this it is cheaper to compute all.
    FEW = 256

    def __init__(self) -> None:
        self._version = -1
        self._results: dict[tuple[str, bytes], Any] = {}
        # plugin, shape -> version, place in the snapshot's log, values
        self._local: dict[tuple[str, bytes], tuple[int, int, Ints]] = {}

    def get(self, plugin: str, shape: Shape, version: int, compute: Callable[[], T]) -> T:
        if version != self._version or len(self._results) >= self.LIMIT:
            self._results.clear()
            self._version = version
        key = (plugin, shape.key)
        if key not in self._results:
            self._results[key] = compute()
        found: T = self._results[key]
        return found

    def local(self, plugin: str, shape: Shape, snapshot: Snapshot, compute: Callable[[Where], Ints]) -> Ints:
        key, now = (plugin, shape.key), snapshot.log_start + len(snapshot.log)
        version, seen, values = self._local.get(key, (-1, 0, _NONE))
        if version != snapshot.version or seen < snapshot.log_start or now - seen > self.FEW:
            if len(self._local) >= self.LOCAL_LIMIT:
                self._local.clear()
            values = compute(slice(None))
        elif seen < now:
            slots = np.array(snapshot.log[seen - snapshot.log_start :], dtype=np.int64)
            values[slots] = compute(slots)
        else:
            return values
        self._local[key] = (snapshot.version, now, values)
        return values


class FilterPlugin(Protocol):
    @property
    def name(self) -> str: ...

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        """Return the refused nodes. If several rejects name a node, all their reasons are told."""


class ScorePlugin(Protocol):
    @property
    def name(self) -> str: ...

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        """Return 0-100 per slot, normalised over `feasible`; None when all nodes are alike to this plugin."""


@dataclass(frozen=True)
class Profile:
    """What one `schedulerName` runs, in order; scores with their weights."""

    name: str
    filters: tuple[FilterPlugin, ...]
    scores: tuple[tuple[ScorePlugin, int], ...]


@dataclass(frozen=True)
class Placement:
    """The chosen node, its score, and how many nodes would have done."""

    node: str
    score: int
    feasible: int


@dataclass(frozen=True, eq=False)
class Unschedulable:
    """No node will do. `reasons` counts nodes by reason, `plugins` are those that refused any, `curable` are
    the nodes that it might fit on if other pods went away.
    """

    message: str
    reasons: Mapping[str, int]
    plugins: frozenset[str]
    curable: Mask


def normalise(scores: Ints, feasible: Mask, reverse: bool = False) -> Ints:
    """Scale so that the highest feasible score is 100. Source: plugins/helper/normalize_score.go."""
    highest = int(scores[feasible].max(initial=0))
    if highest == 0:
        return np.full_like(scores, MAX_SCORE if reverse else 0)
    scaled = scores * MAX_SCORE // highest
    return MAX_SCORE - scaled if reverse else scaled
