"""What is wrong with a value, by its schema, in upstream's words.

Only objects that are not valid come here (`api.crd.fast` tells). Called by `api.crd.structural` and by the
check of defaults in schemas.

Every check counts what held (`matches`): of the branches of anyOf and oneOf, the one in which most held
tells its faults. On update, what did not change has no faults (KEP-4008).
Source: kube-openapi pkg/validation/validate; apiextensions-apiserver pkg/apiserver/validation (1.36).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from api.codec.shapes import equal
from api.crd.correlate import MISSING, matching, member_of
from api.crd.formats import format_test, pattern_test
from api.crd.schema import others_of, types_of
from api.field import (
    INVALID,
    REQUIRED,
    TYPE_INVALID,
    FieldError,
    Path,
    go_float,
    not_supported,
    quote,
    too_long,
    too_many,
)
from api.schemas import Schema

# Beyond this, a floating-point number is no integer for sure.
_EXACT = 2.0**53 - 1
_JUNCTORS = ("anyOf", "oneOf", "allOf", "not")


@dataclass
class Verdict:
    """The faults of a value, and how many checks held."""

    errors: list[FieldError] = field(default_factory=list)
    matches: int = 0

    def merge(self, other: "Verdict") -> None:
        self.errors += other.errors
        self.matches += other.matches


def complaints(schema: Schema, value: Any, prefix: str = "", old: Any = MISSING) -> list[FieldError]:
    """Return what is wrong with a value. `prefix`: where it stands in its object; `old`: what it replaces."""
    return _Judge(prefix).judge(schema, value, "", old).errors


class _Judge:
    """Judges values below one place in an object. A `name` is the path below: "", `spec.x`, `.x`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def judge(self, schema: Schema, value: Any, name: str, old: Any) -> Verdict:
        if old is not MISSING and equal(value, old):
            return Verdict()
        verdict = Verdict()
        self._type(schema, value, name, verdict)
        if value is None:
            self._enum(schema, value, name, verdict)
            return verdict
        self._branches(schema, value, name, verdict)
        if isinstance(value, str):
            self._text(schema, value, name, verdict)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._number(schema, value, name, verdict)
        elif isinstance(value, list):
            self._list(schema, value, name, old, verdict)
        self._enum(schema, value, name, verdict)
        if isinstance(value, dict):
            self._map(schema, value, name, old, verdict)
        verdict.matches += 1
        return verdict

    # Each check adds to the verdict.

    def _type(self, schema: Schema, value: Any, name: str, verdict: Verdict) -> None:
        # DEVIATION: upstream does not look at the type of texts and lists where a format is named, so that a
        # list passes for a date.
        types = types_of(schema)
        found = _json_type(value)
        if value is None:
            fits = not types or bool(schema.get("nullable"))
        else:
            fits = not types or found in types or _is_number_of(types, value)
        if fits:
            verdict.matches += 2 if types and value is not None else 1
        else:
            wanted = ",".join(types)
            text = f'{name} in body must be of type {wanted}: "{found}"'
            verdict.errors.append(self._error(TYPE_INVALID, name, found, text))
            verdict.matches += value is not None

    def _text(self, schema: Schema, value: str, name: str, verdict: Verdict) -> None:
        verdict.matches += 1
        most, least, pattern = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
        if most is not None and len(value) > most:
            verdict.errors.append(too_long(self._path(name), most))
        elif least is not None and len(value) < least:
            self._refuse(name, value, f"should be at least {least} chars long", verdict)
        elif pattern and not pattern_test(pattern)(value):
            self._refuse(name, value, f"should match '{pattern}'", verdict)
        test = format_test(schema.get("format") or "")
        if test is not None:
            verdict.matches += 1
            if not test(value):
                text = f"{name} in body must be of type {schema['format']}: {quote(value)}"
                verdict.errors.append(self._error(TYPE_INVALID, name, value, text))

    def _number(self, schema: Schema, value: float, name: str, verdict: Verdict) -> None:
        verdict.matches += 2
        factor = schema.get("multipleOf")
        if factor is not None and not _is_multiple(value, factor):
            self._refuse(name, value, f"should be a multiple of {_bound(factor, value)}", verdict)
        least, most = schema.get("minimum"), schema.get("maximum")
        if least is not None:
            exclusive = bool(schema.get("exclusiveMinimum"))
            if value < least or (exclusive and value == least):
                words = "greater than" if exclusive else "greater than or equal to"
                self._refuse(name, value, f"should be {words} {_bound(least, value)}", verdict)
        if most is not None:
            exclusive = bool(schema.get("exclusiveMaximum"))
            if value > most or (exclusive and value == most):
                words = "less than" if exclusive else "less than or equal to"
                self._refuse(name, value, f"should be {words} {_bound(most, value)}", verdict)

    def _list(self, schema: Schema, value: list[Any], name: str, old: Any, verdict: Verdict) -> None:
        verdict.matches += 2
        items = schema.get("items")
        if isinstance(items, dict):
            find = matching(schema, old)
            for number, item in enumerate(value):
                verdict.merge(self.judge(items, item, f"{name}[{number}]", find(item)))
        least, most = schema.get("minItems"), schema.get("maxItems")
        if least is not None and len(value) < least:
            self._refuse(name, len(value), f"should have at least {least} items", verdict)
        if most is not None and len(value) > most:
            verdict.errors.append(too_many(self._path(name), len(value), most))

    def _enum(self, schema: Schema, value: Any, name: str, verdict: Verdict) -> None:
        allowed = schema.get("enum")
        verdict.matches += 1
        if allowed and (value is None or not any(_same(value, each) for each in allowed)):
            shown = [each if isinstance(each, str) else orjson.dumps(each).decode() for each in allowed]
            verdict.errors.append(not_supported(self._path(name), value, shown))

    def _map(self, schema: Schema, value: dict[str, Any], name: str, old: Any, verdict: Verdict) -> None:
        verdict.matches += 1
        least, most = schema.get("minProperties"), schema.get("maxProperties")
        if least is not None and len(value) < least:
            self._refuse(name, len(value), f"should have at least {least} properties", verdict)
            return
        if most is not None and len(value) > most:
            verdict.errors.append(too_many(self._path(name), len(value), most))
            return
        fields, others = schema.get("properties") or {}, others_of(schema)
        if schema.get("additionalProperties") is False:
            for key in sorted(value.keys() - fields.keys()):
                text = f"{name}.{key} in body is a forbidden property"
                verdict.errors.append(self._error(INVALID, name, key, text))
        for key, item in value.items():
            child = fields.get(key, others)
            if child is not None:
                inner = f"{name}.{key}" if name else key
                verdict.merge(self.judge(child, item, inner, member_of(old, key)))
        for key in schema.get("required") or ():
            if key not in value:
                verdict.errors.append(FieldError(REQUIRED, str(self._path(f"{name}.{key}")), REQUIRED))

    # Branches.

    def _branches(self, schema: Schema, value: Any, name: str, verdict: Verdict) -> None:
        verdict.matches += 2
        if not any(name in schema for name in _JUNCTORS):
            return

        def judged(branch: Schema) -> Verdict:
            # Within branches nothing is known of the old value: one that is wrong must stay wrong.
            return self.judge(branch, value, name, MISSING)

        if branches := schema.get("anyOf"):
            self._any_of(branches, judged, name, verdict)
        if branches := schema.get("oneOf"):
            self._one_of(branches, judged, name, verdict)
        if branches := schema.get("allOf"):
            self._all_of(branches, judged, name, verdict)
        if (refused := schema.get("not")) is not None and not self.judge(
            refused, value, name, MISSING
        ).errors:
            self._general(f"{quote(name)} must not validate the schema (not)", verdict)

    def _any_of(
        self, branches: Sequence[Schema], judged: Callable[[Schema], Verdict], name: str, verdict: Verdict
    ) -> None:
        best: Verdict | None = None
        for branch in branches:
            found = judged(branch)
            if not found.errors:
                verdict.merge(found)
                return
            if best is None or found.matches > best.matches:
                best = found
        self._general(f"{quote(name)} must validate at least one schema (anyOf)", verdict)
        verdict.merge(best or Verdict())

    def _one_of(
        self, branches: Sequence[Schema], judged: Callable[[Schema], Verdict], name: str, verdict: Verdict
    ) -> None:
        results = [judged(branch) for branch in branches]
        valid = [found for found in results if not found.errors]
        if len(valid) == 1:
            verdict.merge(valid[0])
            return
        how = f"Found {len(valid)} valid alternatives" if valid else "Found none valid"
        text = f"{quote(name)} must validate one and only one schema (oneOf). {how}"
        self._general(text, verdict)
        if not valid:
            verdict.merge(max(results, key=lambda found: found.matches))

    def _all_of(
        self, branches: Sequence[Schema], judged: Callable[[Schema], Verdict], name: str, verdict: Verdict
    ) -> None:
        results = [judged(branch) for branch in branches]
        for found in results:
            verdict.merge(found)
        valid = sum(not found.errors for found in results)
        if valid != len(results):
            none = "" if valid else ". None validated"
            self._general(f"{quote(name)} must validate all the schemas (allOf){none}", verdict)

    # Wording.

    def _path(self, name: str) -> Path:
        below = name.removeprefix(".")
        return Path(self._prefix).child(below) if below else Path(self._prefix)

    def _error(self, kind: str, name: str, value: Any, text: str) -> FieldError:
        return FieldError(kind, str(self._path(name)), f"{INVALID}: {quote(value)}: {text}")

    def _refuse(self, name: str, value: Any, what: str, verdict: Verdict) -> None:
        verdict.errors.append(self._error(INVALID, name, value, f"{name} in body {what}"))

    def _general(self, text: str, verdict: Verdict) -> None:
        """Add a fault that upstream attributes to no field."""
        path = str(Path(self._prefix))
        verdict.errors.append(FieldError(INVALID, path, f'{INVALID}: "": {text}'))


def _json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
    return "object"


def _is_number_of(types: tuple[str, ...], value: Any) -> bool:
    """Tell whether a number fits though its type does not: 1 is a number, 1.0 is an integer."""
    if value.__class__ is int:
        return "number" in types
    return value.__class__ is float and "integer" in types and value.is_integer() and abs(value) <= _EXACT


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, float) or isinstance(other, float):
        numbers = not isinstance(value, bool) and not isinstance(other, bool)
        return bool(numbers and isinstance(value, int | float) and value == other)
    return equal(value, other)


def _is_multiple(value: float, factor: float) -> bool:
    if value.__class__ is int and float(factor).is_integer():
        return value % int(factor) == 0 if factor else False
    if not factor:
        return False
    ratio = 1 / factor * value if factor < 1 else value / factor
    return abs(ratio) <= _EXACT and abs(ratio - round(ratio)) <= 1e-9 * max(abs(ratio), 1e-9)


def _bound(bound: float, value: float) -> str:
    """Return a limit as Go prints it: as an integer beside an integer."""
    return str(int(bound)) if value.__class__ is int else go_float(bound)
