"""Vectors of pods per node: how many match a selector, how many hold a term. Each pod event changes one cell
of each.

`matching` vectors are made when a plugin first asks for a selector, and kept current from then on, so that
topology spread and inter-pod affinity cost one addition per event instead of a walk over all pods.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from api.labels import Selector
from scheduler.shape import Namespaces, Shape, Term

Ints: TypeAlias = NDArray[np.int64]
# Selectors that nobody has asked about for long; more than that and the table starts anew.
_LIMIT = 4096


@dataclass(frozen=True)
class PodRecord:
    """A pod that takes room on a node, as the snapshot counts it."""

    uid: str
    slot: int
    shape: Shape
    terminating: bool


@dataclass
class Tally:
    """Pods per node slot. `live_only` leaves out pods that are being deleted."""

    namespaces: Namespaces
    selector: Selector
    live_only: bool
    vector: Ints
    # By shape key: does the selector match pods of that shape?
    verdicts: dict[bytes, bool] = field(default_factory=dict)

    def matches(self, shape: Shape, labels: Mapping[str, Mapping[str, str]]) -> bool:
        verdict = self.verdicts.get(shape.key)
        if verdict is None:
            if len(self.verdicts) >= _LIMIT:
                self.verdicts.clear()
            verdict = in_namespaces(self.namespaces, shape.namespace, labels) and self.selector.matches(
                shape.labels
            )
            self.verdicts[shape.key] = verdict
        return verdict


class Counts:
    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._tallies: dict[tuple[Namespaces, Selector, bool], Tally] = {}
        # The same, by the namespaces whose pods concern them; those that go by namespace labels apart.
        self._local: dict[str, list[Tally]] = {}
        self._wide: list[Tally] = []
        self._labels: Mapping[str, Mapping[str, str]] = {}
        # Terms that placed pods hold against or towards others, by kind.
        self.anti_affinity: dict[Term, Ints] = {}
        self.affinity: dict[Term, Ints] = {}
        self.preferred: dict[Term, Ints] = {}

    def matching(
        self,
        namespaces: Namespaces,
        selector: Selector,
        live_only: bool,
        pods: Mapping[bytes, Mapping[str, PodRecord]],
    ) -> Ints:
        """Return the vector of pods that match. `pods` are all pods by shape: counted if this is new."""
        key = (namespaces, selector, live_only)
        tally = self._tallies.get(key)
        if tally is None:
            if len(self._tallies) >= _LIMIT:
                self._keep(())
            tally = Tally(*key, np.zeros(self._slots, dtype=np.int64))
            self._enter(tally)
            for alike in pods.values():
                if tally.matches(next(iter(alike.values())).shape, self._labels):
                    for record in alike.values():
                        self._tally(tally, record, 1)
        return tally.vector

    def _keep(self, tallies: Iterable[Tally]) -> None:
        self._tallies, self._wide, self._local = {}, [], {}
        for tally in tallies:
            self._enter(tally)

    def _enter(self, tally: Tally) -> None:
        self._tallies[tally.namespaces, tally.selector, tally.live_only] = tally
        if not tally.namespaces.selector.nothing:
            self._wide.append(tally)
            return
        for name in tally.namespaces.names:
            self._local.setdefault(name, []).append(tally)

    def add(self, record: PodRecord, sign: int) -> None:
        """Count a pod in (1) or out (-1)."""
        shape = record.shape
        for tally in (*self._local.get(shape.namespace, ()), *self._wide):
            self._tally(tally, record, sign)
        for held, terms in (
            (self.anti_affinity, shape.anti_affinity),
            (self.affinity, shape.affinity),
            (self.preferred, shape.preferred),
        ):
            for term in terms:
                self._hold(held, term, record.slot, sign)

    def _hold(self, held: dict[Term, Ints], term: Term, slot: int, sign: int) -> None:
        vector = held.get(term)
        if vector is None:
            vector = held[term] = np.zeros(self._slots, dtype=np.int64)
        vector[slot] += sign
        if sign < 0 and not vector.any():
            del held[term]

    def _tally(self, tally: Tally, record: PodRecord, sign: int) -> None:
        if not (tally.live_only and record.terminating) and tally.matches(record.shape, self._labels):
            tally.vector[record.slot] += sign

    def set_namespace_labels(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Labels of namespaces have changed: what was derived from them is made anew when it is asked for."""
        self._labels = labels
        self._keep([t for t in self._tallies.values() if t.namespaces.selector.nothing])

    def grow(self, extra: int) -> None:
        self._slots += extra
        for tally in self._tallies.values():
            tally.vector = np.concatenate([tally.vector, np.zeros(extra, dtype=np.int64)])
        for held in (self.anti_affinity, self.affinity, self.preferred):
            for term in held:
                held[term] = np.concatenate([held[term], np.zeros(extra, dtype=np.int64)])


def in_namespaces(namespaces: Namespaces, name: str, labels: Mapping[str, Mapping[str, str]]) -> bool:
    if name in namespaces.names:
        return True
    return not namespaces.selector.nothing and namespaces.selector.matches(labels.get(name, {}))
