"""Bindings of admission policies: where a policy holds, with which parameters, and what follows.

Spec: pkg/apis/admissionregistration/v1/defaults.go, validation (1.36).
"""

from api import field, names
from api.admissionregistration.constraints import match_errors, param_ref_errors
from api.admissionregistration.policies import match_defaults
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_ACTIONS = ("Audit", "Deny", "Warn")

defaults = defaulting(nested={"spec": defaulting(nested={"matchResources": match_defaults})})


def validate(obj: Obj) -> list[FieldError]:
    """Check a binding of either kind."""
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=False)
    name, at = spec.get("policyName") or "", _SPEC.child("policyName")
    if not name:
        errors.append(field.required(at))
    else:
        errors += [field.invalid(at, name, text) for text in names.is_dns1123_subdomain(name)]
    errors += param_ref_errors(spec.get("paramRef"), _SPEC.child("paramRef"))
    errors += match_errors(spec.get("matchResources"), _SPEC.child("matchResources"))
    if obj.get("kind") == "ValidatingAdmissionPolicyBinding":
        errors += _action_errors(spec.get("validationActions") or [])
    return errors


def _action_errors(actions: list[str]) -> list[FieldError]:
    at = _SPEC.child("validationActions")
    errors: list[FieldError] = []
    for number, action in enumerate(actions):
        if action not in _ACTIONS:
            errors.append(field.not_supported(at.index(number), action, _ACTIONS))
        if action in actions[:number]:
            errors.append(field.duplicate(at.index(number), action))
    if {"Deny", "Warn"} <= set(actions):
        text = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the "
            "API response and headers serves no purpose)"
        )
        errors.append(field.invalid(at, actions, text))
    if not actions:
        errors.append(field.required(at, "at least one validation action is required"))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)
