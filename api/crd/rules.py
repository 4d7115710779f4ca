"""The rules of a schema (`x-kubernetes-validations`), compiled to a tree that leads only to values that have
some.

A rule is asked about one value (`self`), a transition rule also about what it replaces (`oldSelf`), and only
where the two correspond: members of maps by name, elements of keyed lists by their keys. All rules of one
request share a budget. On update, a fault in a value that did not change is let be, unless a transition rule
finds it (KEP-4008).
Called by `api.crd.structural` and by the check of definitions, which compiles the same programs.
Source: apiextensions-apiserver pkg/apiserver/schema/cel compilation.go, validation.go (1.36); KEP-2876.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from api.cel.cost import RUNTIME_BUDGET, Budget
from api.cel.environment import Environment, Program
from api.cel.errors import CELError, CompileError, CostExceeded, EvaluationError
from api.cel.schema_types import type_of_schema
from api.cel.types import BOOL, STRING, Type, optional_of
from api.cel.values import ABSENT, Optional
from api.codec.shapes import equal
from api.crd.correlate import MISSING, matching, member_of
from api.crd.fieldpath import resolve
from api.crd.schema import EMBEDDED, LIST_TYPE, MAP_TYPE, RULES, others_of
from api.field import DUPLICATE, FieldError, Path, duplicate, forbidden, invalid, invalid_whole, required
from api.resource import Obj
from api.schemas import Schema

MESSAGE_MAX_BYTES = 5 * 1024
# What failures do not show.
_CONTAINERS = ("object", "array")


class RuleEnvironment:
    """Compiles the rules of one schema: what `self` is, is typed by it."""

    def __init__(self, schema: Schema, is_object: bool) -> None:
        self._schema, self._is_object = schema, is_object

    @cached_property
    def type(self) -> Type:
        """The type of `self`."""
        return type_of_schema(self._schema, root=self._is_object)

    @cached_property
    def _plain(self) -> Environment:
        return Environment({"self": self.type, "oldSelf": self.type})

    @cached_property
    def _optional(self) -> Environment:
        return Environment({"self": self.type, "oldSelf": optional_of(self.type)})

    def compile_rule(self, rule: Obj) -> Program:
        """Return the program of a rule. Raises CompileError in upstream's words."""
        program = self._compile(rule, rule["rule"], "compilation failed: ")
        if program.result_type != BOOL:
            raise CompileError("cel expression must evaluate to a bool")
        return program

    def compile_message(self, rule: Obj) -> Program:
        """Return the program of a rule's messageExpression. Raises CompileError in upstream's words."""
        program = self._compile(rule, rule["messageExpression"], "messageExpression compilation failed: ")
        if program.result_type != STRING:
            raise CompileError("messageExpression must evaluate to a string")
        return program

    def _compile(self, rule: Obj, text: str, what: str) -> Program:
        environment = self._optional if rule.get("optionalOldSelf") else self._plain
        try:
            return environment.compile(text)
        except CompileError as error:
            raise CompileError(f"{what}{error}") from error


def uses_old(program: Program) -> bool:
    """Tell whether a rule is one about a transition."""
    return "oldSelf" in program.references


@dataclass(frozen=True)
class _Rule:
    """A rule as its schema has it. `fault`: why it could not be compiled; then there is no program."""

    source: Obj
    program: Program | None
    message: Program | None
    fault: str
    # Where a failure is shown, below the value.
    place: str

    @property
    def shown(self) -> str:
        """How messages call the rule."""
        text: str = self.source.get("message") or self.source["rule"]
        return text.strip()

    @property
    def is_optional(self) -> bool:
        """Whether the rule is asked though there is no old value."""
        return bool(self.source.get("optionalOldSelf"))


class _Where(NamedTuple):
    """A value: where it is, what it replaces for rules, and for ratcheting with the nearest ancestor that
    replaces something.
    """

    path: Path
    value: Any
    old: Any
    # (new, old) of this value or of an ancestor; None: nothing is known, so nothing is let be.
    pair: tuple[Any, Any] | None


