"""Decorators for people who extend a cluster in Python, and what the functions that they mark are given.

    from pelamis.plugins import Node, Pod, score

    @score(weight=3)
    def cheap(pod: Pod, node: Node) -> float:
        return 100 - 10 * float(node.labels.get("example.com/price-per-hour", "10"))

The file is named to the scheduler (`--plugin-file`), which asks the function about every node. A decorator
only marks its function: the file can be imported, and the function called, by a test of its own.

What functions must be: fast, and true of their arguments alone. The scheduler keeps what they said of a node
until the node, or the pods on it, change. One that raises, takes too long or answers nonsense is left out of
the decision, and an Event of the pod says so. `docs/checklists/extend-the-scheduler.md` is the way in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The attribute that the scheduler looks for: a mapping of the decorator's arguments.
MARK = "__pelamis_plugin__"
MAX_WEIGHT = 100
F = TypeVar("F", bound=Callable[..., Any])


class Pod(Protocol):
    """The pod to be placed, read-only.

    Pods of one controller look all the same here (there is no name): each question is asked once for them.
    """

    @property
    def namespace(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def annotations(self) -> Mapping[str, str]: ...
    @property
    def owner(self) -> tuple[str, str]:
        """Kind and name of the controller: ("ReplicaSet", "web-6d4cf"); ("", "") of a pod without one."""

    @property
    def priority(self) -> int: ...
    @property
    def spec(self) -> Mapping[str, Any]:
        """What the spec says of placement, as the API has it, with tuples for lists: nodeSelector, affinity,
        tolerations, topologySpreadConstraints, runtimeClassName, serviceAccountName, hostNetwork, and of
        (init) containers name, image, ports and resources.
        """

    def request(self, resource: str) -> float:
        """Return what the pod asks for: CPU in cores, all else in its own unit (bytes, devices)."""


class Placed(Protocol):
    """A pod that is on a node, or about to be, read-only."""

    @property
    def namespace(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def owner(self) -> tuple[str, str]: ...
    @property
    def terminating(self) -> bool: ...
    def request(self, resource: str) -> float: ...


class Node(Protocol):
    """One node, read-only. Amounts are in cores for CPU, else in the resource's own unit.

    `used`, `free` and `pods` change with every pod that comes and goes: they are not there for functions that
    are marked `node_only`.
    """

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def annotations(self) -> Mapping[str, str]: ...
    @property
    def taints(self) -> Sequence[Mapping[str, str]]: ...
    @property
    def unschedulable(self) -> bool: ...
    @property
    def pods(self) -> Sequence[Placed]: ...
    def allocatable(self, resource: str) -> float:
        """Return what the node offers to pods; 0 if it does not know the resource."""

    def used(self, resource: str) -> float:
        """Return the sum of what the pods on it ask for."""

    def free(self, resource: str) -> float:
        """Return what is left; may be below 0."""


class Nodes(Protocol):
    """All nodes in columns, for `vectorised` functions: arrays in one order, which are yours to change.

    `used`, `free`, `count` and `feasible` are not there for functions that are marked `node_only`.
    """

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Node]: ...
    def __getitem__(self, number: int, /) -> Node: ...
    @property
    def names(self) -> "NDArray[np.str_]": ...
    @property
    def unschedulable(self) -> "NDArray[np.bool_]": ...
    @property
    def feasible(self) -> "NDArray[np.bool_]":
        """Which nodes have passed all filters, for scores that compare nodes with each other."""

    def label(self, key: str, missing: str = "") -> "NDArray[np.str_]":
        """Return the values of a label."""

    def number(self, key: str, missing: float = 0.0) -> "NDArray[np.float64]":
        """Return the values of a label as numbers; `missing` also for what is not a number."""

    def allocatable(self, resource: str) -> "NDArray[np.float64]": ...
    def used(self, resource: str) -> "NDArray[np.float64]": ...
    def free(self, resource: str) -> "NDArray[np.float64]": ...
    def count(self, match: Callable[[Placed], bool]) -> "NDArray[np.int64]":
        """Return how many pods `match` says yes to, per node. It is asked once for all pods that are alike;
        pods that are being deleted are not counted.
        """

    def sum_by(self, key: str, values: Any) -> "NDArray[np.float64]":
        """Return, per node, the sum of `values` over the nodes with the same value of a label. A node without
        the label is alone.
        """


@overload
def filter(function: F, /) -> F: ...
@overload
def filter(
    *, name: str = "", node_only: bool = False, vectorised: bool = False, reason: str = ""
) -> Callable[[F], F]: ...
def filter(
    function: F | None = None,
    /,
    *,
    name: str = "",
    node_only: bool = False,
    vectorised: bool = False,
    reason: str = "",
) -> Any:
    """Mark a function that says which nodes may take a pod.

    `function(pod, node)` returns True or None where the pod may go, False where it may not, or a text that
    says why not; users read it after a number: "node(s) had no free licence". With `vectorised`,
    `function(pod, nodes)` returns an array of bool, True where the pod may go, or (array, text).
    `reason` is told for False. `node_only`: the answer depends on the pod and the Node object alone, so the
    function is asked again only when the Node changes (and preemption does not try to help).
    """
    options = {"point": "filter", "node_only": node_only, "vectorised": vectorised, "reason": reason}
    return _marker(function, name, options)


@overload
def score(function: F, /) -> F: ...
@overload
def score(
    *, weight: int = 1, name: str = "", node_only: bool = False, vectorised: bool = False
) -> Callable[[F], F]: ...
def score(
    function: F | None = None,
    /,
    *,
    weight: int = 1,
    name: str = "",
    node_only: bool = False,
    vectorised: bool = False,
) -> Any:
    """Mark a function that says how well a node suits a pod: a number from 0 to 100, multiplied by `weight`
    (1 to 100; the default plugins have 1 to 3).

    `function(pod, node)` returns a number; with `vectorised`, `function(pod, nodes)` returns an array of
    them. `node_only` as for filters. Raises `ValueError` for a weight that is out of range.
    """
    if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= MAX_WEIGHT:
        raise ValueError(f"weight must be a whole number from 1 to {MAX_WEIGHT}, not {weight!r}")
    options = {"point": "score", "node_only": node_only, "vectorised": vectorised, "weight": weight}
    return _marker(function, name, options)


def _marker(function: F | None, name: str, options: Mapping[str, Any]) -> Any:
    def mark(function: F) -> F:
        if not callable(function):
            raise TypeError(f"a plugin must be a function, not {function!r}")
        if hasattr(function, MARK):
            raise TypeError(f"{function.__name__} is marked already: a function is a filter or a score")
        setattr(function, MARK, {"name": name or function.__name__, **options})
        return function

    return mark if function is None else mark(function)
