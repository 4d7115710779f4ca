"""CertificateSigningRequests: what was asked for never changes; decisions and certificates are final.

    main        changes metadata alone
    /approval   may add the conditions Approved and Denied, not both
    /status     may set the certificate, once, and other conditions
    nothing may remove Approved, Denied or Failed

Spec: pkg/apis/certificates/validation (1.36).
"""

from api import field
from api.certificates.pem import certificate_fault, request_fault
from api.certificates.signername import signer_name_errors
from api.codec.shapes import equal
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj

LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
_SPEC = Path("spec")
_CONDITIONS, _CERTIFICATE = Path("status").child("conditions"), Path("status").child("certificate")
_MIN_SECONDS = 600
_DECISIONS = ("Approved", "Denied")
_FINAL = (*_DECISIONS, "Failed")
_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system",
    "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc",
    "ocsp signing", "s/mime", "server auth", "signing", "timestamping",
)  # fmt: skip

defaults = unchanged


def _any_name(name: str) -> list[str]:
    return []


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False, rule=_any_name)
    return errors + _spec_errors(obj.get("spec") or {})


def _spec_errors(spec: Obj) -> list[FieldError]:
    request, usages = spec.get("request", ""), spec.get("usages") or []
    errors: list[FieldError] = []
    if fault := request_fault(request):
        errors.append(field.invalid(_SPEC.child("request"), request, fault))
    at = _SPEC.child("usages")
    if not usages:
        errors.append(field.required(at))
    for number, usage in enumerate(usages):
        if usage not in _USAGES:
            errors.append(field.not_supported(at.index(number), usage, _USAGES))
        if usage in usages[:number]:
            errors.append(field.duplicate(at.index(number), usage))
    signer, at = spec.get("signerName", ""), _SPEC.child("signerName")
    if signer == LEGACY_SIGNER:
        text = "the legacy signerName is not allowed via this API version"
        errors.append(field.invalid(at, signer, text))
    else:
        errors += signer_name_errors(signer, at)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _MIN_SECONDS:
        text = f"may not specify a duration less than {_MIN_SECONDS} seconds (10 minutes)"
        errors.append(field.invalid(_SPEC.child("expirationSeconds"), seconds, text))
    return errors


def _conditions(obj: Obj) -> list[Obj]:
    return (obj.get("status") or {}).get("conditions") or []


def _of_type(obj: Obj, kind: str) -> list[Obj]:
    return [condition for condition in _conditions(obj) if condition.get("type") == kind]


def _conditions_errors(new: Obj, old: Obj) -> list[FieldError]:
    """Check the conditions; what the old object had already may stay."""
    errors: list[FieldError] = []
    before = [condition.get("type", "") for condition in _conditions(old)]
    kinds: list[str] = []
    for number, condition in enumerate(_conditions(new)):
        at, kind = _CONDITIONS.index(number), condition.get("type", "")
        if not kind and "" not in before:
            errors.append(field.required(at.child("type")))
        errors += _status_errors(condition, kind, at.child("status"))
        other = {"Approved": "Denied", "Denied": "Approved"}.get(kind)
        if other in kinds and not set(_DECISIONS) <= set(before):
            text = "Approved and Denied conditions are mutually exclusive"
            errors.append(field.invalid(at.child("type"), kind, text))
        if kind in kinds and len(before) == len(set(before)):
            errors.append(field.duplicate(at.child("type"), kind))
        kinds.append(kind)
    return errors


def _status_errors(condition: Obj, kind: str, path: Path) -> list[FieldError]:
    status = condition.get("status", "")
    allowed = ("True",) if kind in _FINAL else ("False", "True", "Unknown")
    if status in allowed:
        return []
    return [field.not_supported(path, status, allowed) if status else field.required(path)]


def _changes_errors(new: Obj, old: Obj, may_decide: bool, may_issue: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    for kind in _FINAL:
        now, before = _of_type(new, kind), _of_type(old, kind)
        if len(now) < len(before):
            text = f'updates may not remove a condition of type "{kind}"'
            errors.append(field.forbidden(_CONDITIONS, text))
        if kind in _DECISIONS and len(now) > len(before) and not may_decide:
            errors.append(field.forbidden(_CONDITIONS, f'updates may not add a condition of type "{kind}"'))
    certificate, known = ((obj.get("status") or {}).get("certificate") or "" for obj in (new, old))
    if certificate == known:
        return errors
    if not may_issue:
        errors.append(field.forbidden(_CERTIFICATE, "updates may not set certificate content"))
    elif known:
        errors.append(field.forbidden(_CERTIFICATE, "updates may not modify existing certificate content"))
    if certificate and (fault := certificate_fault(certificate)):
        errors.append(field.invalid(_CERTIFICATE, "<certificate data>", fault))
    return errors


def _update_errors(new: Obj, old: Obj, may_decide: bool, may_issue: bool) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    if not equal(new.get("spec"), old.get("spec")):
        errors.append(field.invalid(_SPEC, new.get("spec"), IMMUTABLE))
    errors += _conditions_errors(new, old)
    return errors + _changes_errors(new, old, may_decide, may_issue)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return _update_errors(new, old, may_decide=False, may_issue=False)


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`: of the signer."""
    return _update_errors(new, old, may_decide=False, may_issue=True)


def validate_approval_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `approval`: of who decides."""
    return _update_errors(new, old, may_decide=True, may_issue=False)
