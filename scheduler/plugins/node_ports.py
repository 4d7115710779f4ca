"""NodePorts: host ports that are taken on a node.

An address of 0.0.0.0 conflicts with every address of the same protocol and port.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scheduler import hints
from scheduler.framework import Cycle, Reject
from scheduler.hints import Hints

_ANY = "0.0.0.0"


@dataclass(frozen=True)
class NodePorts:
    name: str = "NodePorts"
    hints: ClassVar[Hints] = {hints.POD_GONE: None}

    def filter_is_static(self, cycle: Cycle) -> bool:
        return not cycle.shape.ports

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        wanted = cycle.shape.ports
        if not wanted:
            return ()
        taken = np.zeros(len(cycle.snapshot.alive), dtype=bool)
        for slot, used in cycle.snapshot.ports.items():
            taken[slot] = conflicts(wanted, used)
        return (Reject("node(s) didn't have free ports for the requested pod ports", taken),)


def conflicts(wanted: Iterable[tuple[str, str, int]], used: Iterable[tuple[str, str, int]]) -> bool:
    """Tell whether any (address, protocol, port) wanted is in use."""
    present = list(used)
    return any(
        (protocol, port) == (other_protocol, other_port) and (address == other or _ANY in (address, other))
        for address, protocol, port in wanted
        for other, other_protocol, other_port in present
    )
