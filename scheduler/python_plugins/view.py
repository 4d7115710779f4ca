"""What functions of users see: a pod, a node, all nodes in columns. Read-only, and no more than what answers
can be kept for. The promises are those of `pelamis.plugins`, word for word.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from api.types.core_v1 import Node, Pod
from scheduler.counts import PodRecord
from scheduler.kept import Kept, Where
from scheduler.shape import Shape
from scheduler.snapshot import Ints, Mask, Snapshot

Floats = NDArray[np.float64]
A = TypeVar("A", float, Floats)
# Parts of a spec that do not differ between the pods of one controller and may matter to placement.
_SPEC = (
    "nodeSelector", "affinity", "tolerations", "overhead", "topologySpreadConstraints", "resources",
    "priority", "priorityClassName", "runtimeClassName", "serviceAccountName", "hostNetwork", "schedulerName",
)  # fmt: skip
_CONTAINER = ("name", "image", "ports", "resources", "restartPolicy")
# Differs from pod to pod, says nothing.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_MILLI = 1000


class NotKept(AttributeError):
    """A function that is marked `node_only` asked for what changes with the pods of a node."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not there for a function that is marked node_only")


class PodView:
    """See `pelamis.plugins.Pod`. `key` are its traits."""

    def __init__(self, pod: Pod, shape: Shape) -> None:
        annotations = _annotations_of(pod)
        self._shape = shape
        self._spec = _spec_of(pod)
        self.annotations: Mapping[str, str] = MappingProxyType(annotations)
        self.key = _key(annotations, self._spec)

    @property
    def namespace(self) -> str:
        return self._shape.namespace

    @property
    def labels(self) -> Mapping[str, str]:
        return MappingProxyType(self._shape.labels)

    @property
    def owner(self) -> tuple[str, str]:
        return self._shape.owner

    @property
    def priority(self) -> int:
        return int(self._spec.get("priority") or 0)

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        frozen: Mapping[str, Any] = _freeze(self._spec)
        return frozen

    def request(self, resource: str) -> float:
        return _amount(resource, self._shape.requests.get(resource, 0))


class PlacedView:
    """See `pelamis.plugins.Placed`."""

    __slots__ = ("_shape", "terminating")

    def __init__(self, shape: Shape, terminating: bool) -> None:
        self._shape = shape
        self.terminating = terminating

    @property
    def namespace(self) -> str:
        return self._shape.namespace

    @property
    def labels(self) -> Mapping[str, str]:
        return MappingProxyType(self._shape.labels)

    @property
    def owner(self) -> tuple[str, str]:
        return self._shape.owner

    def request(self, resource: str) -> float:
        return _amount(resource, self._shape.requests.get(resource, 0))


class _Amounts(ABC, Generic[A]):
    """What nodes offer and what is used of it: a number for one node, a column for several."""

    __slots__ = ()
    _snapshot: Snapshot
    _node_only: bool

    @abstractmethod
    def _of(self, table: Mapping[str, Ints], resource: str) -> A:
        """Return what a table of columns holds of a resource; 0 if there is no such column."""

    def allocatable(self, resource: str) -> A:
        return self._of(self._snapshot.allocatable, resource)

    def used(self, resource: str) -> A:
        if self._node_only:
            raise NotKept("used")
        return self._of(self._snapshot.requested, resource)

    def free(self, resource: str) -> A:
        if self._node_only:
            raise NotKept("free")
        return self.allocatable(resource) - self.used(resource)


class NodeView(_Amounts[float]):
    """See `pelamis.plugins.Node`."""

    __slots__ = ("_node", "_node_only", "_slot", "_snapshot")

    def __init__(self, snapshot: Snapshot, slot: int, node: Node, node_only: bool) -> None:
        self._snapshot, self._slot, self._node, self._node_only = snapshot, slot, node, node_only

    @property
    def name(self) -> str:
        return self._node["metadata"]["name"]

    @property
    def labels(self) -> Mapping[str, str]:
        return MappingProxyType(self._node["metadata"].get("labels") or {})

    @property
    def annotations(self) -> Mapping[str, str]:
        return MappingProxyType(self._node["metadata"].get("annotations") or {})

    @property
    def taints(self) -> Sequence[Mapping[str, str]]:
        frozen: Sequence[Mapping[str, str]] = _freeze((self._node.get("spec") or {}).get("taints") or [])
        return frozen

    @property
    def unschedulable(self) -> bool:
        return bool(self._snapshot.unschedulable[self._slot])

    @property
    def pods(self) -> Sequence[PlacedView]:
        if self._node_only:
            raise NotKept("pods")
        records = self._snapshot.pods_at[self._slot].values()
        return tuple(PlacedView(record.shape, record.terminating) for record in records)

    def _of(self, table: Mapping[str, Ints], resource: str) -> float:
        column = table.get(resource)
        return _amount(resource, int(column[self._slot])) if column is not None else 0.0