class _OutOfBudget(Exception):
    """No further rules are run; the fault has been told."""


@dataclass(frozen=True)
class Rules:
    """The rules of one schema and of all that is in it."""

    schema: Schema
    rules: tuple[_Rule, ...]
    fields: tuple[tuple[str, "Rules"], ...]
    others: "Rules | None"
    items: "Rules | None"

    def check(self, new: Any, old: Any = MISSING, path: Path | None = None) -> list[FieldError]:
        """Return the faults that the rules find in a value. `old`: what it replaces."""
        run = _Run(Budget(RUNTIME_BUDGET), [])
        pair = None if old is MISSING else (new, old)
        with suppress(_OutOfBudget):
            self._visit(_Where(path or Path(), new, old, pair), run)
        return run.errors

    def _visit(self, where: _Where, run: "_Run") -> None:
        if where.value is None:
            return
        for rule in self.rules:
            run.apply(rule, where, self.schema)
        if where.value.__class__ is dict:
            self._visit_map(where, run)
        elif where.value.__class__ is list and self.items is not None:
            find = matching(self.schema, where.old)
            for number, item in enumerate(where.value):
                self.items._visit(self._element(where, number, item, find(item)), run)

    def _visit_map(self, where: _Where, run: "_Run") -> None:
        if self.others is not None:
            named = self.schema.get("properties") or {}
            for name, item in where.value.items():
                if name not in named:
                    self.others._visit(self._member(where, name, item, where.path.key(name)), run)
        for name, inner in self.fields:
            if name in where.value:
                item = where.value[name]
                inner._visit(self._member(where, name, item, where.path.child(name)), run)

    def _member(self, where: _Where, name: str, item: Any, path: Path) -> _Where:
        if self.schema.get(MAP_TYPE) == "atomic":
            return _Where(path, item, MISSING, where.pair)
        old = member_of(where.old, name)
        # What `kind` and `apiVersion` were is not known: both objects are converted to one version.
        hidden = name in ("kind", "apiVersion") and str(path) == name
        return _Where(path, item, old, None if hidden else _pair(where, item, old))

    def _element(self, where: _Where, number: int, item: Any, found: Any) -> _Where:
        kind, path = self.schema.get(LIST_TYPE), where.path.index(number)
        if kind == "map":
            return _Where(path, item, found, _pair(where, item, found))
        # An element of a set has no past; that it is in the old set lets its faults be.
        return _Where(path, item, MISSING, _pair(where, item, found) if kind == "set" else where.pair)


def _pair(where: _Where, item: Any, old: Any) -> tuple[Any, Any] | None:
    return None if where.pair is None else (item, old)


def compile_rules(schema: Schema, is_root: bool = True) -> Rules | None:
    """Return the rules of a schema; None if there are none in it."""
    rules = tuple(_compiled(schema, is_root or bool(schema.get(EMBEDDED))))
    fields = tuple(
        (name, found)
        for name, child in (schema.get("properties") or {}).items()
        if (found := compile_rules(child, False)) is not None
    )
    values, elements = others_of(schema), schema.get("items")
    others = compile_rules(values, False) if values is not None else None
    items = compile_rules(elements, False) if isinstance(elements, dict) else None
    if not rules and not fields and others is None and items is None:
        return None
    return Rules(schema, rules, fields, others, items)


def _compiled(schema: Schema, is_object: bool) -> Iterator[_Rule]:
    environment = RuleEnvironment(schema, is_object)
    for rule in schema.get(RULES) or ():
        if not rule.get("rule", "").strip():
            continue
        program, message, fault = None, None, ""
        try:
            program = environment.compile_rule(rule)
            if rule.get("messageExpression"):
                message = environment.compile_message(rule)
        except CompileError as error:
            fault = str(error)
        yield _Rule(rule, program, message, fault, _place(rule, schema))


