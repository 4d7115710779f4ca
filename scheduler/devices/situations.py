"""What nodes have in the way of devices, as one number per slot: nodes with the same number differ in names
alone, so that what a search finds on one is known of all.

A situation is what is in a node's local pools and taken of them, and which shared pools it reaches. What is
taken of shared pools is not part of it: that changes for all nodes at once (`Inventory.shared_version`).

Pure. Called by the plugin; one per inventory and snapshot.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from api.core.node_selector import NodeSelector
from scheduler.devices.inventory import Inventory
from scheduler.devices.slices import Reach
from scheduler.snapshot import Ints, Snapshot


class Situations:
    # With more of them than this, those that no node is in any more are forgotten.
    LIMIT = 50_000

    def __init__(self, inventory: Inventory, snapshot: Snapshot) -> None:
        self.inventory = inventory
        self.snapshot = snapshot
        # By slot; slots without a node have any number.
        self.numbers: Ints = np.zeros(0, dtype=np.int64)
        # Grows when the numbers begin anew.
        self.epoch = 0
        self._known: dict[tuple[tuple[Any, ...], frozenset[Reach]], int] = {}
        self._reached: list[frozenset[Reach]] = []
        # How shared pools are reached: by the name of a node, by labels, by all.
        self._by_name: dict[str, Reach] = {}
        self._by_label: list[tuple[Reach, NodeSelector]] = []
        self._by_all: frozenset[Reach] = frozenset()
        self._versions = (-1, -1)
        self._node_place = self._device_place = -1

    def __len__(self) -> int:
        """Return how many numbers there are."""
        return len(self._known)

    def follow(self) -> None:
        """Take in what has happened to nodes and devices since the last call."""
        inventory, nodes = self.inventory, self.snapshot.changed_nodes
        inventory.follow()
        versions = (inventory.epoch, inventory.reach_version)
        moved = self._since(nodes.since(self._node_place) if self._node_place >= 0 else None)
        names = inventory.changed_nodes.since(self._device_place) if self._device_place >= 0 else None
        if versions != self._versions or moved is None or names is None or len(self._known) > self.LIMIT:
            self._restart(versions)
        else:
            self._lengthen()
            index = self.snapshot.index
            stirred = {index[name] for name in names if name in index}
            self._set_reached(moved)
            self._set_numbers(stirred.union(moved))
        self._node_place, self._device_place = nodes.now, inventory.changed_nodes.now

    def _since(self, slots: list[int] | None) -> set[int] | None:
        return set(slots) if slots is not None else None

    def _restart(self, versions: tuple[int, int]) -> None:
        self._versions = versions
        self.epoch += 1
        self._known = {}
        reaches = self.inventory.reaches
        self._by_name = {reach.name: reach for reach in reaches if reach.name}
        self._by_label = [(reach, found) for reach in reaches if (found := reach.compiled()) is not None]
        self._by_all = frozenset(reach for reach in reaches if reach.everywhere)
        self._lengthen()
        self._set_reached(range(self.snapshot.size))
        self._set_numbers(range(self.snapshot.size))

    def _lengthen(self) -> None:
        missing = len(self.snapshot.alive) - len(self.numbers)
        if missing > 0:
            self.numbers = np.concatenate([self.numbers, np.zeros(missing, dtype=np.int64)])
        self._reached += [frozenset()] * (len(self.numbers) - len(self._reached))

    def _set_reached(self, slots: Iterable[int]) -> None:
        for slot in slots:
            node = self.snapshot.nodes[slot]
            if node is None:
                continue
            name, labels = self.snapshot.names[slot], node["metadata"].get("labels") or {}
            found = [reach for reach, selector in self._by_label if selector.matches(name, labels)]
            if name in self._by_name:
                found.append(self._by_name[name])
            self._reached[slot] = self._by_all.union(found) if found else self._by_all

    def _set_numbers(self, slots: Iterable[int]) -> None:
        names, known, local_state = self.snapshot.names, self._known, self.inventory.local_state
        for slot in slots:
            situation = (local_state(names[slot]), self._reached[slot])
            self.numbers[slot] = known.setdefault(situation, len(known))

    def reached(self, slot: int) -> frozenset[Reach]:
        """Return how the node reaches shared pools."""
        return self._reached[slot]
