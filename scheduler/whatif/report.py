"""What would come of a hypothesis: who goes where, who waits and why, who ends, how full nodes are. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.types.core_v1 import Pod
from scheduler.framework import Profile
from scheduler.whatif.hypotheses import Held, Hypothesis, suppose
from scheduler.whatif.world import Departure, State, World

# Of these the load of nodes is told.
RESOURCES = ("cpu", "memory")


@dataclass(frozen=True)
class Placement:
    """A pod that gets a node. `instead` is the pod in whose place it is made, None for one that waited or is
    new.
    """

    pod: Pod
    node: str
    instead: Departure | None = None


@dataclass(frozen=True)
class Waiting:
    """A pod without a node, and why. `already`: it waits now as well."""

    pod: Pod
    why: str
    instead: Departure | None = None
    already: bool = False


@dataclass(frozen=True)
class NodeLoad:
    """What the pods of a node ask for, and what it offers: millicores and bytes, by resource."""

    name: str
    requested: Mapping[str, int]
    offered: Mapping[str, int]
    pods: int

    def share(self, resource: str) -> float:
        """Return the part that is asked for; 0 of nothing."""
        offered = self.offered[resource]
        return self.requested[resource] / offered if offered else 0.0


@dataclass(frozen=True)
class Report:
    """`settled` pods wait now and will get a node in any case; `held` do not do what was supposed."""

    placements: tuple[Placement, ...]
    waiting: tuple[Waiting, ...]
    departures: tuple[Departure, ...]
    held: tuple[Held, ...]
    settled: int
    before: tuple[NodeLoad, ...]
    after: tuple[NodeLoad, ...]

    @property
    def lost(self) -> tuple[Departure, ...]:
        """Pods that go and that nobody makes again."""
        return tuple(each for each in self.departures if each.final)

    @property
    def fits(self) -> bool:
        """Whether everything that runs or waits now, and what is new, has the place that was supposed."""
        return not self.held and not self.lost and all(each.already for each in self.waiting)


def predict(state: State, hypothesis: Hypothesis, profiles: Mapping[str, Profile], seed: int = 0) -> Report:
    """Return what would come of a hypothesis in a cluster with these objects and profiles of the scheduler.

    First it is let settle as it is. `seed` is the scheduler's. Raises `Impossible`.
    """
    world = World(state, profiles, seed)
    waited = len(world.waiting())
    world.settle()
    known = {uid: world.node_of(uid) for uid in world.pods}
    before, settled = loads(world), waited - len(world.waiting())
    world.departures.clear()
    held = suppose(world, hypothesis)
    instead = {each.successor: each for each in world.departures if each.successor}
    return Report(
        tuple(
            Placement(pod, node, instead.get(uid))
            for uid, pod in world.pods.items()
            if (node := world.node_of(uid)) and not known.get(uid)
        ),
        tuple(
            Waiting(pod, world.why_waiting(pod), instead.get(uid), uid in known)
            for pod in world.waiting()
            if (uid := pod["metadata"]["uid"])
        ),
        tuple(world.departures),
        tuple(held),
        settled,
        before,
        loads(world),
    )


def loads(world: World) -> tuple[NodeLoad, ...]:
    """Return how full the nodes are, by name."""
    snapshot = world.cluster.snapshot
    return tuple(
        NodeLoad(
            name,
            {resource: int(snapshot.requested[resource][slot]) for resource in RESOURCES},
            {resource: int(snapshot.allocatable[resource][slot]) for resource in RESOURCES},
            int(snapshot.requested["pods"][slot]),
        )
        for name, slot in sorted(snapshot.index.items())
    )


def summary(found: tuple[NodeLoad, ...], resource: str) -> tuple[float, float]:
    """Return the highest and the mean share of a resource over nodes."""
    shares = [node.share(resource) for node in found]
    return max(shares, default=0.0), sum(shares) / len(shares) if shares else 0.0


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as users' programs read it."""
    return {
        "fits": report.fits,
        "placements": [
            {**_named(each.pod), "node": each.node, **_instead(each.instead)} for each in report.placements
        ],
        "pending": [
            {
                **_named(each.pod),
                "message": each.why,
                "alreadyPending": each.already,
                **_instead(each.instead),
            }
            for each in report.waiting
        ],
        "departures": [
            {
                **_named(each.pod),
                "node": _node(each.pod),
                "reason": each.why,
                "madeAgain": bool(each.successor),
            }
            for each in report.departures
        ],
        "held": [{**_named(each.pod), "node": _node(each.pod), "reason": each.why} for each in report.held],
        "settled": report.settled,
        "load": {"before": _loads(report.before), "after": _loads(report.after)},
    }


def _named(pod: Pod) -> dict[str, str]:
    metadata = pod["metadata"]
    return {"namespace": metadata["namespace"], "pod": metadata["name"]}


def _instead(departure: Departure | None) -> dict[str, Any]:
    if departure is None:
        return {}
    return {"insteadOf": departure.pod["metadata"]["name"], "from": _node(departure.pod)}


def _node(pod: Pod) -> str:
    return str(pod["spec"].get("nodeName") or "")


def _loads(found: tuple[NodeLoad, ...]) -> dict[str, Any]:
    shares = {resource: summary(found, resource) for resource in RESOURCES}
    return {
        "max": {resource: round(highest, 4) for resource, (highest, _) in shares.items()},
        "mean": {resource: round(mean, 4) for resource, (_, mean) in shares.items()},
        "nodes": [
            {
                "name": node.name,
                "pods": node.pods,
                "requested": dict(node.requested),
                "offered": dict(node.offered),
            }
            for node in found
        ],
    }
