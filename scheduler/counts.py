"""Vectors of pods per node: how many match a selector, how many hold a term. Each pod event changes one cell
of each that concerns it, found by an index over labels.

`matching` vectors are made when a plugin first asks for a selector, and kept current from then on, so that
topology spread and inter-pod affinity cost one addition per event instead of a walk over all pods.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from api.labels import Selector
from scheduler.domains import Domains
from scheduler.shape import Namespaces, Shape, Term

Ints: TypeAlias = NDArray[np.int64]
Labels: TypeAlias = Mapping[str, Mapping[str, str]]
T = TypeVar("T")
# Selectors that nobody has asked about for long; more than that and the table starts anew.
_LIMIT = 4096


@dataclass(frozen=True)
class PodRecord:
    """A pod that takes room on a node, as the snapshot counts it."""

    uid: str
    slot: int
    shape: Shape
    terminating: bool


class LabelIndex(Generic[T]):
    """Things with a selector, found by the labels of what they may select."""

    def __init__(self) -> None:
        self._by_pair: dict[tuple[str, str], dict[T, None]] = {}
        self._others: dict[T, None] = {}

    def put(self, selector: Selector, item: T) -> None:
        self._home(selector)[item] = None

    def remove(self, selector: Selector, item: T) -> None:
        home = self._home(selector)
        home.pop(item, None)
        if not home and selector.exact:
            del self._by_pair[selector.exact[0]]

    def _home(self, selector: Selector) -> dict[T, None]:
        if selector.exact:
            return self._by_pair.setdefault(selector.exact[0], {})
        return self._others

    def candidates(self, labels: Mapping[str, str]) -> Iterator[T]:
        """Yield what may select these labels, and perhaps a few that do not."""
        yield from self._others
        if self._by_pair:
            for pair in labels.items():
                yield from self._by_pair.get(pair, ())


class Vector:
    """Pods per node slot, and on demand per domain of a label.

    While the pods are on few nodes only those are held: thousands of vectors are about a pod or two.
    """

    FEW = 32

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self.total = 0
        self._few: dict[int, int] = {}
        # Once there were more.
        self._many: Ints | None = None
        # By label: the version of the domains that the sums are of, and the sums.
        self._sums: dict[int, tuple[Domains, int, Ints]] = {}

    @property
    def values(self) -> Ints:
        """Pods per slot. Not to be written to."""
        if self._many is not None:
            return self._many
        values = np.zeros(self._slots, dtype=np.int64)
        for slot, pods in self._few.items():
            values[slot] = pods
        return values

    def add(self, slot: int, sign: int) -> None:
        self.total += sign
        if self._many is not None:
            self._many[slot] += sign
        else:
            if pods := self._few.pop(slot, 0) + sign:
                self._few[slot] = pods
            if len(self._few) > self.FEW:
                self._many = self.values
        for domains, version, sums in self._sums.values():
            if version == domains.version:
                sums[domains.ids[slot]] += sign

    def sums(self, domains: Domains) -> Ints:
        """Return pods per domain; one more cell, the last, holds those of the nodes without the label."""
        kept = self._sums.get(id(domains))
        if kept is not None and kept[1] == domains.version:
            return kept[2]
        sums = np.zeros(domains.count + 1, dtype=np.int64)
        if self.total:
            # Id -1 is moved to the front by the addition, and then to the end.
            counted = np.bincount(domains.ids + 1, weights=self.values, minlength=len(sums))
            sums = np.roll(counted.astype(np.int64), -1)
        self._sums[id(domains)] = (domains, domains.version, sums)
        return sums

    def over(self, domains: Domains) -> Ints:
        """Return, per node, the pods in its domain; 0 for nodes without the label."""
        if domains.unique:
            values = self.values
            return values if domains.complete else np.where(domains.ids >= 0, values, 0)
        sums = self.sums(domains)
        if sums[-1]:
            sums = np.append(sums[:-1], 0)
        found: Ints = sums.take(domains.ids, mode="wrap")
        return found

    def grow(self, extra: int) -> None:
        self._slots += extra
        if self._many is not None:
            self._many = np.concatenate([self._many, np.zeros(extra, dtype=np.int64)])


@dataclass(eq=False)
class Tally:
    """The pods that a selector matches. `live_only` leaves out pods that are being deleted."""

    namespaces: Namespaces
    selector: Selector
    live_only: bool
    vector: Vector
    # By shape key: does the selector match pods of that shape?
    verdicts: dict[bytes, bool] = field(default_factory=dict)

    def matches(self, shape: Shape, labels: Labels) -> bool:
        verdict = self.verdicts.get(shape.base)
        if verdict is None:
            if len(self.verdicts) >= _LIMIT:
                self.verdicts.clear()
            verdict = in_namespaces(self.namespaces, shape.namespace, labels) and self.selector.matches(
                shape.labels
            )
            self.verdicts[shape.base] = verdict
        return verdict


class Terms:
    """Terms that placed pods hold against or towards others: who holds them, per node."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self.held: dict[Term, Vector] = {}
        self._index: LabelIndex[Term] = LabelIndex()

    def add(self, term: Term, slot: int, sign: int) -> None:
        vector = self.held.get(term)
        if vector is None:
            vector = self.held[term] = Vector(self._slots)
            self._index.put(term.selector, term)
        vector.add(slot, sign)
        if not vector.total:
            del self.held[term]
            self._index.remove(term.selector, term)

    def about(self, shape: Shape, labels: Labels) -> Iterator[tuple[Term, Vector]]:
        """Yield the terms that pods of this shape match; `labels` are those of namespaces, by name."""
        if not self.held:
            return
        for term in self._index.candidates(shape.labels):
            if in_namespaces(term.namespaces, shape.namespace, labels) and term.selector.matches(
                shape.labels
            ):
                yield term, self.held[term]

    def grow(self, extra: int) -> None:
        self._slots += extra
        for vector in self.held.values():
            vector.grow(extra)


