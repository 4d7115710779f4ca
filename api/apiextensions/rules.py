"""The rules in a schema (`x-kubernetes-validations`): their wording, and whether they compile and are cheap.

Called by `api.apiextensions.schemas`.
Source: apiextensions-apiserver pkg/apis/apiextensions/validation (1.36), KEP-2876.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from api.cel.cost import ESTIMATED_RULE_LIMIT, ESTIMATED_TOTAL_LIMIT, UNBOUNDED
from api.cel.environment import Program
from api.cel.errors import CompileError
from api.cel.schema_types import type_of_schema
from api.crd.fieldpath import resolve
from api.crd.rules import RuleEnvironment, uses_old
from api.crd.schema import EMBEDDED, LIST_TYPE, MAP_TYPE, RULES, others_of
from api.field import FieldError, Path, forbidden, invalid, not_supported, required
from api.resource import Obj
from api.schemas import Schema

# So many of the most expensive rules are told.
_MOST_TOLD = 4
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


def wording_errors(schema: Schema, path: Path) -> Iterator[FieldError]:
    """Check what can be said of rules without compiling them."""
    for number, rule in enumerate(schema.get(RULES) or ()):
        at = path.child(RULES).index(number)
        yield from _rule_errors(rule, at)
        yield from _field_path_errors(rule, schema, at.child("fieldPath"))


def _rule_errors(rule: Obj, path: Path) -> Iterator[FieldError]:
    text, message = rule.get("rule", "").strip(), rule.get("message", "")
    expression, reason = rule.get("messageExpression", ""), rule.get("reason")
    if not text:
        yield required(path.child("rule"), "rule is not specified")
    elif message and not message.strip():
        yield invalid(path.child("message"), message, "message must be non-empty if specified")
    elif _has_line_breaks(message.strip()):
        yield invalid(path.child("message"), message, "message must not contain line breaks")
    elif _has_line_breaks(text) and not message:
        yield required(path.child("message"), "message must be specified if rule contains line breaks")
    if expression and not expression.strip():
        why = "messageExpression must be non-empty if specified"
        yield required(path.child("messageExpression"), why)
    if reason is not None and reason not in _REASONS:
        yield not_supported(path.child("reason"), reason, _REASONS)


def _has_line_breaks(text: str) -> bool:
    return "\n" in text or "\r" in text


def _field_path_errors(rule: Obj, schema: Schema, path: Path) -> Iterator[FieldError]:
    text = rule.get("fieldPath", "")
    if not text:
        return
    if not text.strip():
        yield invalid(path, text, "fieldPath must be non-empty if specified")
    if _has_line_breaks(text):
        yield invalid(path, text, "fieldPath must not contain line breaks")
    try:
        resolve(text, schema)
    except ValueError:
        yield invalid(path, text, "fieldPath must be a valid path")


@dataclass(frozen=True)
class Place:
    """Where a schema stands. `times`: how many values of it one object may hold at most; `uncorrelated`: the
    schema whose values have no past, so that what is below has none."""

    is_object: bool
    times: int = 1
    uncorrelated: Path | None = None


@dataclass
class Total:
    """What all rules of a schema may cost, and which ones cost much."""

    cost: int = 0
    expensive: list[tuple[int, Path]] = field(default_factory=list)

    def add(self, cost: int, path: Path) -> None:
        self.cost = min(self.cost + cost, UNBOUNDED)
        if cost >= ESTIMATED_TOTAL_LIMIT // 100:
            self.expensive = sorted([*self.expensive, (cost, path)], key=lambda each: -each[0])[:_MOST_TOLD]


def rule_errors(schema: Schema, path: Path) -> list[FieldError]:
    """Return the rules that do not compile or cost too much; the schema is valid otherwise."""
    total = Total()
    errors = [*_errors(schema, path, Place(True), total)]
    if total.cost > ESTIMATED_TOTAL_LIMIT:
        text = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        errors += [forbidden(at, text) for _, at in total.expensive]
        what = f"{RULES} estimated rule cost total for entire OpenAPIv3 schema"
        errors.append(forbidden(path, _exceeds(what, total.cost, ESTIMATED_TOTAL_LIMIT)))
    return errors


def estimated_cost(schema: Schema) -> int:
    """Return the most that all rules of a valid schema may cost for one object."""
    total = Total()
    for _ in _errors(schema, Path(), Place(True), total):
        pass
    return total.cost


def _errors(schema: Schema, path: Path, place: Place, total: Total) -> Iterator[FieldError]:
    if schema.get(RULES):
        environment = RuleEnvironment(schema, place.is_object)
        for number, rule in enumerate(schema[RULES]):
            yield from _one_rule_errors(rule, environment, path.child(RULES).index(number), place, total)
    properties, others, items = schema.get("properties") or {}, others_of(schema), schema.get("items")
    loses_past = schema.get(MAP_TYPE) == "atomic" and place.uncorrelated is None
    inner = replace(place, uncorrelated=path) if loses_past else place
    for name, child in properties.items():
        below = replace(inner, is_object=bool(child.get(EMBEDDED)))
        yield from _errors(child, path.child("properties").key(name), below, total)
    if others is not None and _has_rules(others):
        below = replace(inner, is_object=bool(others.get(EMBEDDED)), times=_times(schema, place))
        yield from _errors(others, path.child("additionalProperties"), below, total)
    if isinstance(items, dict) and _has_rules(items):
        below = replace(place, is_object=bool(items.get(EMBEDDED)), times=_times(schema, place))
        if schema.get(LIST_TYPE) != "map" and place.uncorrelated is None:
            below = replace(below, uncorrelated=path)
        yield from _errors(items, path.child("items"), below, total)


def _has_rules(schema: Schema) -> bool:
    """Tell whether there is a rule in a schema: only then it matters how many values there may be."""
    if schema.get(RULES):
        return True
    children = [*(schema.get("properties") or {}).values(), others_of(schema), schema.get("items")]
    return any(isinstance(child, dict) and _has_rules(child) for child in children)


def _times(schema: Schema, place: Place) -> int:
    most = type_of_schema(schema).max_size
    return min(place.times * (UNBOUNDED if most is None else most), UNBOUNDED)


def _one_rule_errors(
    rule: Obj, environment: RuleEnvironment, path: Path, place: Place, total: Total
) -> Iterator[FieldError]:
    at = path.child("rule")
    try:
        program = environment.compile_rule(rule)
    except CompileError as error:
        yield invalid(at, _internal(rule), str(error))
        return
    yield from _cost_errors(program, "estimated rule cost", at, place.times, total)
    if rule.get("messageExpression"):
        yield from _message_errors(rule, environment, path.child("messageExpression"), total)
    if not uses_old(program):
        if "optionalOldSelf" in rule:
            text = "may not be set if oldSelf is not used in rule"
            yield invalid(path.child("optionalOldSelf"), rule["optionalOldSelf"], text)
    elif place.uncorrelated is not None:
        text = (
            f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelated}"
        )
        yield invalid(at, rule["rule"], text)


def _message_errors(
    rule: Obj, environment: RuleEnvironment, path: Path, total: Total
) -> Iterator[FieldError]:
    try:
        program = environment.compile_message(rule)
    except CompileError as error:
        yield invalid(path, _internal(rule), str(error))
        return
    # However many values there may be, as upstream counts.
    yield from _cost_errors(program, "estimated messageExpression cost", path, 1, total)


def _cost_errors(program: Program, what: str, path: Path, times: int, total: Total) -> Iterator[FieldError]:
    cost = min(program.estimate().high * times, UNBOUNDED)
    if cost > ESTIMATED_RULE_LIMIT:
        yield forbidden(path, _exceeds(what, cost, ESTIMATED_RULE_LIMIT))
    total.add(cost, path)


def _exceeds(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return (
        f"{what} exceeds budget by factor of {shown} (try simplifying the rule, or adding maxItems, "
        "maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )


def _internal(rule: Obj) -> Obj:
    """Return a rule as upstream's messages show it: its internal form."""
    return {
        "Rule": rule["rule"],
        "Message": rule.get("message", ""),
        "MessageExpression": rule.get("messageExpression", ""),
        "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath", ""),
        "OptionalOldSelf": rule.get("optionalOldSelf"),
    }
