"""How disturbed each zone is, and how fast its lost nodes may be tainted. Pure but for the state it is given.

Source: pkg/controller/nodelifecycle `ComputeZoneState`, `handleDisruption` (1.36).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from api.conditions import is_true

State: TypeAlias = Literal["Normal", "PartialDisruption", "FullDisruption"]


@dataclass(frozen=True)
class Limits:
    """Rates per second and zone. `unhealthy`: the fraction of lost nodes that disturbs a zone."""

    rate: float = 0.1
    secondary_rate: float = 0.01
    unhealthy: float = 0.55
    large: int = 50


def zone_of(node: Mapping[str, Any]) -> str:
    """Return what names the zone of a node, "" for nodes without labels of that kind."""
    labels = node["metadata"].get("labels") or {}
    region = labels.get("topology.kubernetes.io/region", "")
    zone = labels.get("topology.kubernetes.io/zone", "")
    return f"{region}/{zone}" if region or zone else ""


def is_ready(node: Mapping[str, Any]) -> bool:
    return is_true((node.get("status") or {}).get("conditions"), "Ready")


@dataclass(frozen=True)
class Zone:
    ready: int
    lost: int

    def state(self, limits: Limits) -> State:
        if self.ready == 0 and self.lost > 0:
            return "FullDisruption"
        if self.lost > 2 and self.lost / (self.lost + self.ready) >= limits.unhealthy:
            return "PartialDisruption"
        return "Normal"

    def rate(self, limits: Limits) -> float:
        if self.state(limits) != "PartialDisruption":
            return limits.rate
        return limits.secondary_rate if self.lost + self.ready > limits.large else 0.0


def count_zones(nodes: Iterable[Mapping[str, Any]]) -> dict[str, Zone]:
    counts: dict[str, list[int]] = {}
    for node in nodes:
        counts.setdefault(zone_of(node), [0, 0])[0 if is_ready(node) else 1] += 1
    return {zone: Zone(ready, lost) for zone, (ready, lost) in counts.items()}


def all_disrupted(zones: Mapping[str, Zone], limits: Limits) -> bool:
    """Say whether every zone is dark: then it is rather we who cannot see, and nobody is evicted."""
    return bool(zones) and all(zone.state(limits) == "FullDisruption" for zone in zones.values())


@dataclass
class Gate:
    """Lets through one node per `1 / rate` seconds and zone, and the same node again for free."""

    _next: dict[str, datetime] = field(default_factory=dict)
    _passed: set[str] = field(default_factory=set)

    def wait_s(self, uid: str, zone: str, rate: float, now: datetime) -> float | None:
        """Return 0 and let the node through, or the seconds until the next try; None: not at all."""
        if uid in self._passed:
            return 0.0
        if rate <= 0:
            return None
        last = self._next.get(zone)
        wait = 1.0 / rate - (now - last).total_seconds() if last else 0.0
        if wait > 0:
            return wait
        self._next[zone] = now
        self._passed.add(uid)
        return 0.0

    def forget(self, uid: str) -> None:
        self._passed.discard(uid)
