"""Objects and sets of fields: which fields a configuration names, merging it in, taking fields out.

Called by `apply.py`. Source: structured-merge-diff typed/{tofieldset,merge,remove,validate}.go (v6).
"""

from typing import Any

import orjson

from api.patch import fieldset
from api.patch.fieldset import FieldSet
from api.patch.shape import ANY, LIST, MAP, SCALAR, Shape, ShapeError, list_is_atomic, map_is_atomic

_MAX_LISTED = 20


def check(obj: Any, shape: Shape) -> None:
    """Raise ShapeError, all faults listed, if an object does not fit its shape."""
    faults: list[str] = []
    _check(obj, shape, "", faults)
    if len(faults) == 1:
        raise ShapeError(faults[0])
    if faults:
        raise ShapeError("\n".join(["errors:", *(f"  {fault}" for fault in faults[:_MAX_LISTED])]))


def _check(value: Any, shape: Shape, path: str, faults: list[str]) -> None:
    if value is None or shape.kind == ANY:
        return
    if shape.kind == MAP:
        if not isinstance(value, dict):
            faults.append(_fault(path, f"expected map, got {_shown(value)}"))
            return
        for name, item in value.items():
            inner = shape.member(name)
            if inner is None:
                faults.append(f"{path}.{name}: field not declared in schema")
            else:
                _check(item, inner, f"{path}.{name}", faults)
    elif shape.kind == LIST:
        if not isinstance(value, list):
            faults.append(_fault(path, f"expected list, got {_shown(value)}"))
            return
        _check_elements(value, shape, path, faults)
    elif shape.kind == SCALAR and (complaint := _scalar_complaint(value, shape.scalar)):
        faults.append(_fault(path, complaint))


def _check_elements(value: list[Any], shape: Shape, path: str, faults: list[str]) -> None:
    seen = set()
    for number, item in enumerate(value):
        try:
            step = f"i:{number}" if shape.atomic else shape.step(item)
        except ShapeError as error:
            faults.append(_fault(path, f"element {number}: {error}"))
            continue
        if step in seen:
            faults.append(_fault(path, f"duplicate entries for key {fieldset.step_text(step)}"))
        seen.add(step)
        _check(item, shape.items, path + fieldset.step_text(step), faults)


def _scalar_complaint(value: Any, wanted: str) -> str:
    if isinstance(value, dict | list):
        return f"expected scalar, got {_shown(value)}"
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    match wanted:
        case "integer" | "number":
            name = "bool" if isinstance(value, bool) else "string"
            return "" if numeric else f"expected numeric (int or float), got {name}"
        case "string":
            return "" if isinstance(value, str) else f"expected string, got {_unstructured(value)}"
        case "boolean":
            return "" if isinstance(value, bool) else f"expected boolean, got {_unstructured(value)}"
    return ""


def _unstructured(value: Any) -> str:
    shown = orjson.dumps(value).decode()
    return f"&value.valueUnstructured{{Value:{shown}}}"


def _fault(path: str, text: str) -> str:
    return f"{path}: {text}" if path else text


def _shown(value: Any) -> str:
    return f"&{{{value}}}" if isinstance(value, dict | list) else f"{value!r}".replace("'", '"')


def field_set(value: Any, shape: Shape) -> FieldSet:
    """Return the fields that a configuration names: leaves, elements of lists, keys of maps."""
    if isinstance(value, dict):
        return _map_fields(value, shape)
    return _list_fields(value, shape) if isinstance(value, list) else {}


def _map_fields(value: dict[str, Any], shape: Shape) -> FieldSet:
    fields: FieldSet = {}
    for name, item in value.items():
        inner = shape.member(name)
        if inner is None:
            continue
        if isinstance(item, dict) and item and not map_is_atomic(inner):
            below = _map_fields(item, inner)
            member = not shape.is_field(name)
        elif isinstance(item, list) and not list_is_atomic(inner):
            below, member = _list_fields(item, inner), not shape.is_field(name)
            if not below and not member:
                continue
        else:
            below, member = {}, True
        fields[fieldset.field(name)] = {fieldset.SELF: {}, **below} if member and below else below
    return fields


