"""Taints of nodes and tolerations of pods.

Called by the scheduler, the taint eviction controller, the DaemonSet controller and the node agent.
Source: k8s.io/component-helpers/scheduling/corev1 and core/v1 toleration.go (1.36).
"""

from collections.abc import Iterable

from api.types.core_v1 import Taint, Toleration

NO_SCHEDULE = "NoSchedule"
PREFER_NO_SCHEDULE = "PreferNoSchedule"
NO_EXECUTE = "NoExecute"


def tolerates_one(toleration: Toleration, taint: Taint) -> bool:
    """Tell whether this toleration matches this taint; an empty key or effect matches every one."""
    effect, key = toleration.get("effect"), toleration.get("key")
    if effect and effect != taint.get("effect"):
        return False
    if key and key != taint.get("key"):
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            # A toleration without a key must say Exists; validation sees to it.
            return bool(key) and (toleration.get("value") or "") == (taint.get("value") or "")
        case "Lt":
            return _compare(taint.get("value"), toleration.get("value"), -1)
        case "Gt":
            return _compare(taint.get("value"), toleration.get("value"), 1)
    return False


def _compare(taint_value: str | None, toleration_value: str | None, wanted: int) -> bool:
    try:
        left, right = int(taint_value or ""), int(toleration_value or "")
    except ValueError:
        return False
    return (left > right) - (left < right) == wanted


def tolerates(tolerations: Iterable[Toleration] | None, taint: Taint) -> bool:
    """Tell whether any of the tolerations matches the taint."""
    return any(tolerates_one(toleration, taint) for toleration in tolerations or ())


def untolerated(
    taints: Iterable[Taint] | None, tolerations: Iterable[Toleration] | None, effects: Iterable[str]
) -> Taint | None:
    """Return the first taint with one of these effects that no toleration matches."""
    wanted = frozenset(effects)
    known = list(tolerations or ())
    for taint in taints or ():
        if taint.get("effect") in wanted and not tolerates(known, taint):
            return taint
    return None
