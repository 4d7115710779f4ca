"""What may be supposed of a cluster, and how it comes about: step by step, as in a real one. Pure.

    Drain      the node takes no more pods; its pods are evicted, as many at a time as budgets allow
    Lose       nodes vanish at once with all their pods, and nobody asks budgets
    Change     objects, nodes and pods come; workloads roll from old pods to new ones

After each step the scheduler works until nothing moves: pods that are evicted one after the other are also
made again one after the other, in the order in which the API server lists them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

from api.owners import controller_of
from api.podspec import is_mirror, is_pod_ready
from api.resource import Resource, key_of
from api.types.core_v1 import NODES, Node, Pod
from api.types.policy_v1 import PODDISRUPTIONBUDGETS
from scheduler.preempt import Budget
from scheduler.whatif.world import World, is_new

# A rollout takes about so many steps at most.
_AT_A_TIME = 50


class Impossible(ValueError):
    """The hypothesis is about something that is not there."""


@dataclass(frozen=True)
class Drain:
    node: str


@dataclass(frozen=True)
class Lose:
    """The nodes with this label are lost."""

    label: str
    value: str


@dataclass(frozen=True)
class Rollout:
    """One workload: `come` take the places of `leave`; `stay` pods of it are as they should be.

    It should have `size` pods; meanwhile there may be `surge` more, and `unavailable` fewer that run.
    """

    name: str
    size: int
    come: tuple[Pod, ...] = ()
    leave: tuple[Pod, ...] = ()
    stay: int = 0
    surge: int = 0
    unavailable: int = 0
    # The next one comes when all before it run.
    in_order: bool = False


@dataclass(frozen=True)
class Change:
    """`objects` are new or in the place of others of their names; `pods` may have a node already."""

    objects: tuple[tuple[Resource[Any], Any], ...] = ()
    pods: tuple[Pod, ...] = ()
    rollouts: tuple[Rollout, ...] = ()


Hypothesis: TypeAlias = Drain | Lose | Change


@dataclass(frozen=True)
class Held:
    """A pod that does not do what was supposed: it stays where it is, or does not come."""

    pod: Pod
    why: str


def suppose(world: World, hypothesis: Hypothesis) -> list[Held]:
    """Let it come about. Returns the pods that budgets or a halted rollout hold back.

    Raises `Impossible`.
    """
    match hypothesis:
        case Drain(node=node):
            return _drain(world, node)
        case Lose(label=label, value=value):
            return _lose(world, label, value)
        case Change():
            return _change(world, hypothesis)
        case _:
            assert_never(hypothesis)


# -- drain


def _drain(world: World, name: str) -> list[Held]:
    node = world.get(NODES, "", name)
    if node is None:
        raise Impossible(f"there is no node {name}")
    cordoned: Any = {**node, "spec": {**(node.get("spec") or {}), "unschedulable": True}}
    world.put(NODES, cordoned)
    # Disruptions that count until the pod that was made instead runs.
    owed: list[tuple[str, list[tuple[str, str]]]] = []
    while True:
        held = []
        before = len(world.departures)
        for pod in _evictable(world, name):
            budgets = list(_budgets_of(world, pod))
            if why := _refusal(budgets):
                held.append(Held(pod, why))
                continue
            owed += _evict(world, pod, [key for key, _ in budgets])
            world.settle()
        if len(world.departures) == before:
            return held
        owed = list(_repay(world, owed))


def _evictable(world: World, name: str) -> list[Pod]:
    """Return the pods that a drain is about: daemons stay, and what the node runs by itself."""
    return [pod for pod in world.on_node(name) if not is_mirror(pod) and not _is_daemon(pod)]


def _is_daemon(pod: Pod) -> bool:
    owner = controller_of(pod)
    return owner is not None and owner["kind"] == "DaemonSet"


def _budgets_of(world: World, pod: Pod) -> Iterator[tuple[tuple[str, str], Budget]]:
    """Yield the budgets that an eviction is asked of. Pods that do not run yet may always go; those that are
    not ready may, if nobody counts on them. A pod that was made here runs as soon as it has a node.

    Source: pkg/registry/core/pod/storage/eviction.go (1.36).
    """
    if not is_new(pod) and (pod.get("status") or {}).get("phase") == "Pending":
        return
    for key, budget in world.cluster.budgets.items():
        if budget.covers(pod) and (is_new(pod) or is_pod_ready(pod) or _counts(world, key)):
            yield key, budget


def _counts(world: World, key: tuple[str, str]) -> bool:
    """Say whether a budget protects pods that are not ready, too."""
    budget: Any = world.get(PODDISRUPTIONBUDGETS, *key)
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return False
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy") or 0
    return not desired or (status.get("currentHealthy") or 0) < desired


def _refusal(budgets: list[tuple[tuple[str, str], Budget]]) -> str:
    if len(budgets) > 1:
        names = ", ".join(name for (_, name), _ in budgets)
        return f"more than one PodDisruptionBudget is about it: {names}"
    for (_, name), budget in budgets:
        if budget.allowed <= 0:
            return f"PodDisruptionBudget {name} allows no more disruptions"
    return ""


def _evict(
    world: World, pod: Pod, keys: list[tuple[str, str]]
) -> Iterable[tuple[str, list[tuple[str, str]]]]:
    for key in keys:
        _allow(world, key, -1)
    successor = world.remove(pod, "evicted")
    return [(successor["metadata"]["uid"], keys)] if successor is not None and keys else []


def _repay(
    world: World, owed: Iterable[tuple[str, list[tuple[str, str]]]]
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for uid, keys in owed:
        if world.node_of(uid):
            for key in keys:
                _allow(world, key, 1)
        else:
            yield uid, keys


def _allow(world: World, key: tuple[str, str], more: int) -> None:
    budget: Any = world.get(PODDISRUPTIONBUDGETS, *key)
    status = budget.get("status") or {}
    allowed = (status.get("disruptionsAllowed") or 0) + more
    world.put(PODDISRUPTIONBUDGETS, {**budget, "status": {**status, "disruptionsAllowed": allowed}})


# -- lose


def _lose(world: World, label: str, value: str) -> list[Held]:
    lost = [node for node in world.all(NODES) if (node["metadata"].get("labels") or {}).get(label) == value]
    if not lost:
        raise Impossible(f"no node has the label {label}={value}")
    gone = sorted((pod for node in lost for pod in world.on_node(node["metadata"]["name"])), key=key_of)
    for node in lost:
        world.drop(NODES, node)
    for pod in gone:
        world.remove(pod, "lost with its node")
        world.settle()
    return []


# -- change


def _change(world: World, change: Change) -> list[Held]:
    for resource, obj in change.objects:
        world.put(resource, obj)
        if resource is NODES:
            # One after the other, as machines come up: the first is full before the next is there.
            world.settle()
    for pod in change.pods:
        world.add(pod)
    world.settle()
    return [held for rollout in change.rollouts for held in _Roll(world, rollout).run()]


class _Roll:
    """New pods come and old ones leave, in turns, as far as surge and availability allow; when neither can,
    time passes until one more of the new pods runs. Of large workloads, several at a time.

    Source: pkg/controller/deployment/rolling.go (1.36).
    """

    def __init__(self, world: World, rollout: Rollout) -> None:
        self._world, self._rollout = world, rollout
        self._come, self._leave = list(rollout.come), list(rollout.leave)
        # The uids of the pods that have come, and of those of them that run.
        self._new: list[str] = []
        self._running: set[str] = set()

    def run(self) -> list[Held]:
        """Go on as long as anything moves. Returns the pods that never come."""
        while (self._come or self._leave) and (self._add() or self._take_away() or self._pass_time()):
            pass
        why = f"the rollout of {self._rollout.name} does not get that far"
        return [Held(pod, why) for pod in self._come]

    def _add(self) -> bool:
        rollout = self._rollout
        room = rollout.size + rollout.surge - rollout.stay - len(self._leave) - len(self._new)
        if rollout.in_order:
            room = min(room, 1) if len(self._running) == len(self._new) else 0
        added = [self._world.add(pod) for pod in self._come[: max(room, 0)]]
        self._new += [pod["metadata"]["uid"] for pod in added]
        del self._come[: len(added)]
        self._world.settle()
        return bool(added)

    def _take_away(self) -> bool:
        going = self._to_leave()
        for pod in going:
            self._world.remove(pod, f"replaced by {self._rollout.name}", again=False)
        self._leave = [pod for pod in self._leave if pod["metadata"]["uid"] in self._world.pods]
        self._world.settle()
        return bool(going)

    def _to_leave(self) -> list[Pod]:
        """Return the old pods that may go: all that do not run, and of the others what is to spare, those
        first that share their node with most pods of the workload.

        Source: pkg/controller/controller_utils.go ActivePodsWithRanks (1.36).
        """
        rollout, node_of = self._rollout, self._world.node_of
        # As they are now: some may have found a node meanwhile, others may have been ended.
        there = [self._world.pods.get(pod["metadata"]["uid"]) for pod in self._leave]
        old = [pod for pod in there if pod is not None]
        idle = [pod for pod in old if not pod["spec"].get("nodeName")]
        running = [pod for pod in old if pod["spec"].get("nodeName")]
        crowd = Counter(node_of(uid) for uid in (*self._new, *(pod["metadata"]["uid"] for pod in running)))
        running.sort(key=lambda pod: -crowd[pod["spec"]["nodeName"]])
        available = rollout.stay + len(self._running) + len(running)
        spare = available - (rollout.size - rollout.unavailable)
        return [*idle, *running[: max(spare, 0)]]

    def _pass_time(self) -> bool:
        starting = [uid for uid in self._new if uid not in self._running and self._world.node_of(uid)]
        self._running.update(starting[: max(1, self._rollout.size // _AT_A_TIME)])
        return bool(starting)


def new_nodes(template: Node, count: int, taken: Iterable[str]) -> list[Node]:
    """Return nodes like `template`, ready for pods, with names that nobody has."""
    name, used = template["metadata"]["name"], set(taken)
    names = (f"{name}-new-{number}" for number in range(1, len(used) + count + 1))
    return [_like(template, each) for each in [each for each in names if each not in used][:count]]


def _like(template: Node, name: str) -> Node:
    labels = {**(template["metadata"].get("labels") or {}), "kubernetes.io/hostname": name}
    spec: Any = template.get("spec") or {}
    # What the cluster itself says of the state of a node does not hold for a new one.
    taints = [t for t in spec.get("taints") or () if not t["key"].startswith("node.kubernetes.io/")]
    node: Any = {
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": template["metadata"].get("annotations") or {},
        },
        "spec": {"taints": taints} if taints else {},
        "status": {key: (template.get("status") or {}).get(key) or {} for key in ("allocatable", "capacity")},
    }
    return node  # type: ignore[no-any-return]
