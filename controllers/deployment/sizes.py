"""How many replicas each ReplicaSet of a Deployment should have.

Pure: numbers in, numbers out; `Sizes` holds the replicas decided so far.
Source: pkg/controller/deployment rolling.go, sync.go `scale`, util/deployment_util.go (1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.intstr import scaled
from api.types.apps_v1 import Deployment, ReplicaSet

ROLLING, RECREATE = "RollingUpdate", "Recreate"


def strategy_of(deployment: Deployment) -> str:
    return (deployment["spec"].get("strategy") or {}).get("type") or ROLLING


def replicas_of(obj: Mapping[str, Any]) -> int:
    """Return `spec.replicas`, 1 if it is not set."""
    value = obj["spec"].get("replicas")
    return 1 if value is None else int(value)


def available_of(rs: ReplicaSet) -> int:
    return (rs.get("status") or {}).get("availableReplicas", 0)


def max_surge(deployment: Deployment) -> int:
    return _limits(deployment)[0]


def max_unavailable(deployment: Deployment) -> int:
    replicas = replicas_of(deployment)
    return min(_limits(deployment)[1], replicas) if replicas else 0


def _limits(deployment: Deployment) -> tuple[int, int]:
    """Return (surge, unavailable); not both are 0, or nothing could ever move."""
    if strategy_of(deployment) != ROLLING:
        return 0, 0
    rolling: Any = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    replicas = replicas_of(deployment)
    surge = scaled(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    return surge, 1 if surge == 0 and unavailable == 0 else unavailable


class Sizes:
    """The replicas of a Deployment's ReplicaSets as they are and as they shall be, by name."""

    def __init__(self, sets: Iterable[ReplicaSet]) -> None:
        self._now = {rs["metadata"]["name"]: replicas_of(rs) for rs in sets}
        self._next = dict(self._now)

    def __getitem__(self, rs: ReplicaSet) -> int:
        return self._next[rs["metadata"]["name"]]

    def __setitem__(self, rs: ReplicaSet, replicas: int) -> None:
        self._next[rs["metadata"]["name"]] = max(0, replicas)

    def total(self, sets: Iterable[ReplicaSet]) -> int:
        return sum(self[rs] for rs in sets)

    @property
    def changed(self) -> bool:
        return self._next != self._now


def new_size(deployment: Deployment, current: int, total: int) -> int:
    """Return the size of the current ReplicaSet when it may grow; `total` is that of all, itself included."""
    replicas = replicas_of(deployment)
    if strategy_of(deployment) == RECREATE:
        return replicas
    room = replicas + max_surge(deployment) - total
    return current if room <= 0 else current + max(0, min(room, replicas - current))


def roll_new(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet], sizes: Sizes) -> bool:
    """Move the current ReplicaSet towards the wanted number; say whether something changed."""
    replicas = replicas_of(deployment)
    if sizes[new] > replicas:
        sizes[new] = replicas
    elif sizes[new] < replicas:
        sizes[new] = new_size(deployment, sizes[new], sizes.total([new, *old]))
    return sizes.changed


def roll_old(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet], sizes: Sizes) -> bool:
    """Take from the old ReplicaSets (oldest first) what availability allows; what is unhealthy first."""
    if sizes.total(old) == 0:
        return False
    least = replicas_of(deployment) - max_unavailable(deployment)
    new_unavailable = sizes[new] - available_of(new)
    allowed = sizes.total([new, *old]) - least - new_unavailable
    if allowed <= 0:
        return False
    for rs in old:
        unhealthy = min(allowed, max(0, sizes[rs] - available_of(rs)))
        sizes[rs] -= unhealthy
        allowed -= unhealthy
    spare = sum(available_of(rs) for rs in (new, *old)) - least
    for rs in old:
        taken = min(sizes[rs], max(0, spare))
        sizes[rs] -= taken
        spare -= taken
    return sizes.changed


def is_saturated(deployment: Deployment, new: ReplicaSet | None, desired: int | None) -> bool:
    """Say whether the current ReplicaSet alone is all that is wanted. `desired` is its annotation."""
    replicas = replicas_of(deployment)
    return (
        new is not None
        and desired == replicas
        and replicas_of(new) == replicas
        and available_of(new) == replicas
    )


def spread(
    deployment: Deployment, sets: Sequence[ReplicaSet], sizes: Sizes, before: Mapping[str, int]
) -> None:
    """Share a change of the wanted number among the active ReplicaSets in proportion to their sizes.

    `before` holds, by name, how many pods the Deployment could have when the ReplicaSet was last scaled.
    """
    replicas = replicas_of(deployment)
    allowed = replicas + max_surge(deployment) if replicas > 0 else 0
    to_add = allowed - sizes.total(sets)
    ordered = sorted(sets, key=_age, reverse=to_add > 0)
    ordered.sort(key=lambda rs: -sizes[rs])
    added = 0
    for rs in ordered:
        if to_add != 0:
            share = _share(rs, deployment, to_add - added, before.get(rs["metadata"]["name"], 0))
            sizes[rs] += share
            added += share
    if ordered and to_add != 0:
        sizes[ordered[0]] += to_add - added


def _share(rs: ReplicaSet, deployment: Deployment, left: int, before: int) -> int:
    size = replicas_of(rs)
    if size == 0 or left == 0:
        return 0
    replicas = replicas_of(deployment)
    if replicas == 0:
        fraction = -size
    else:
        maximum = replicas + max_surge(deployment)
        before = before or (deployment.get("status") or {}).get("replicas", 0)
        # Rounded half away from zero, as Go does.
        fraction = (2 * size * maximum + before) // (2 * before) - size if before else 0
    return min(fraction, left) if left > 0 else max(fraction, left)


def _age(rs: ReplicaSet) -> tuple[str, str]:
    return rs["metadata"].get("creationTimestamp") or "", rs["metadata"]["name"]