def _list_fields(value: list[Any], shape: Shape) -> FieldSet:
    fields: FieldSet = {}
    for item in value:
        below = (
            field_set(item, shape.items)
            if not (isinstance(item, dict) and map_is_atomic(shape.items))
            else {}
        )
        fields[shape.step(item)] = {fieldset.SELF: {}, **below} if below else {}
    return fields


def with_named_fields(fields: FieldSet, shape: Shape) -> FieldSet:
    """Return the set with the fields of structs on the way to its paths: who set `.a.b` also set `.a`."""
    result: FieldSet = {}
    for step, node in fields.items():
        if step == fieldset.SELF or not node:
            result[step] = node
            continue
        name = step[2:]
        if step.startswith("f:"):
            inner, named = shape.member(name), shape.is_field(name)
        else:
            inner, named = shape.items if shape.kind == LIST else None, False
        below = with_named_fields(node, inner) if inner is not None else node
        result[step] = {fieldset.SELF: {}, **below} if named else below
    return result


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """Return `live` with all that `config` says; what it does not say stays. Neither changes."""
    if isinstance(live, dict) and isinstance(config, dict) and live and config and not map_is_atomic(shape):
        result = dict(live)
        for name, value in config.items():
            inner = shape.member(name)
            result[name] = merge(live[name], value, inner) if inner and name in live else value
        return result
    if isinstance(live, list) and isinstance(config, list) and live and config and not list_is_atomic(shape):
        return _merge_lists(live, config, shape)
    return config


def _merge_lists(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """Merge elements with the same name. Both sides keep their order; where they differ, `config` wins."""
    left, right = shape.steps(live), shape.steps(config)
    if left is None or right is None:
        return config
    left_order, right_order = list(left), list(right)
    shared = [step for step in right_order if step in left]
    result: list[Any] = []
    i = j = 0
    while i < len(left_order) or j < len(right_order):
        step = left_order[i] if i < len(left_order) else ""
        if i < len(left_order) and step in right and j < len(right_order) and step != right_order[j]:
            # A shared element: it is taken when the configuration's order comes to it.
            if shared and shared[0] != step:
                i += 1
                continue
        elif i < len(left_order) and step not in right:
            result.append(left[step])
            i += 1
            continue
        if j >= len(right_order):
            i += 1
            continue
        wanted = right_order[j]
        if i < len(left_order) and step == wanted:
            i += 1
        j += 1
        if shared and shared[0] == wanted:
            shared.pop(0)
        result.append(merge(left[wanted], right[wanted], shape.items) if wanted in left else right[wanted])
    return result


def remove(value: Any, fields: FieldSet, shape: Shape) -> Any:
    """Return a value without the members and elements that the set names; None if nothing is left of it."""
    if not fields or not value:
        return value
    if isinstance(value, dict) and not map_is_atomic(shape):
        return _remove_members(value, fields, shape)
    if isinstance(value, list) and not list_is_atomic(shape):
        return _remove_elements(value, fields, shape)
    return value


def _remove_members(value: dict[str, Any], fields: FieldSet, shape: Shape) -> dict[str, Any] | None:
    result: dict[str, Any] = {}
    for name, item in value.items():
        node = fields.get(fieldset.field(name))
        inner = shape.member(name)
        if node is None or inner is None:
            result[name] = item
        elif not fieldset.is_member(node):
            kept = remove(item, node, inner)
            if kept is not None:
                result[name] = kept
    return result or None


def _remove_elements(value: list[Any], fields: FieldSet, shape: Shape) -> list[Any] | None:
    result: list[Any] = []
    for item in value:
        node = fields.get(shape.step(item))
        if node is None:
            result.append(item)
        elif not fieldset.is_member(node):
            kept = remove(item, node, shape.items)
            if kept is not None:
                result.append(kept)
    return result or None
