"""Validating and mutating admission policies and their bindings; their expressions are compiled elsewhere.

Spec: pkg/apis/admissionregistration/v1/defaults.go, validation (1.36).
"""

from api import field
from api.admissionregistration.rules import rule_errors
from api.defaulting import defaulting, each, struct
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_ACTIONS = ("Audit", "Deny", "Warn")
_PATCHES = ("ApplyConfiguration", "JSONPatch")

_rules = each(defaulting(absent={"scope": "*"}))
_matches = defaulting(
    absent={"namespaceSelector": {}, "objectSelector": {}, "matchPolicy": "Equivalent"},
    nested={"resourceRules": _rules, "excludeResourceRules": _rules},
)
defaults = defaulting(
    nested={
        "spec": struct(defaulting(absent={"failurePolicy": "Fail"}, nested={"matchConstraints": _matches}))
    }
)
binding_defaults = defaulting(nested={"spec": defaulting(nested={"matchResources": _matches})})


def validate(obj: Obj) -> list[FieldError]:
    """Check a policy of either kind."""
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=False)
    constraints = spec.get("matchConstraints")
    at = _SPEC.child("matchConstraints")
    if constraints is None:
        errors.append(field.required(at))
    elif not constraints.get("resourceRules"):
        errors.append(field.required(at.child("resourceRules")))
    for number, rule in enumerate((constraints or {}).get("resourceRules") or ()):
        errors += rule_errors(rule, at.child("resourceRules").index(number))
    return errors + (_mutations(spec) if obj.get("kind") == "MutatingAdmissionPolicy" else _validations(spec))


def _validations(spec: Obj) -> list[FieldError]:
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        text = "validations or auditAnnotations must contain at least one item"
        return [field.required(_SPEC.child("validations"), text)]
    return [
        field.required(
            _SPEC.child("validations").index(number).child("expression"), "expression is not specified"
        )
        for number, each_one in enumerate(spec.get("validations") or ())
        if not (each_one.get("expression") or "").strip()
    ]


def _mutations(spec: Obj) -> list[FieldError]:
    mutations, at = spec.get("mutations") or [], _SPEC.child("mutations")
    if not mutations:
        return [field.required(at, "mutations must contain at least one item")]
    return [
        field.not_supported(at.index(number).child("patchType"), mutation.get("patchType", ""), _PATCHES)
        for number, mutation in enumerate(mutations)
        if mutation.get("patchType") not in _PATCHES
    ]


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)


def validate_binding(obj: Obj) -> list[FieldError]:
    """Check a binding of either kind."""
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=False)
    if not spec.get("policyName"):
        errors.append(field.required(_SPEC.child("policyName")))
    actions, at = spec.get("validationActions"), _SPEC.child("validationActions")
    if obj.get("kind") == "ValidatingAdmissionPolicyBinding" and not actions:
        errors.append(field.required(at))
    for number, action in enumerate(actions or ()):
        if action not in _ACTIONS:
            errors.append(field.not_supported(at.index(number), action, _ACTIONS))
    if {"Deny", "Warn"} <= set(actions or ()):
        text = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the "
            "API response and headers serves no purpose)"
        )
        errors.append(field.invalid(at, actions, text))
    return errors


def validate_binding_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate_binding(new)
