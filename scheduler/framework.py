"""The seam of the scheduler: what a plugin sees, and what it may say.

A plugin is a frozen dataclass with a `name` and one or more of the methods below. `filter` and `score` look
at all nodes at once: they read columns of the snapshot and answer with arrays over its slots. Nothing that a
plugin is given may be changed by it, but `cycle.state` and what `Objects.assume` is for.

    pre_enqueue -> filter -> score -> reserve -> pre_bind -> bind
         |            |                   |          |         |
     not yet   nobody: post_filter,       +----------+---------+--> unreserve, undo, back to the queue
               make room

Source: pkg/scheduler/framework/interface.go (1.36). PreFilter and PreScore have no method of their own: what
they would compute once is kept by `Cycle.static`, `of_nodes` and `local`.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias, TypeGuard, TypeVar, runtime_checkable

from api.labels import Selector
from api.resource import Resource
from api.types.core_v1 import Pod
from scheduler.hints import Hints
from scheduler.kept import Kept, Where
from scheduler.objects import Objects
from scheduler.shape import Shape
from scheduler.snapshot import Ints, Mask, Snapshot

MAX_SCORE = 100
# In `Cycle.state` when nobody is to be placed: somebody only wants to know.
IN_THOUGHT = "in thought"
# The time of attempts for which time does not matter.
BEGINNING = datetime.min.replace(tzinfo=UTC)
A = TypeVar("A", Ints, Mask)
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Reject:
    """Nodes that a plugin refuses, and why, in upstream's words.

    `final`: no preemption could change it. `of_pod`: the fault is the pod's, whatever the node (upstream's
    PreFilter): the reason is told without a number of nodes, and `nodes` are all.
    """

    reason: str
    nodes: Mask
    final: bool = False
    of_pod: bool = False


@dataclass
class Trace:
    """What the plugins said in one decision, as arrays over slots. `rejected` names a node once per plugin
    that refused it first; `scores` lack the plugins to which all nodes were alike.
    """

    feasible: Mask
    rejected: Sequence[tuple[str, Reject, Mask]] = ()
    scores: Sequence[tuple[str, int, Ints]] = ()
    total: Ints | None = None
    # The slots that are best and equal, one of which is drawn.
    best: Ints | None = None
    # Whether scores may be above 100, as those of extenders.
    wide: bool = False


@dataclass
class Cycle:
    """One pod's way through the plugins. `kept` outlives it: what depends on shape and node data alone goes
    there.
    """

    pod: Pod
    shape: Shape
    snapshot: Snapshot
    kept: Kept
    objects: Objects
    # The node that the pod itself names.
    node_name: str = ""
    # The node where room has been made for the pod: taken before all others if it fits there.
    nominated: str = ""
    # The selector of the services and the controller that a pod belongs to, for default spreading.
    default_selector: Selector | None = None
    # When the attempt began.
    now: datetime = BEGINNING
    # The nodes that no plugin before has refused, while a filter is asked; None: all may count.
    left: Mask | None = None
    # How many such pods plugins are to count on a node: the one to be placed, and those that come before it.
    copies: int = 1
    # Within one cycle, by plugin.
    state: dict[str, Any] = field(default_factory=dict)
    # Filled by `decide.schedule`.
    trace: Trace | None = None

    def static(self, plugin: str, compute: Callable[[], T], part: Hashable = None) -> T:
        """Return `compute()`, kept until node data change, for pods of this shape; or, if it depends on a
        part of the shape alone, for all pods that are equal in that part.
        """
        return self.kept.get((plugin, part or self.shape.base), self.snapshot.version, compute)

    def shared(self, plugin: str, compute: Callable[[], T]) -> T:
        """Return `compute()`, kept for all pods until node data change."""
        return self.kept.get((plugin, None), self.snapshot.version, compute)

    def of_nodes(self, plugin: str, compute: Callable[[Where], A], part: Hashable = None) -> A:
        """Return what depends, per node, on this shape (or part of it) and the Node object, never on pods.

        `compute` gives it for some slots or for all, and for one as a number: only nodes that have changed
        since the last time are computed anew. The array must not be written to.
        """
        return self.kept.of_nodes((plugin, part or self.shape.base), self.snapshot, compute)

    def local(self, plugin: str, compute: Callable[[Where], Ints], part: Hashable = None) -> Ints:
        """Return what depends, per node, on this shape (or part of it), the Node and the node's own columns.

        As `of_nodes`, with slots computed anew when pods come or go there. The array is good until the
        snapshot changes.
        """
        return self.kept.local((plugin, part or self.shape.base), self.snapshot, compute)


class Named(Protocol):
    @property
    def name(self) -> str:
        """Upstream's name."""

    @property
    def hints(self) -> Hints:
        """What may change the plugin's mind about a pod that it refused; see `scheduler.hints`."""


