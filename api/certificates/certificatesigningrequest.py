"""CertificateSigningRequests: what was asked for never changes.

Spec: pkg/apis/certificates/v1/defaults.go, validation (1.36).
"""

from api import field, names
from api.codec.shapes import equal
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_MIN_SECONDS = 600

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=False, rule=names.is_path_segment)
    if not spec.get("request"):
        errors.append(field.required(_SPEC.child("request")))
    if not spec.get("usages"):
        errors.append(field.required(_SPEC.child("usages")))
    signer, at = spec.get("signerName", ""), _SPEC.child("signerName")
    if not signer:
        errors.append(field.required(at))
    elif signer.count("/") != 1:
        errors.append(
            field.invalid(
                at, signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'"
            )
        )
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _MIN_SECONDS:
        text = f"may not specify a duration less than {_MIN_SECONDS} seconds (10 minutes)"
        errors.append(field.invalid(_SPEC.child("expirationSeconds"), seconds, text))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    if not equal(new.get("spec"), old.get("spec")):
        errors.append(field.invalid(_SPEC, new.get("spec"), IMMUTABLE))
    return errors


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to `status` or `approval`: a request is not both approved and denied."""
    errors = validate_metadata_update(new, old)
    kinds = [condition.get("type") for condition in (new.get("status") or {}).get("conditions") or ()]
    at = Path("status").child("conditions")
    if "Approved" in kinds and "Denied" in kinds:
        errors.append(field.invalid(at, "Approved", "Approved and Denied conditions are mutually exclusive"))
    return errors
