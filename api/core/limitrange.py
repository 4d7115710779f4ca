"""LimitRanges: defaults follow from maxima, minima from nothing.

Spec: pkg/apis/core/v1 SetDefaults_LimitRangeItem, validation ValidateLimitRange (1.36).
"""

from typing import Any

from api import field, names
from api.core.pod_resources import exceeds
from api.defaulting import defaulting, each
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_LIMITS = Path("spec").child("limits")
# (smaller, larger): the first may not be more than the second.
_ORDER = (
    ("min", "max"), ("min", "defaultRequest"), ("defaultRequest", "default"), ("defaultRequest", "max"),
    ("min", "default"), ("default", "max"),
)  # fmt: skip
_WORDS = {"defaultRequest": "default request", "default": "default"}


def _container_defaults(item: Obj) -> Obj:
    if item.get("type") != "Container":
        return {}
    default = {**(item.get("max") or {}), **(item.get("default") or {})}
    requests = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
    new: Obj = {"default": default, "defaultRequest": requests}
    return {name: value for name, value in new.items() if value and value != item.get(name)}


defaults = defaulting(
    nested={"spec": defaulting(nested={"limits": each(defaulting(rule=_container_defaults))})}
)


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True)
    seen: set[str] = set()
    for number, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
        at, kind = _LIMITS.index(number), item.get("type", "")
        if not kind:
            errors.append(field.required(at.child("type")))
        else:
            errors += [field.invalid(at.child("type"), kind, text) for text in names.is_qualified_name(kind)]
        if kind in seen:
            errors.append(field.duplicate(at.child("type"), kind))
        seen.add(kind)
        errors += _item_errors(item, kind, at)
    return errors


def _item_errors(item: Obj, kind: str, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if kind == "Pod":
        for name in ("default", "defaultRequest"):
            if item.get(name):
                text = "may not be specified when `type` is 'Pod'"
                errors.append(field.forbidden(path.child(name), text))
    every: dict[str, None] = {}
    for name in ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio"):
        every |= dict.fromkeys(item.get(name) or ())
    for resource in every:
        errors += [error for low, high in _ORDER for error in _order_errors(item, resource, low, high, path)]
    return errors


def _order_errors(item: Obj, resource: str, low: str, high: str, path: Path) -> list[FieldError]:
    small: Any = (item.get(low) or {}).get(resource)
    large: Any = (item.get(high) or {}).get(resource)
    if small is None or large is None or not exceeds(small, large):
        return []
    words, other = _WORDS.get(low, f"{low} value"), _WORDS.get(high, f"{high} value")
    suffix = " value" if low in _WORDS else ""
    text = f"{words}{suffix} {small} is greater than {other}{'' if high not in _WORDS else ' value'} {large}"
    return [field.invalid(path.child(low).key(resource), small, text)]


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)
