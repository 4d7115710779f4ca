"""Which events may help which plugins: pods that others refused are left alone. Pure.

Each plugin says in `hints` what may change its mind: a kind of event, and for a closer look a function of
(the waiting pod, the object before, the object after); None means that any such event may help. `cluster`
tells of events by these kinds; those about other objects are called as their kind: `PersistentVolumeClaim`.
Source: EventsToRegister of the plugins below pkg/scheduler/framework/plugins (1.36), KEP-4247.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Hint: TypeAlias = Callable[[Any, Any, Any], bool]
Hints: TypeAlias = Mapping[str, Hint | None]

# A pod has left its node, or asks for less there; (pod, None).
POD_GONE = "Pod/Gone"
# A pod has come to a node, or its labels have changed; (before, pod).
POD_CAME = "Pod/Came"
# The waiting pod itself has changed; (before, pod).
POD_CHANGED = "Pod/Changed"
NODE_CAME = "Node/Came"
NODE_CHANGED = "Node/Changed"
NODE_GONE = "Node/Gone"
NAMESPACE_CHANGED = "Namespace"


def labels_differ(_: Any, old: Any, new: Any) -> bool:
    """Look closer at a changed node: its labels are others."""
    return bool(old["metadata"].get("labels") != new["metadata"].get("labels"))


def taints_differ(_: Any, old: Any, new: Any) -> bool:
    """Look closer at a changed node: its taints are others."""
    return bool((old.get("spec") or {}).get("taints") != (new.get("spec") or {}).get("taints"))


def allocatable_differs(_: Any, old: Any, new: Any) -> bool:
    """Look closer at a changed node: it offers other amounts."""
    before, after = old.get("status") or {}, new.get("status") or {}
    return bool(before.get("allocatable") != after.get("allocatable"))


def uncordoned(_: Any, old: Any, new: Any) -> bool:
    """Look closer at a changed node: it takes pods again."""
    before, after = old.get("spec") or {}, new.get("spec") or {}
    return bool(before.get("unschedulable")) and not after.get("unschedulable")


def either(*hints: Hint) -> Hint:
    """Return the hint that says yes if one of these does."""
    return lambda pod, old, new: any(hint(pod, old, new) for hint in hints)
