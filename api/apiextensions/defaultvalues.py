"""Are the defaults in a schema valid values of it?

Called by `api.apiextensions.schemas`. Source: apiextensions-apiserver
pkg/apiserver/schema/defaulting/validation.go (1.36).
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

from api.codec.json import DecodeError
from api.crd.embedded import compile_embedded, object_errors
from api.crd.prune import prune_value
from api.crd.rules import compile_rules
from api.crd.schema import EMBEDDED, META_FIELDS
from api.crd.values import complaints
from api.field import FieldError, Path, invalid
from api.schemas import Schema

# Names and (for elements of lists) numbers that lead from an embedded object to a value in its metadata.
Steps: TypeAlias = tuple[str | int, ...]
_PROBE = {"apiVersion": "validation/v1", "kind": "Validation"}


def default_errors(schema: Schema, path: Path) -> list[FieldError]:
    """Return what is wrong with the defaults of a structural schema."""
    return [*_errors({**schema, EMBEDDED: True}, path, (), False)]


def _errors(schema: Schema, path: Path, steps: Steps, in_metadata: bool) -> Iterator[FieldError]:
    if schema.get(EMBEDDED):
        steps, in_metadata = (), False
    default = schema.get("default")
    if default is not None:
        at = path.child("default")
        yield from (
            _in_metadata(schema, default, at, steps) if in_metadata else _elsewhere(schema, default, at)
        )
    if isinstance(schema.get("items"), dict):
        yield from _errors(schema["items"], path.child("items"), (*steps, 0), in_metadata)
    for name, child in (schema.get("properties") or {}).items():
        meta = in_metadata or (bool(schema.get(EMBEDDED)) and name in META_FIELDS)
        yield from _errors(child, path.child("properties").key(name), (*steps, name), meta)


def _elsewhere(schema: Schema, default: Any, path: Path) -> list[FieldError]:
    try:
        unknown = prune_value(default, schema)
    except DecodeError as error:
        return [invalid(path, default, str(error))]
    errors = [invalid(path, default, "must not have unknown fields")] if unknown else []
    found: list[FieldError] = []
    if schema.get(EMBEDDED):
        found += object_errors(default, path)
    elif (check := compile_embedded(schema)) is not None:
        check(default, path, found)
    return errors + (found or complaints(schema, default, str(path)) or _rule_errors(schema, default, path))


def _rule_errors(schema: Schema, default: Any, path: Path) -> list[FieldError]:
    rules = compile_rules(schema, bool(schema.get(EMBEDDED)))
    return rules.check(default, path=path) if rules is not None else []


def _in_metadata(schema: Schema, default: Any, path: Path, steps: Steps) -> list[FieldError]:
    faults = object_errors({**_PROBE, **_around(default, steps)}, Path())
    if faults:
        shown = str(faults[0]) if len(faults) == 1 else "[" + ", ".join(map(str, faults)) + "]"
        return [invalid(path, default, f"must result in valid metadata: {shown}")]
    return complaints(schema, default, str(path))


def _around(value: Any, steps: Steps) -> dict[str, Any]:
    """Return an object that holds the value where the steps lead."""
    for step in reversed(steps):
        value = [value] if isinstance(step, int) else {step: value}
    made: dict[str, Any] = value
    return made