def _place(rule: Obj, schema: Schema) -> str:
    try:
        return str(resolve(rule["fieldPath"], schema)[0]) if rule.get("fieldPath") else ""
    except ValueError:
        return ""


@dataclass(frozen=True)
class _Run:
    """One validation: what it may still cost, and what it has found."""

    budget: Budget
    errors: list[FieldError]

    def apply(self, rule: _Rule, where: _Where, schema: Schema) -> None:
        """Ask one rule about one value. Raises _OutOfBudget."""
        if rule.program is None:
            self._tell(where, schema, f"rule compile error: {rule.fault}")
            return
        has_old = where.old is not MISSING and where.old is not None
        transition = uses_old(rule.program)
        if transition and not has_old and not rule.is_optional:
            return
        bindings = {"self": where.value}
        if transition:
            old = (Optional(where.old, True) if has_old else ABSENT) if rule.is_optional else where.old
            bindings["oldSelf"] = old
        if not self._holds(rule, rule.program, bindings, where, schema):
            self._fail(rule, bindings, where, schema, ratchets=not transition)

    def _holds(self, rule: _Rule, program: Program, bindings: Obj, where: _Where, schema: Schema) -> bool:
        """Evaluate a rule; what prevents that is told at once."""
        try:
            return program.evaluate(bindings, self.budget) is not False
        except CostExceeded as error:
            text = str(error)
            if text.startswith("operation cancelled"):
                why = "no further validation rules will be run due to call cost exceeds limit for rule"
                text = f"'{text}': {why}: {rule.shown}"
            self._tell(where, schema, text)
            raise _OutOfBudget from error
        except EvaluationError as error:
            text = str(error)
            if text.startswith("no such overload"):
                why = (
                    "call arguments did not match a supported operator, function or macro signature for rule"
                )
                self._tell(where, schema, f"'{text}': {why}: {rule.shown}")
            else:
                self._tell(where, schema, f"{text} evaluating rule: {rule.shown}")
        return True

    def _fail(self, rule: _Rule, bindings: Obj, where: _Where, schema: Schema, ratchets: bool) -> None:
        if ratchets and where.pair is not None and equal(*where.pair):
            return
        path = where.path.child(rule.place) if rule.place else where.path
        text = (rule.source.get("message") or f"failed rule: {rule.source['rule'].strip()}").strip()
        if rule.message is not None:
            text = self._message(rule, rule.message, bindings, path, schema) or text
        self.errors.append(_failure(rule.source.get("reason"), path, where.value, schema, text))

    def _message(self, rule: _Rule, program: Program, bindings: Obj, path: Path, schema: Schema) -> str:
        """Return what a messageExpression says; "" if that cannot be used."""
        try:
            text = program.evaluate(bindings, self.budget)
        except CostExceeded as error:
            why = "messageExpression evaluation failed due to running out of cost budget"
            if str(error).startswith("operation cancelled"):
                source = rule.source["messageExpression"]
                why = (
                    "no further validation rules will be run due to call cost exceeds limit for "
                    f'messageExpression: "{source}"'
                )
            else:
                why += ", no further validation rules will be run"
            self.errors.append(invalid(path, schema.get("type", ""), why))
            raise _OutOfBudget from error
        except CELError:
            return ""
        text = text.strip() if isinstance(text, str) else ""
        return "" if "\n" in text or len(text.encode()) > MESSAGE_MAX_BYTES else text

    def _tell(self, where: _Where, schema: Schema, text: str) -> None:
        self.errors.append(invalid(where.path, schema.get("type", ""), text))


def _failure(reason: str | None, path: Path, value: Any, schema: Schema, text: str) -> FieldError:
    shows = schema.get("type") not in _CONTAINERS
    match reason:
        case "FieldValueForbidden":
            return forbidden(path, text)
        case "FieldValueRequired":
            return required(path, text)
        case "FieldValueDuplicate":
            return duplicate(path, value) if shows else FieldError(DUPLICATE, str(path), DUPLICATE)
    return invalid(path, value, text) if shows else invalid_whole(path, text)