class Counts:
    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._tallies: dict[tuple[Namespaces, Selector, bool], Tally] = {}
        self._index: LabelIndex[Tally] = LabelIndex()
        self._labels: Labels = {}
        # All pods: by shape key, then uid; the shapes that are there, by a label of theirs.
        self._alike: dict[bytes, dict[str, PodRecord]] = {}
        self._labelled: dict[tuple[str, str], dict[bytes, None]] = {}
        self.anti_affinity, self.affinity, self.preferred = Terms(slots), Terms(slots), Terms(slots)

    def groups(self) -> Iterable[Mapping[str, PodRecord]]:
        """Return all pods, by uid, in groups of one shape."""
        return self._alike.values()

    def alike(self, shape: Shape) -> Iterable[PodRecord]:
        """Return the pods of one shape."""
        return self._alike.get(shape.base, {}).values()

    def matching(self, namespaces: Namespaces, selector: Selector, live_only: bool) -> Vector:
        """Return the vector of pods that match; they are counted if nobody has asked before."""
        key = (namespaces, selector, live_only)
        tally = self._tallies.get(key)
        if tally is None:
            if len(self._tallies) >= _LIMIT:
                self._keep(())
            tally = Tally(*key, Vector(self._slots))
            self._enter(tally)
            for alike in self._candidates(selector):
                if tally.matches(next(iter(alike.values())).shape, self._labels):
                    for record in alike.values():
                        self._count(tally, record, 1)
        return tally.vector

    def _candidates(self, selector: Selector) -> Iterable[dict[str, PodRecord]]:
        if not selector.exact:
            return self._alike.values()
        return [self._alike[key] for key in self._labelled.get(selector.exact[0], ())]

    def matching_all(self, terms: Iterable[Term]) -> Vector:
        """Return the vector of pods that match every one of the terms; counted anew each time."""
        terms = list(terms)
        vector = Vector(self._slots)
        for alike in self._candidates(terms[0].selector):
            shape = next(iter(alike.values())).shape
            if all(self.matches(term, shape) for term in terms):
                for record in alike.values():
                    vector.add(record.slot, 1)
        return vector

    def matches(self, term: Term, shape: Shape) -> bool:
        """Say whether a term means pods of this shape."""
        inside = in_namespaces(term.namespaces, shape.namespace, self._labels)
        return inside and term.selector.matches(shape.labels)

    def about(self, terms: Terms, shape: Shape) -> Iterator[tuple[Term, Vector]]:
        """Yield those of the terms held by placed pods that mean pods of this shape."""
        return terms.about(shape, self._labels)

    def _keep(self, tallies: Iterable[Tally]) -> None:
        self._tallies, self._index = {}, LabelIndex()
        for tally in tallies:
            self._enter(tally)

    def _enter(self, tally: Tally) -> None:
        self._tallies[tally.namespaces, tally.selector, tally.live_only] = tally
        self._index.put(tally.selector, tally)

    def add(self, record: PodRecord, sign: int) -> None:
        """Count a pod in (1) or out (-1)."""
        shape = record.shape
        self._note(record, sign)
        for tally in self._index.candidates(shape.labels):
            if tally.matches(shape, self._labels):
                self._count(tally, record, sign)
        for held, terms in (
            (self.anti_affinity, shape.anti_affinity),
            (self.affinity, shape.affinity),
            (self.preferred, shape.preferred),
        ):
            for term in terms:
                held.add(term, record.slot, sign)

    def _note(self, record: PodRecord, sign: int) -> None:
        """Keep the lists of pods by shape, and of shapes by label."""
        shape = record.shape
        alike = self._alike.get(shape.base)
        if sign > 0:
            if alike is None:
                alike = self._alike[shape.base] = {}
                for pair in shape.labels.items():
                    self._labelled.setdefault(pair, {})[shape.base] = None
            alike[record.uid] = record
            return
        assert alike is not None
        del alike[record.uid]
        if alike:
            return
        del self._alike[shape.base]
        for pair in shape.labels.items():
            del self._labelled[pair][shape.base]
            if not self._labelled[pair]:
                del self._labelled[pair]

    def _count(self, tally: Tally, record: PodRecord, sign: int) -> None:
        if not (tally.live_only and record.terminating):
            tally.vector.add(record.slot, sign)

    def set_namespace_labels(self, labels: Labels) -> None:
        """Labels of namespaces have changed: what was derived from them is made anew when it is asked for."""
        self._labels = labels
        self._keep([t for t in self._tallies.values() if t.namespaces.selector.nothing])

    def grow(self, extra: int) -> None:
        self._slots += extra
        for tally in self._tallies.values():
            tally.vector.grow(extra)
        for held in (self.anti_affinity, self.affinity, self.preferred):
            held.grow(extra)


def in_namespaces(namespaces: Namespaces, name: str, labels: Labels) -> bool:
    if name in namespaces.names:
        return True
    return not namespaces.selector.nothing and namespaces.selector.matches(labels.get(name, {}))
