"""What lies behind a verdict, in words: what the pod wants and what the node has. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from api.podspec import to_quantity
from api.taints import NO_EXECUTE, NO_SCHEDULE, tolerates
from scheduler.framework import Cycle


def fact(cycle: Cycle, plugin: str, slot: int) -> str:
    """Return what the node in a slot has, and what the pod wants; "" if there is no more to say."""
    tell = _TELL.get(plugin)
    return tell(cycle, slot) if tell is not None else ""


def _resources(cycle: Cycle, slot: int) -> str:
    snapshot, told = cycle.snapshot, []
    for name, amount in {**cycle.shape.requests, "pods": 1}.items():
        offered = snapshot.allocatable.get(name)
        has = int(offered[slot]) if offered is not None else 0
        free = has - int(snapshot.requested[name][slot]) if offered is not None else 0
        if free < amount:
            left = to_quantity(name, max(0, free))
            told.append(
                f"{name}: {to_quantity(name, amount)} wanted, {left} of {to_quantity(name, has)} free"
            )
    return "; ".join(told)


def _taints(cycle: Cycle, slot: int) -> str:
    tolerations = cycle.shape.spec.get("tolerations")
    hard = [
        taint for taint in cycle.snapshot.taints.get(slot, ()) if taint["effect"] in (NO_SCHEDULE, NO_EXECUTE)
    ]
    return ", ".join(_worded(taint) for taint in hard if not tolerates(tolerations, taint))


def _worded(taint: Mapping[str, Any]) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def _labels(cycle: Cycle, slot: int) -> str:
    node: Any = cycle.snapshot.nodes[slot]
    labels, told = node["metadata"].get("labels") or {}, []
    for key, value in (cycle.shape.spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            has = f"it has {key}={labels[key]}" if key in labels else f"it has no {key}"
            told.append(f"{key}={value} wanted, {has}")
    return "; ".join(told)


_TELL: Mapping[str, Callable[[Cycle, int], str]] = {
    "NodeResourcesFit": _resources,
    "TaintToleration": _taints,
    "NodeAffinity": _labels,
}