_SERVED: dict[tuple[type, type], bool] = {}


def serves(plugin: object, protocol: type[T]) -> TypeGuard[T]:
    """Say whether a plugin has the methods of a protocol: `isinstance`, but asked once per class, since it
    takes ten microseconds.
    """
    key = (type(plugin), protocol)
    if key not in _SERVED:
        _SERVED[key] = isinstance(plugin, protocol)
    return _SERVED[key]


class PreEnqueuePlugin(Named, Protocol):
    def pre_enqueue(self, pod: Pod, objects: Objects) -> str | None:
        """Return why the pod must not be tried yet; None lets it into the queue. Asked again whenever the pod
        or an object that `hints` names changes.
        """


class FilterPlugin(Named, Protocol):
    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        """Return the refused nodes. If several rejects name a node, all their reasons are told."""


@runtime_checkable
class StaticFilter(Protocol):
    """A filter that knows when pods do not matter to it."""

    def filter_is_static(self, cycle: Cycle) -> bool:
        """Say whether what it says about any node stays the same for this pod whatever pods come and go."""


@runtime_checkable
class StaticScore(Protocol):
    """A score that knows when pods do not matter to it."""

    def score_is_static(self, cycle: Cycle) -> bool:
        """Say whether the scores of all nodes stay the same for this pod whatever pods come."""


@runtime_checkable
class RoomFilter(Protocol):
    """A filter that compares what a pod asks for with what is left on a node, and nothing else."""

    def demands(self, cycle: Cycle) -> Mapping[str, int]:
        """Return what a node must have for the pod, by resource; the place of one pod goes without saying."""


@runtime_checkable
class NarrowFilter(Protocol):
    """A filter that knows beforehand which few nodes can be meant at all: upstream's PreFilter result."""

    @property
    def name(self) -> str: ...

    def narrow(self, cycle: Cycle) -> Collection[str] | None:
        """Return the names of the only nodes worth a look; None if they may be any. The others are refused
        before any filter is asked.
        """


@runtime_checkable
class Local(Protocol):
    """A plugin that judges a node by the pods on it alone. It counts `cycle.copies` of the pod."""

    @property
    def name(self) -> str: ...

    def filter_at(self, cycle: Cycle, slots: Ints) -> Sequence[Reject]:
        """Return what `filter` says of some nodes; the masks are as long as `slots`."""

    def score_at(self, cycle: Cycle, slots: Ints) -> Ints:
        """Return what `score` says of some nodes."""


class ScorePlugin(Protocol):
    @property
    def name(self) -> str: ...

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        """Return 0-100 per slot, normalised over `feasible`; None when all nodes are alike to this plugin."""


@dataclass(frozen=True)
class Write:
    """One write that a plugin wants: `body` is a patch of an object, or of its subresource.

    If it carries `metadata.resourceVersion`, it fails on a conflict. `kind` says what becomes of lists: a
    merge patch replaces them, a strategic one merges what has keys.
    """

    resource: Resource[Any]
    namespace: str
    name: str
    body: Mapping[str, Any]
    subresource: str = ""
    kind: Literal["merge", "strategic"] = "merge"


