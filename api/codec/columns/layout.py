"""What a kind's table looks like, and the small notions that cells share: ages, lists of labels, containers.

Called by the files of columns beside it. Source: pkg/printers/internalversion/printers.go,
k8s.io/apimachinery/pkg/util/duration (1.36).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from api.labels import from_label_selector
from api.resource import Obj
from api.times import parse_time

NONE, UNKNOWN, UNSET = "<none>", "<unknown>", "<unset>"
Cells: TypeAlias = "Callable[[Obj, datetime], list[Any]]"
_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400

_DESCRIPTIONS = {
    "Name": "Name of the object, unique among the objects of its kind and namespace.",
    "Age": "Time since the creation of the object.",
    "Created At": "Time of the creation of the object.",
    "Ready": "How much of the object is ready, of how much was asked for.",
    "Status": "State of the object in one word.",
    "Restarts": "How often the containers of the pod were restarted.",
    "IP": "Address of the pod.",
    "Node": "Name of the node.",
    "Nominated Node": "Node on which room is being made for the pod.",
    "Readiness Gates": "How many of the pod's readiness gates are open.",
    "Containers": "Names of the containers in the template.",
    "Images": "Images of the containers in the template.",
    "Selector": "Labels by which the object selects others.",
    "Desired": "Number that was asked for.",
    "Current": "Number that exists.",
    "Up-to-date": "Number that has the newest template.",
    "Available": "Number that has been ready for long enough.",
    "Type": "Type of the object.",
    "Data": "Number of entries.",
}


@dataclass(frozen=True)
class Layout:
    """The columns of a table and the function that returns the cells of a row, in the same order."""

    columns: tuple[Obj, ...]
    cells: Cells


def layout(names: str, cells: Cells) -> Layout:
    """Return a layout; `names` is a list by commas in which `*` marks what only `-o wide` shows and `:` the
    type.
    """
    return Layout(tuple(_column(name.strip()) for name in names.split(",")), cells)


def _column(text: str) -> Obj:
    wide = text.endswith("*")
    name, _, kind = text.rstrip("*").partition(":")
    return {
        "name": name,
        "type": kind or "string",
        "format": "name" if name == "Name" else "",
        "description": _DESCRIPTIONS.get(name, f"{name} of the object."),
        "priority": 1 if wide else 0,
    }


def human_duration(length: timedelta) -> str:
    """Return a length of time as `kubectl get` shows it: two units at most, coarser as it grows."""
    seconds = int(length.total_seconds())
    if seconds < -1:
        return "<invalid>"
    if seconds < 2 * _MINUTE:
        return f"{max(seconds, 0)}s"
    minutes, hours, days = seconds // _MINUTE, seconds // _HOUR, seconds // _DAY
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    return _two(days, "d", hours % 24, "h") if days < 8 else _years(days)


def _years(days: int) -> str:
    if days < 2 * 365:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 8 * 365 else f"{days // 365}y"


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"


def since(time: str | None, now: datetime) -> str:
    """Return how long ago a moment was."""
    if not time:
        return UNKNOWN
    try:
        return human_duration(now - parse_time(time))
    except ValueError:
        return UNKNOWN


def age(obj: Obj, now: datetime) -> str:
    """Return the age of an object."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def name(obj: Obj) -> str:
    """Return the name of an object."""
    text: str = obj["metadata"].get("name", "")
    return text


def part(obj: Obj, *path: str) -> Any:
    """Return the value at a path of fields, {} if a field is missing."""
    found: Any = obj
    for step in path:
        found = found.get(step) or {}
    return found


def format_labels(labels: Mapping[str, str] | None) -> str:
    """Return `a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) if labels else NONE


def format_selector(selector: Obj | None) -> str:
    """Return a label selector as users write it."""
    if not selector:
        return NONE
    try:
        return str(from_label_selector(selector)) or NONE
    except ValueError:
        return "<error>"


def container_cells(spec: Obj) -> list[str]:
    """Return the names and the images of the containers of a pod spec."""
    containers = spec.get("containers") or ()
    return [",".join(c.get("name", "") for c in containers), ",".join(c.get("image", "") for c in containers)]


def template_cells(obj: Obj) -> list[str]:
    """Return the container cells of a workload."""
    return container_cells(part(obj, "spec", "template", "spec"))


def limited(texts: Iterable[str], most: int = 3) -> tuple[str, int]:
    """Return the first texts joined by commas, and how many were left out."""
    every = list(texts)
    return ",".join(every[:most]), max(len(every) - most, 0)


def with_more(texts: Iterable[str], empty: str) -> str:
    """Return `a,b,c + 2 more...`."""
    shown, more = limited(texts)
    return f"{shown} + {more} more..." if more else shown or empty


def condition_status(obj: Obj, kind: str) -> str:
    """Return the status of a condition, "" if there is none."""
    for condition in part(obj, "status", "conditions") or ():
        if condition.get("type") == kind:
            return str(condition.get("status", ""))
    return ""
