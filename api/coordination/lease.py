"""Leases. Spec: pkg/apis/coordination/validation ValidateLease (1.36)."""

from api import field, names
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")

defaults = unchanged


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        errors.append(field.invalid(_SPEC.child("leaseDurationSeconds"), seconds, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        text = "must be greater than or equal to 0"
        errors.append(field.invalid(_SPEC.child("leaseTransitions"), transitions, text))
    strategy = spec.get("strategy")
    if strategy:
        errors += [field.invalid(_SPEC.child("strategy"), strategy, text)
                   for text in names.is_qualified_name(strategy)]  # fmt: skip
    if spec.get("preferredHolder") and not strategy:
        text = "must be empty when `strategy` is not specified"
        errors.append(field.forbidden(_SPEC.child("preferredHolder"), text))
    return errors


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + _spec_errors(new.get("spec") or {})
