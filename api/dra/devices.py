"""Devices of ResourceSlices: attributes, capacities, taints, the counters they consume, their nodes.

Spec: pkg/apis/resource/validation validateDevice (1.36).
"""

import re
from typing import Any

from api import field
from api.codec.shapes import equal
from api.core.pod_affinity import node_selector_errors
from api.dra.bindings import binding_errors
from api.dra.capacity import policy_errors
from api.dra.lists import any_errors, each_errors, map_errors, set_errors
from api.dra.naming import QUALIFIED_MAX, label_errors, node_errors, qualified_errors, taint_errors
from api.field import FieldError, Path
from api.names import LABEL_MAX
from api.resource import Obj

# Attributes and capacities of one device together.
PROPERTIES_MAX = 32
ATTRIBUTE_VALUES_MAX = 48
VALUE_MAX = 64
TAINTS_MAX = 16
CONSUMPTIONS_MAX = 2
COUNTERS_MAX = 32
# Maps whose size is limited by the sum alone.
_ANY = 1 << 30
_VALUES = ("bool", "int", "string", "version", "bools", "ints", "strings", "versions")
_LISTS = _VALUES[4:]
_NUMBER = r"(0|[1-9]\d*)"
_PRERELEASE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_BUILD = "[0-9a-zA-Z-]+"
_SEMVER = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRERELEASE}(\.{_PRERELEASE})*)?(\+{_BUILD}(\.{_BUILD})*)?", re.ASCII
).fullmatch
_PER_DEVICE = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is "
    "set to true in the ResourceSlice spec"
)
_NOT_PER_DEVICE = (
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in "
    "the ResourceSlice spec"
)


def device_errors(device: Obj, old: Obj | None, per_device: bool, path: Path) -> list[FieldError]:
    """Check one device; `old` is what it was before the update: what did not change is trusted."""
    errors = label_errors(device.get("name", ""), path.child("name"))
    errors += _amount_errors(device, path)
    errors += map_errors(
        device.get("attributes"), _ANY, qualified_errors, _attribute_errors, path.child("attributes"),
        shown=QUALIFIED_MAX,
    )  # fmt: skip
    if old is None or not equal(old.get("capacity"), device.get("capacity")):
        errors += _capacity_errors(device, path.child("capacity"))
    if old is None or not equal(old.get("taints"), device.get("taints")):
        errors += each_errors(device.get("taints"), TAINTS_MAX, taint_errors, path.child("taints"))
    errors += set_errors(
        device.get("consumesCounters"), CONSUMPTIONS_MAX, _consumption_errors,
        path.child("consumesCounters"), key=lambda item: item.get("counterSet", ""),
    )  # fmt: skip
    return errors + _node_errors(device, per_device, path) + binding_errors(device, path)


def placement_errors(obj: Obj, path: Path, empty: str) -> tuple[list[str], list[FieldError]]:
    """Return which ways of saying the node are used, and what is wrong with the simple ones."""
    chosen: list[str] = []
    errors: list[FieldError] = []
    name = obj.get("nodeName")
    if name:
        chosen.append("`nodeName`")
        errors += node_errors(name, path.child("nodeName"))
    elif name is not None:
        errors.append(field.invalid(path.child("nodeName"), name, empty))
    if obj.get("nodeSelector") is not None:
        chosen.append("`nodeSelector`")
    if obj.get("allNodes"):
        chosen.append("`allNodes`")
    elif obj.get("allNodes") is not None:
        errors.append(field.invalid(path.child("allNodes"), False, "must be either unset or set to true"))
    return chosen, errors


def _amount_errors(device: Obj, path: Path) -> list[FieldError]:
    attributes = device.get("attributes") or {}
    count = len(attributes) + len(device.get("capacity") or {})
    errors: list[FieldError] = []
    if count > PROPERTIES_MAX:
        text = f"the total number of attributes and capacities must not exceed {PROPERTIES_MAX}"
        errors.append(field.invalid(path, count, text))
    values = sum(sum(len(value.get(name) or ()) for name in _LISTS) or 1 for value in attributes.values())
    if values > ATTRIBUTE_VALUES_MAX:
        text = f"the total number of attribute values must not exceed {ATTRIBUTE_VALUES_MAX}"
        errors.append(field.invalid(path, values, text))
    return errors


def _attribute_errors(attribute: Obj, path: Path) -> list[FieldError]:
    given = [name for name in _VALUES if attribute.get(name) is not None]
    errors: list[FieldError] = []
    for name in given:
        at, value = path.child(name), attribute[name]
        if name not in _LISTS:
            errors += _value_errors(name, value, at)
            continue
        if not value:
            errors.append(field.invalid(at, value, "must not be empty if specified"))
        for number, item in enumerate(value):
            errors += _value_errors(name.removesuffix("s"), item, at.index(number))
    if len(given) != 1:
        shown: Any = attribute if given else ""
        errors.append(field.invalid(path, shown, "exactly one value must be specified"))
    return errors


def _value_errors(kind: str, value: Any, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if kind == "version" and not _SEMVER(value):
        text = "must be a string compatible with semver.org spec 2.0.0"
        errors.append(field.invalid(path, value, text))
    if kind in ("string", "version") and len(value.encode()) > VALUE_MAX:
        errors.append(field.too_long(path, VALUE_MAX))
    return errors


def _capacity_errors(device: Obj, path: Path) -> list[FieldError]:
    shared = bool(device.get("allowMultipleAllocations"))

    def check(capacity: Obj, where: Path) -> list[FieldError]:
        policy, at = capacity.get("requestPolicy"), where.child("requestPolicy")
        if policy is None:
            return []
        if not shared:
            return [field.forbidden(at, "allowMultipleAllocations must be true")]
        return policy_errors(policy, capacity.get("value", "0"), at)

    return map_errors(device.get("capacity"), _ANY, qualified_errors, check, path, shown=QUALIFIED_MAX)


def _consumption_errors(consumption: Obj, path: Path) -> list[FieldError]:
    name, at = consumption.get("counterSet", ""), path.child("counterSet")
    errors = label_errors(name, at) if name else [field.required(at)]
    counters, at = consumption.get("counters"), path.child("counters")
    if not counters:
        return [*errors, field.required(at)]
    return errors + map_errors(counters, COUNTERS_MAX, label_errors, any_errors, at, shown=LABEL_MAX)


def _node_errors(device: Obj, per_device: bool, path: Path) -> list[FieldError]:
    if not per_device:
        given = any(device.get(name) is not None for name in ("nodeName", "nodeSelector", "allNodes"))
        return [field.invalid(path, None, _NOT_PER_DEVICE)] if given else []
    chosen, errors = placement_errors(device, path, "must not be empty")
    if device.get("nodeSelector") is not None:
        errors += node_selector_errors(device["nodeSelector"], path.child("nodeSelector"))
    if not chosen:
        errors.append(field.required(path, _PER_DEVICE))
    elif len(chosen) > 1:
        errors.append(field.invalid(path, f"{{{', '.join(chosen)}}}", _PER_DEVICE))
    return errors