class NodesView(_Amounts[Floats]):
    """See `pelamis.plugins.Nodes`. Entries are the slots that hold a node, in their order.

    `feasible` is None where there is nothing to be said of it: in filters, where all nodes are asked about.
    `kept` holds what has been counted of this cluster before.
    """

    def __init__(self, snapshot: Snapshot, kept: Kept, node_only: bool, feasible: Mask | None = None) -> None:
        self.slots = np.flatnonzero(snapshot.alive)
        self._snapshot, self._kept, self._node_only, self._feasible = snapshot, kept, node_only, feasible

    def __len__(self) -> int:
        return len(self.slots)

    def __iter__(self) -> Iterator[NodeView]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int, /) -> NodeView:
        slot = int(self.slots[number])
        node = self._snapshot.nodes[slot]
        assert node is not None, "a slot is alive that holds no node"
        return NodeView(self._snapshot, slot, node, self._node_only)

    @property
    def names(self) -> NDArray[np.str_]:
        return np.array([self._snapshot.names[slot] for slot in self.slots], dtype=np.str_)

    @property
    def unschedulable(self) -> Mask:
        return self._snapshot.unschedulable[self.slots]

    @property
    def feasible(self) -> Mask:
        if self._node_only:
            raise NotKept("feasible")
        if self._feasible is None:
            return np.ones(len(self.slots), dtype=bool)
        return self._feasible[self.slots]

    def label(self, key: str, missing: str = "") -> NDArray[np.str_]:
        ids, names = self._domains(key)
        found: NDArray[np.str_] = np.array([*names, missing], dtype=np.str_)[ids]
        return found

    def number(self, key: str, missing: float = 0.0) -> Floats:
        ids, names = self._domains(key)
        return np.array([*(_number(name, missing) for name in names), missing], dtype=np.float64)[ids]

    def count(self, match: Callable[[PlacedView], bool]) -> Ints:
        if self._node_only:
            raise NotKept("count")
        counts = np.zeros(len(self.slots), dtype=np.int64)
        for alike in self._snapshot.counts.groups():
            shape = next(iter(alike.values())).shape
            if match(PlacedView(shape, False)):
                counts += self._count_alike(shape)[self.slots]
        return counts

    def _count_alike(self, shape: Shape) -> Ints:
        """Return pods of a shape per slot; slots are counted anew when pods have come or gone there."""
        snapshot = self._snapshot
        return self._kept.local(("count", shape.base), snapshot, lambda where: _count(snapshot, shape, where))

    def sum_by(self, key: str, values: Any) -> Floats:
        given = np.asarray(values, dtype=np.float64)
        ids, names = self._domains(key)
        labelled = ids >= 0
        sums = np.bincount(ids[labelled], weights=given[labelled], minlength=max(len(names), 1))
        return np.where(labelled, sums[ids], given)

    def _domains(self, key: str) -> tuple[Ints, list[str]]:
        """Return the number of each node's value of a label, -1 without it, and the values by number."""
        domains = self._snapshot.domains(key)
        return domains.ids[self.slots], [domains.name(number) for number in range(domains.count)]

    def _of(self, table: Mapping[str, Ints], resource: str) -> Floats:
        column = table.get(resource)
        if column is None:
            return np.zeros(len(self.slots), dtype=np.float64)
        scale = _MILLI if resource == "cpu" else 1
        scaled: Floats = column[self.slots] / scale
        return scaled


def _count(snapshot: Snapshot, shape: Shape, where: Where) -> Ints:
    counts = np.zeros(len(snapshot.alive), dtype=np.int64)
    records: Iterable[PodRecord]
    if isinstance(where, slice):
        records = snapshot.counts.alike(shape)
    else:
        records = [record for slot in snapshot.slots(where) for record in snapshot.pods_at[slot].values()]
    for record in records:
        if record.shape.base == shape.base and not record.terminating:
            counts[record.slot] += 1
    return counts[where]


def _amount(resource: str, units: int) -> float:
    return units / _MILLI if resource == "cpu" else float(units)


def _number(text: str, missing: float) -> float:
    try:
        return float(text)
    except ValueError:
        return missing


def traits(pod: Pod) -> str:
    """Return what a view shows of a pod beyond its shape."""
    return _key(_annotations_of(pod), _spec_of(pod))


def _key(annotations: dict[str, str], spec: Any) -> str:
    return orjson.dumps([annotations, spec]).decode()


def _annotations_of(pod: Pod) -> dict[str, str]:
    annotations = pod["metadata"].get("annotations") or {}
    return {name: text for name, text in annotations.items() if name != _LAST_APPLIED}


def _spec_of(pod: Pod) -> dict[str, Any]:
    spec: Mapping[str, Any] = pod["spec"]
    found = {name: spec[name] for name in _SPEC if name in spec}
    for kind in ("initContainers", "containers"):
        if kind in spec:
            found[kind] = [{key: c[key] for key in _CONTAINER if key in c} for c in spec[kind]]
    return found


def _freeze(value: Any) -> Any:
    """Return the same value that nobody can change: functions of users share it with the scheduler."""
    if isinstance(value, dict):
        return MappingProxyType({key: _freeze(each) for key, each in value.items()})
    if isinstance(value, list):
        return tuple(_freeze(each) for each in value)
    return value
