"""LimitRanges: defaults follow from maxima, minima from nothing.

Spec: pkg/apis/core/v1 SetDefaults_LimitRangeItem, validation ValidateLimitRange (1.36).
"""

from api import field, names
from api.core.pod_resources import is_overcommittable, resource_name_errors, standard_name_errors
from api.defaulting import defaulting, each
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.quantity import Quantity, parse_quantity
from api.resource import Obj

_LIMITS = Path("spec").child("limits")
_LISTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
# (smaller, larger, the list that is named as wrong): the first may not be more than the second.
_ORDER = (
    ("min", "max", "min"), ("min", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "max", "defaultRequest"), ("defaultRequest", "default", "defaultRequest"),
    ("min", "default", "default"), ("default", "max", "default"),
)  # fmt: skip
_WORDS = {"defaultRequest": "default request"}


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
        errors += _type_errors(kind, at.child("type"))
        if kind in seen:
            errors.append(field.duplicate(at.child("type"), kind))
        seen.add(kind)
        errors += _item_errors(item, kind, at)
    return errors


def _type_errors(kind: str, path: Path) -> list[FieldError]:
    if found := names.is_qualified_name(kind):
        return [field.invalid(path, kind, text) for text in found]
    if "/" in kind or kind in _TYPES:
        return []
    return [field.invalid(path, kind, "must be a standard limit type or fully qualified")]


def _item_errors(item: Obj, kind: str, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    check = resource_name_errors if kind in ("Pod", "Container") else standard_name_errors
    lists: dict[str, dict[str, Quantity]] = {}
    for name in _LISTS:
        given = item.get(name) or {}
        if kind == "Pod" and name in ("default", "defaultRequest"):
            text = "may not be specified when `type` is 'Pod'"
            errors += [field.forbidden(path.child(name), text)] if given else []
            continue
        for resource in given:
            errors += check(resource, path.child(name).key(resource))
        lists[name] = {resource: parse_quantity(text) for resource, text in given.items()}
    if kind == "PersistentVolumeClaim" and "storage" not in {**lists["min"], **lists["max"]}:
        text = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(field.required(path.child("limits"), text))
    for resource in {key: None for amounts in lists.values() for key in amounts}:
        amounts = {name: found[resource] for name, found in lists.items() if resource in found}
        errors += _amounts_errors(resource, amounts, path)
    return errors


def _amounts_errors(resource: str, amounts: dict[str, Quantity], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for low, high, blamed in _ORDER:
        small, large = amounts.get(low), amounts.get(high)
        if small is not None and large is not None and small.nano > large.nano:
            other = (
                "default limit" if (low, high) == ("defaultRequest", "default") else _WORDS.get(high, high)
            )
            text = f"{_WORDS.get(low, low)} value {small} is greater than {other} value {large}"
            errors.append(field.invalid(path.child(blamed).key(resource), str(amounts[blamed]), text))
    errors += _ratio_errors(resource, amounts, path)
    default, request = amounts.get("default"), amounts.get("defaultRequest")
    if default is None or request is None or is_overcommittable(resource) or default.nano == request.nano:
        return errors
    text = f"default value {default} must equal to defaultRequest value {request} in {resource}"
    return [*errors, field.invalid(path.child("defaultRequest").key(resource), str(request), text)]


def _ratio_errors(resource: str, amounts: dict[str, Quantity], path: Path) -> list[FieldError]:
    ratio, least, most = (amounts.get(name) for name in ("maxLimitRequestRatio", "min", "max"))
    if ratio is None:
        return []
    at, errors = path.child("maxLimitRequestRatio").key(resource), []
    if ratio.nano < 10**9:
        errors.append(field.invalid(at, str(ratio), f"ratio {ratio} is less than 1"))
    if least is None or most is None or least.is_zero:
        return errors
    bound = most.nano / least.nano
    if ratio.nano / 10**9 > bound:
        errors.append(field.invalid(at, str(ratio), f"ratio {ratio} is greater than max/min = {bound:f}"))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)
