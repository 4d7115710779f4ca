"""Validating and mutating admission policies: defaults, and checks with every expression compiled.

Spec: pkg/apis/admissionregistration/v1/defaults.go, validation (1.36).
"""

import re

from api import field, names
from api.admissionregistration.compiled import MUTATIONS, CompiledPolicy, compile_policy
from api.admissionregistration.constraints import (
    condition_errors,
    expression_errors,
    match_errors,
    param_kind_errors,
)
from api.defaulting import defaulting, each, struct
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_FAILURES = ("Fail", "Ignore")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
_REINVOCATIONS = ("IfNeeded", "Never")
# Deletions and connections leave nothing that could be mutated.
_MUTABLE = ("*", "CREATE", "UPDATE", "CONNECT")
_MOST_ANNOTATIONS = 20
_LONGEST_ANNOTATION = 5 * 1024
_EMPTY = "validations or auditAnnotations must contain at least one item"
_NO_EXPRESSION = "expression is not specified"
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*").fullmatch
_RESERVED = frozenset(
    {
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if",
        "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip

_rules = each(defaulting(absent={"scope": "*"}))
match_defaults = defaulting(
    absent={"namespaceSelector": {}, "objectSelector": {}, "matchPolicy": "Equivalent"},
    nested={"resourceRules": _rules, "excludeResourceRules": _rules},
)
defaults = defaulting(
    nested={
        "spec": struct(
            defaulting(absent={"failurePolicy": "Fail"}, nested={"matchConstraints": match_defaults})
        )
    }
)


def validate(obj: Obj) -> list[FieldError]:
    """Check a policy of either kind."""
    spec = obj.get("spec") or {}
    compiled = compile_policy(obj)
    errors = validate_metadata(obj, namespaced=False) + _shared_errors(spec, compiled)
    if obj.get("kind") == "MutatingAdmissionPolicy":
        return errors + _mutation_errors(spec, compiled)
    name = (obj.get("metadata") or {}).get("name") or ""
    return errors + _validation_errors(spec, compiled, name)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    # What is stored stays valid, whatever today's compiler says of it.
    return errors if new.get("spec") == old.get("spec") else errors + validate(new)


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`: warnings say something about some field."""
    errors = validate_metadata_update(new, old)
    checking = (new.get("status") or {}).get("typeChecking") or {}
    path = Path("status").child("typeChecking", "expressionWarnings")
    for number, warning in enumerate(checking.get("expressionWarnings") or ()):
        errors += [
            field.required(path.index(number).child(name))
            for name in ("warning", "fieldRef")
            if not (warning.get(name) or "").strip()
        ]
    return errors


def _shared_errors(spec: Obj, compiled: CompiledPolicy) -> list[FieldError]:
    errors: list[FieldError] = []
    policy, at = spec.get("failurePolicy"), _SPEC.child("failurePolicy")
    if policy is None:
        errors.append(field.required(at))
    elif policy not in _FAILURES:
        errors.append(field.not_supported(at, policy, _FAILURES))
    if (kind := spec.get("paramKind")) is not None:
        errors += param_kind_errors(kind, _SPEC.child("paramKind"))
    constraints, at = spec.get("matchConstraints"), _SPEC.child("matchConstraints")
    if constraints is None:
        errors.append(field.required(at))
    else:
        errors += match_errors(constraints, at)
        if not constraints.get("resourceRules"):
            errors.append(field.required(at.child("resourceRules")))
    conditions = spec.get("matchConditions") or ()
    errors += condition_errors(conditions, compiled.conditions, _SPEC.child("matchConditions"))
    return errors + _variable_errors(spec, compiled)


def _variable_errors(spec: Obj, compiled: CompiledPolicy) -> list[FieldError]:
    errors: list[FieldError] = []
    for number, variable in enumerate(spec.get("variables") or ()):
        at, name = _SPEC.child("variables").index(number), variable.get("name") or ""
        if not name.strip():
            errors.append(field.required(at.child("name"), "name is not specified"))
        elif not _IDENTIFIER(name) or name in _RESERVED:
            errors.append(field.invalid(at.child("name"), name, "name is not a valid CEL identifier"))
        errors += expression_errors(compiled.variables[name], at.child("expression"), _NO_EXPRESSION)
    return errors


def _validation_errors(spec: Obj, compiled: CompiledPolicy, name: str) -> list[FieldError]:
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    at = _SPEC.child("validations")
    if not validations and not annotations:
        return [field.required(at, _EMPTY), field.required(_SPEC.child("auditAnnotations"), _EMPTY)]
    errors: list[FieldError] = []
    for number, validation in enumerate(validations):
        path = at.index(number)
        expression, message = compiled.validations[number], compiled.messages[number]
        errors += expression_errors(expression, path.child("expression"), _NO_EXPRESSION)
        if message is not None:
            errors += expression_errors(message, path.child("messageExpression"))
        errors += _message_errors(validation, path)
    return errors + _annotation_errors(annotations, compiled, name)


def _message_errors(validation: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    message, expression = validation.get("message") or "", validation.get("messageExpression") or ""
    if expression and not expression.strip():
        text = "must be non-empty if specified"
        errors.append(field.invalid(path.child("messageExpression"), expression, text))
    if message and not message.strip():
        text = "message must be non-empty if specified"
        errors.append(field.invalid(path.child("message"), message, text))
    elif "\n" in message.strip() or "\r" in message.strip():
        text = "message must not contain line breaks"
        errors.append(field.invalid(path.child("message"), message, text))
    reason = validation.get("reason")
    if reason is not None and reason not in _REASONS:
        errors.append(field.not_supported(path.child("reason"), reason, _REASONS))
    return errors


def _annotation_errors(annotations: list[Obj], compiled: CompiledPolicy, name: str) -> list[FieldError]:
    path = _SPEC.child("auditAnnotations")
    errors: list[FieldError] = []
    if len(annotations) > _MOST_ANNOTATIONS:
        text = f"must not have more than {_MOST_ANNOTATIONS} auditAnnotations"
        errors.append(field.invalid(path, annotations, text))
    seen: set[str] = set()
    for number, annotation in enumerate(annotations):
        at, key = path.index(number), annotation.get("key") or ""
        if name:
            qualified = f"{name}/{key}"
            errors += [
                field.invalid(at.child("key"), qualified, text) for text in names.is_qualified_name(qualified)
            ]
        else:
            errors.append(field.invalid(at.child("key"), key, "requires metadata.name be non-empty"))
        expression = compiled.annotations[number]
        if len(expression.text) > _LONGEST_ANNOTATION:
            text = f"must not exceed {_LONGEST_ANNOTATION} bytes in length"
            errors.append(field.required(at.child("valueExpression"), text))
        else:
            missing = "valueExpression is not specified"
            errors += expression_errors(expression, at.child("valueExpression"), missing)
        if key in seen:
            errors.append(field.duplicate(at.child("key"), key))
        seen.add(key)
    return errors


def _mutation_errors(spec: Obj, compiled: CompiledPolicy) -> list[FieldError]:
    errors: list[FieldError] = []
    rules = (spec.get("matchConstraints") or {}).get("resourceRules") or ()
    for number, rule in enumerate(rules):
        at = _SPEC.child("matchConstraints", "resourceRules").index(number).child("operations")
        errors += [
            field.not_supported(at.index(place), operation, _MUTABLE)
            for place, operation in enumerate(rule.get("operations") or ())
            if operation == "DELETE"
        ]
    policy, at = spec.get("reinvocationPolicy"), _SPEC.child("reinvocationPolicy")
    if not policy:
        errors.append(field.required(at))
    elif policy not in _REINVOCATIONS:
        errors.append(field.not_supported(at, policy, _REINVOCATIONS))
    mutations, at = spec.get("mutations") or [], _SPEC.child("mutations")
    if not mutations:
        errors.append(field.required(at, "mutations must contain at least one item"))
    for number, mutation in enumerate(mutations):
        errors += _one_mutation_errors(mutation, number, compiled)
    return errors


def _one_mutation_errors(mutation: Obj, number: int, compiled: CompiledPolicy) -> list[FieldError]:
    path, kind = _SPEC.child("mutations").index(number), mutation.get("patchType") or ""
    if not kind:
        return [field.required(path.child("patchType"))]
    if kind not in MUTATIONS:
        return [field.not_supported(path.child("patchType"), kind, sorted(MUTATIONS))]
    errors: list[FieldError] = []
    for patch_type, (member, _) in MUTATIONS.items():
        given = mutation.get(member)
        if patch_type != kind and given is not None:
            text = f"must not be specified when patchType is {kind}"
            errors.append(field.invalid(path.child(member), given, text))
        elif patch_type == kind and given is None:
            text = f"must be specified when patchType is {kind}"
            errors.append(field.required(path.child(member), text))
        elif patch_type == kind and (expression := compiled.mutations[number]) is not None:
            errors += expression_errors(expression, path.child(member, "expression"), _NO_EXPRESSION)
    return errors
