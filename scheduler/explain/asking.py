"""What the plugins would say now: of a pod, of a changed pod, of a changed cluster. Called by `advice` and
`explainer`. The snapshot is as before when a function here returns; nobody else may look at it meanwhile.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from api.types.core_v1 import Node, Pod
from scheduler.decide import find_feasible, narrowed, weigh
from scheduler.explain.detail import Detail, Verdict
from scheduler.framework import IN_THOUGHT, Cycle, Profile, Reject
from scheduler.kept import Kept
from scheduler.shape import Shape, new_shape, shape_key
from scheduler.snapshot import Mask, Snapshot


@dataclass(frozen=True)
class Question:
    """A pod, and who is asked about it. `tries` holds what plugins derive from changed pods, apart from what
    they keep for real ones.
    """

    cycle: Cycle
    profile: Profile
    tries: Kept = field(default_factory=Kept)

    @property
    def snapshot(self) -> Snapshot:
        return self.cycle.snapshot

    def about(self, pod: Pod) -> "Question":
        """Return the same question about another pod."""
        return self._with(new_shape(pod, shape_key(pod)), pod)

    def without(self, resource: str) -> "Question":
        """Return the same question about a pod that requests nothing of a resource."""
        shape = self.cycle.shape
        rest = {name: amount for name, amount in shape.requests.items() if name != resource}
        other = replace(
            shape,
            requests=rest,
            size=(*rest.items(), "asking"),
            key=shape.key + b"/without/" + resource.encode(),
            base=shape.base + b"/without/" + resource.encode(),
        )
        return self._with(other, self.cycle.pod)

    def to(self, plugins: Iterable[str]) -> "Question":
        """Return the same question to some filters alone."""
        names = set(plugins)
        filters = tuple(plugin for plugin in self.profile.filters if plugin.name in names)
        return replace(self, profile=replace(self.profile, filters=filters))

    def feasible(self, among: Mask | None = None) -> Mask:
        """Return the nodes (`among` some, or all) that every plugin lets pass."""
        return find_feasible(self.fresh(), self.profile, among)[0]

    def fresh(self) -> Cycle:
        """Return a cycle in which nothing has been asked yet."""
        return replace(self.cycle, state={IN_THOUGHT: True}, trace=None)

    def _with(self, shape: Shape, pod: Pod) -> "Question":
        return replace(self, cycle=replace(self.cycle, pod=pod, shape=shape, kept=self.tries))


def ask_all(question: Question) -> Detail:
    """Ask every filter about every node, also about those that another one has refused, and score what is
    left. A plugin that has narrowed the choice has no more to say of the nodes that it left out.
    """
    cycle, snapshot = question.fresh(), question.snapshot
    feasible, refused = snapshot.alive.copy(), dict[Verdict, Mask]()

    def refuse(plugin: str, reject: Reject, among: Mask) -> None:
        hit = among if reject.of_pod else reject.nodes & among
        if hit.any():
            verdict = Verdict(plugin, reject.reason, reject.final or reject.of_pod)
            refused[verdict] = refused[verdict] | hit if verdict in refused else hit

    out: dict[str, Mask] = {}
    for name, reject in narrowed(cycle, question.profile):
        refuse(name, reject, snapshot.alive)
        out[name] = reject.nodes
    for plugin in question.profile.filters:
        among = snapshot.alive & ~out[plugin.name] if plugin.name in out else snapshot.alive
        for reject in plugin.filter(cycle):
            refuse(plugin.name, reject, among)
    for mask in refused.values():
        feasible &= ~mask
    scores = weigh(cycle, question.profile, feasible) if feasible.any() else []
    size = snapshot.size
    matrix = np.empty((len(scores), size), dtype=np.uint8)
    for number, (_, _, values) in enumerate(scores):
        matrix[number] = values[:size]
    return Detail(
        tuple(snapshot.names),
        tuple((name, weight) for name, weight, _ in scores),
        matrix,
        {verdict: mask[:size].copy() for verdict, mask in refused.items()},
        feasible[:size],
    )


def only(snapshot: Snapshot, slots: Iterable[int]) -> Mask:
    """Return the mask of some slots."""
    mask: Mask = np.zeros(len(snapshot.alive), dtype=bool)
    mask[list(slots)] = True
    return mask


@contextmanager
def pods_away(snapshot: Snapshot, uids: Iterable[str]) -> Iterator[None]:
    """Within the block these pods take no room."""
    known = [uid for uid in uids if uid in snapshot.pods]
    records = [record for uid in known if (record := snapshot.remove_pod(uid)) is not None]
    try:
        yield
    finally:
        for record in records:
            snapshot.add_pod(record.uid, snapshot.names[record.slot], record.shape, record.terminating)


@contextmanager
def node_changed(snapshot: Snapshot, node: Node) -> Iterator[int]:
    """Within the block a node is as given: another, or a new one. Gives its slot."""
    name = node["metadata"]["name"]
    before = snapshot.nodes[snapshot.index[name]] if name in snapshot.index else None
    snapshot.set_node(node)
    try:
        yield snapshot.index[name]
    finally:
        if before is None:
            snapshot.remove_node(name)
        else:
            snapshot.set_node(before)
