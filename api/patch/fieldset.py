"""Sets of fields, in the very form in which `managedFields` holds them (FieldsV1).

    {"f:spec": {"f:replicas": {}}, "f:metadata": {"f:labels": {".": {}, "f:app": {}}}}

A step is `f:NAME` (field or map key), `k:{JSON}` (element of a keyed list), `v:JSON` (of a set), or `i:N`. A
path is in the set if its node is empty or holds "."; other nodes only lead to deeper paths. Sets never change
once made; a set without paths is {}. Called by the other files of this folder only.
Source: sigs.k8s.io/structured-merge-diff fieldpath (v6).
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import orjson

from api.codec.json import dumps_as_go

# Recursive: every value is a set of fields.
FieldSet: TypeAlias = dict[str, Any]

EMPTY: FieldSet = {}
SELF = "."


def field(name: str) -> str:
    return "f:" + name


def value_step(value: Any) -> str:
    return "v:" + dumps_as_go(value).decode()


def key_step(values: dict[str, Any]) -> str:
    return "k:" + dumps_as_go(values).decode()


def is_member(node: FieldSet) -> bool:
    """Tell whether the path that leads to this node is in the set."""
    return not node or SELF in node


def _node(member: bool, children: FieldSet) -> FieldSet | None:
    """Return the node of a path with these children; None if there is nothing to say."""
    if not children:
        return {} if member else None
    if member:
        return children if SELF in children else {SELF: {}, **children}
    return {step: child for step, child in children.items() if step != SELF} if SELF in children else children


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths that are in either set."""
    if not left or left is right:
        return right
    if not right:
        return left
    result = dict(left)
    for step, node in right.items():
        mine = left.get(step)
        if mine is None:
            result[step] = node
        elif step != SELF and mine != node:
            merged = _node(is_member(mine) or is_member(node), union(_inner(mine), _inner(node)))
            result[step] = merged or {}
    return result


def _inner(node: FieldSet) -> FieldSet:
    return {step: child for step, child in node.items() if step != SELF} if SELF in node else node


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths of `left` that are not in `right`; `left` itself if that takes nothing away."""
    if not left or not right:
        return left
    result = left
    for step, node in right.items():
        mine = left.get(step) if step != SELF else None
        if mine is None:
            continue
        member = is_member(mine) and not is_member(node)
        kept = _node(member, difference(_inner(mine), _inner(node)))
        if kept == mine:
            continue
        if result is left:
            result = dict(left)
        if kept is None:
            del result[step]
        else:
            result[step] = kept
    return result


def difference_below(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return `left` without the paths of `right` and all that lies below them."""
    result = dict(left)
    for step, node in right.items():
        mine = left.get(step)
        if mine is None or step == SELF:
            continue
        kept = None if is_member(node) else _node(is_member(mine), difference_below(_inner(mine), node))
        if kept is None:
            del result[step]
        else:
            result[step] = kept
    return result


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths that are in both sets."""
    result: FieldSet = {}
    for step, node in right.items():
        mine = left.get(step)
        if mine is None or step == SELF:
            continue
        both = is_member(mine) and is_member(node)
        kept = _node(both, intersection(_inner(mine), _inner(node)))
        if kept is not None:
            result[step] = kept
    return result


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """Yield the paths as texts (`.spec.containers[name="a"].image`), each level before deeper ones."""
    steps = sorted(step for step in fields if step != SELF)
    for step in steps:
        if is_member(fields[step]):
            yield prefix + step_text(step)
    for step in steps:
        yield from paths(_inner(fields[step]), prefix + step_text(step))


def step_text(step: str) -> str:
    """`.name`, `[name="a"]`, `[="x"]`, `[0]`."""
    kind, _, rest = step.partition(":")
    match kind:
        case "f":
            return f".{rest}"
        case "k":
            keys = orjson.loads(rest)
            shown = ",".join(f"{name}={orjson.dumps(value).decode()}" for name, value in sorted(keys.items()))
            return f"[{shown}]"
        case "v":
            return f"[={rest}]"
    return f"[{rest}]"


def ordered(fields: FieldSet) -> FieldSet:
    """Return the same set with steps in order: what is stored does not depend on how it came about."""
    return {step: ordered(fields[step]) if fields[step] else {} for step in sorted(fields)}


def of(*members: tuple[str, ...]) -> FieldSet:
    """Return the set of paths of field names: `of(("metadata", "name"), ("kind",))`."""
    result: FieldSet = {}
    for names in members:
        single: FieldSet = {}
        for name in reversed(names):
            single = {field(name): single}
        result = union(result, single)
    return result
