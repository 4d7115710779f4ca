"""JSON patch, RFC 6902: a list of operations on pointers.

Called by the API server's PATCH and for the answers of mutating webhooks.
Source: apiserver's endpoints/handlers/patch.go (limits), evanphx/json-patch v4 (words), 1.36.
"""

import re
from typing import Any

import orjson

from api import errors
from api.codec import shapes
from api.resource import Obj

MAX_OPERATIONS = 10_000
# What `copy` operations may add to a document in all: as much as a request body may hold.
MAX_COPIED_BYTES = 3 * 1024 * 1024

_REJECTED = "the server rejected our request due to an error in our request"
_INDEX = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_WITH_VALUE = frozenset(("add", "replace", "test"))


class _Failed(Exception):
    """An operation does not apply; the text says why."""


class _Unequal(_Failed):
    """A test found something else."""


class TestFailed(errors.Invalid):
    """An operation `test` found something else than it should."""

    # Not a class of tests, whatever pytest thinks of its name.
    __test__ = False


def apply_patch(obj: Obj, operations: Any) -> Obj:
    """Return the object after all operations, in order; the given object stays as it is.

    Raises BadRequest for what is no JSON patch, RequestEntityTooLarge for too many operations, Invalid if one
    does not apply, `TestFailed` among it (upstream's message hides the reason; `details.causes` has it).
    """
    checked = _check(operations)
    document = {"": shapes.copy(obj)}
    copied = 0
    try:
        for operation in checked:
            copied += _apply(document, operation)
            if copied > MAX_COPIED_BYTES:
                raise _Failed(
                    "Unable to complete the copy, the accumulated size increase of copy is "
                    f"{copied}, exceeding the limit {MAX_COPIED_BYTES}"
                )
        _size(document)
    except _Failed as failure:
        causes = [{"reason": "UnexpectedServerResponse", "message": str(failure)}]
        kind = TestFailed if isinstance(failure, _Unequal) else errors.Invalid
        raise kind(_REJECTED, {"causes": causes}) from failure
    result = document[""]
    if not isinstance(result, dict):
        raise errors.BadRequest("the patched document is not an object")
    return result


def _check(operations: Any) -> list[dict[str, Any]]:
    if not isinstance(operations, list):
        raise errors.BadRequest("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > MAX_OPERATIONS:
        raise errors.RequestEntityTooLarge(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        )
    for operation in operations:
        if not isinstance(operation, dict):
            raise errors.BadRequest("json: cannot unmarshal value into Go value of type jsonpatch.Operation")
    return operations


def _apply(document: Obj, operation: dict[str, Any]) -> int:
    """Perform one operation in place; return how many bytes it copied."""
    kind = operation.get("op")
    path = _pointer(operation, "path", kind)
    if kind in _WITH_VALUE and "value" not in operation and kind != "test":
        raise _Failed(f"{kind} operation does not apply: missing value")
    match kind:
        case "add":
            _add(document, path, shapes.copy(operation["value"]), "add")
        case "replace":
            _replace(document, path, shapes.copy(operation["value"]))
        case "remove":
            _remove(document, path, "remove")
        case "test":
            _test(document, path, operation.get("value"))
        case "move" | "copy":
            return _transfer(document, path, _pointer(operation, "from", kind), kind)
        case _:
            raise _Failed(f"Unexpected kind: {kind}")
    return 0


def _pointer(operation: dict[str, Any], name: str, kind: Any) -> list[str]:
    """Return the steps of a pointer. The first step leads from the holder to the document itself."""
    text = operation.get(name)
    if not isinstance(text, str):
        raise _Failed(f"{kind} operation has no {name}")
    if text and not text.startswith("/"):
        raise _Failed(f"{kind} operation does not apply: doc is missing path: {text}: missing value")
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")]


def _shown(path: list[str]) -> str:
    return "/".join(step.replace("~", "~0").replace("/", "~1") for step in path)


def _holder(document: Obj, path: list[str], kind: str) -> Any:
    """Return the container of what a path names."""
    here: Any = document
    for step in path[:-1]:
        here = _child(here, step, path, kind)
    if not isinstance(here, dict | list):
        raise _Failed(f"{kind} operation does not apply: doc is missing path: {_shown(path)}: missing value")
    return here


def _child(here: Any, step: str, path: list[str], kind: str) -> Any:
    if isinstance(here, dict) and step in here:
        return here[step]
    if isinstance(here, list):
        return here[_position(here, step, len(here) - 1, path, kind)]
    raise _Failed(f"{kind} operation does not apply: doc is missing path: {_shown(path)}: missing value")


def _position(items: list[Any], step: str, last: int, path: list[str], kind: str) -> int:
    """Return the index that a step names; negative ones count from the end."""
    if not _INDEX.fullmatch(step):
        raise _Failed(f"{kind} operation does not apply: doc is missing key: {_shown(path)}: missing value")
    index = int(step)
    if index < 0:
        index += last + 1
    if not 0 <= index <= last:
        raise _Failed(
            f"{kind} operation does not apply: Unable to access invalid index: {step}: "
            "invalid index referenced"
        )
    return index


def _add(document: Obj, path: list[str], value: Any, kind: str) -> None:
    holder, step = _holder(document, path, kind), path[-1]
    if isinstance(holder, dict):
        holder[step] = value
    elif step == "-":
        holder.append(value)
    else:
        holder.insert(_position(holder, step, len(holder), path, kind), value)


def _replace(document: Obj, path: list[str], value: Any) -> None:
    holder, step = _holder(document, path, "replace"), path[-1]
    _child(holder, step, path, "replace")
    if isinstance(holder, dict):
        holder[step] = value
    else:
        holder[_position(holder, step, len(holder) - 1, path, "replace")] = value


def _remove(document: Obj, path: list[str], kind: str) -> Any:
    if len(path) == 1:
        raise _Failed(f"{kind} operation does not apply: doc is missing path: : missing value")
    holder, step = _holder(document, path, kind), path[-1]
    if isinstance(holder, dict):
        if step not in holder:
            raise _Failed(
                f"{kind} operation does not apply: Unable to remove nonexistent key: {step}: missing value"
            )
        return holder.pop(step)
    return holder.pop(_position(holder, step, len(holder) - 1, path, kind))


def _test(document: Obj, path: list[str], wanted: Any) -> None:
    holder, step = _holder(document, path, "test"), path[-1]
    if isinstance(holder, dict):
        actual = holder.get(step)
    else:
        actual = holder[_position(holder, step, len(holder) - 1, path, "test")]
    if not shapes.equal(actual, wanted):
        raise _Unequal(f"testing value {_shown(path)} failed: test failed")


def _transfer(document: Obj, path: list[str], source: list[str], kind: str) -> int:
    if kind == "move":
        if path[: len(source)] == source and path != source:
            raise _Failed(f"move operation does not apply: {_shown(path)} is within {_shown(source)}")
        _add(document, path, _remove(document, source, kind), kind)
        return 0
    value = shapes.copy(_child(_holder(document, source, kind), source[-1], source, kind))
    _add(document, path, value, kind)
    return _size(value)


def _size(value: Any) -> int:
    """Return how many bytes a value takes; what is nested too deeply to be written fails."""
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError as error:
        raise _Failed("exceeded max depth") from error