@dataclass(frozen=True)
class Create:
    """A new object that a plugin wants."""

    resource: Resource[Any]
    namespace: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Delete:
    """The end of an object that a plugin wants; one that has gone already is no failure."""

    resource: Resource[Any]
    namespace: str
    name: str
    uid: str


Change: TypeAlias = Write | Create | Delete


@dataclass(frozen=True)
class Relief:
    """What a plugin does for a pod that no node would take; `note` goes into the message."""

    note: str
    changes: Sequence[Change] = ()


class PostFilterPlugin(Named, Protocol):
    def post_filter(self, cycle: Cycle) -> Relief | None:
        """Say what might help a pod that no node would take, before others are ended for it; what changes
        stirs the pod. Asked after `filter`, in order. None: it is not this plugin's affair.
        """


class PreemptionPlugin(Protocol):
    """Whether and how room is made by ending other pods."""

    @property
    def name(self) -> str: ...

    def candidates(self, nodes: int) -> int:
        """Return after how many nodes where it is possible the search ends, of so many."""


class ReservePlugin(Named, Protocol):
    """Called for the chosen node, in order; when one refuses, or binding fails, `unreserve` is called in the
    opposite order for all (also for those that were not asked), and must be idempotent.
    """

    def reserve(self, cycle: Cycle, node: str) -> str | None:
        """Take what the pod will use, so that the next pod sees it taken. Returns why that is impossible."""

    def unreserve(self, cycle: Cycle, node: str) -> None:
        """Give back what `reserve` took."""


@dataclass(frozen=True)
class Wait:
    """Nothing to write now: ask again when an object changes, until `limit_s` after the first asking.

    `event` (its reason and its message) tells users of the pod, once.
    """

    reason: str
    limit_s: float
    event: tuple[str, str] | None = None


@dataclass(frozen=True)
class Failed:
    """The pod cannot be bound there: everything is unreserved, and the pod tried again."""

    reason: str


# An empty sequence of changes means: all is as it must be.
Step: TypeAlias = Sequence[Change] | Wait | Failed


class PreBindPlugin(Named, Protocol):
    def pre_bind(self, cycle: Cycle, node: str) -> Step:
        """Say what must be written before the pod may be bound; asked again after the writes and whenever
        objects change, until it answers `()`. Decides on `cycle.objects` as they are now.
        """


@runtime_checkable
class UndoPlugin(Protocol):
    """What a `PreBindPlugin` may have besides."""

    def undo(self, cycle: Cycle, node: str) -> Sequence[Change]:
        """Say what takes back that which `pre_bind` has had written, if the pod is not bound after all. Asked
        once, after `unreserve`; nobody waits for the writes.
        """


Plugin: TypeAlias = (
    PreEnqueuePlugin | FilterPlugin | PostFilterPlugin | ScorePlugin | ReservePlugin | PreBindPlugin
)


@dataclass(frozen=True)
class Profile:
    """What one `schedulerName` runs, in order; scores with their weights."""

    name: str
    filters: tuple[FilterPlugin, ...]
    scores: tuple[tuple[ScorePlugin, int], ...]
    pre_enqueues: tuple[PreEnqueuePlugin, ...] = ()
    reserves: tuple[ReservePlugin, ...] = ()
    pre_binds: tuple[PreBindPlugin, ...] = ()
    # Asked before DefaultPreemption.
    post_filters: tuple[PostFilterPlugin, ...] = ()
    # None: nobody is ended for a pod.
    preemption: PreemptionPlugin | None = None
    # What beyond their shape and priority the plugins tell pods apart by.
    traits: Callable[[Pod], Hashable] | None = None

    @cached_property
    def narrows(self) -> tuple[NarrowFilter, ...]:
        """The filters that are asked to narrow the choice."""
        return tuple(plugin for plugin in self.filters if serves(plugin, NarrowFilter))


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
        return scores * 0 + (MAX_SCORE if reverse else 0)
    scaled: Ints = scores * MAX_SCORE // highest
    return MAX_SCORE - scaled if reverse else scaled
