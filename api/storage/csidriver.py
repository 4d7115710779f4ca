"""CSIDrivers. Spec: pkg/apis/storage/v1/defaults.go, validation ValidateCSIDriver (1.36)."""

from api import field
from api.codec.shapes import equal
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_MODES = ("Persistent", "Ephemeral")
_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MIN_PERIOD_S = 10
_MIN_TOKEN_S, _MAX_TOKEN_S = 600, 1 << 32
# The path of the first is upstream's, misspelt as it is.
_FIXED = {"attachRequired": "attachedRequired", "volumeLifecycleModes": "volumeLifecycleModes"}

_spec = defaulting(
    absent={
        "attachRequired": True,
        "podInfoOnMount": False,
        "storageCapacity": False,
        "fsGroupPolicy": "ReadWriteOnceWithFSType",
        "requiresRepublish": False,
        "seLinuxMount": False,
    },
    empty={"volumeLifecycleModes": ["Persistent"]},
)
defaults = defaulting(nested={"spec": struct(_spec)})


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=False) + _spec_errors(obj.get("spec") or {})


def _spec_errors(spec: Obj) -> list[FieldError]:
    policy, modes = spec.get("fsGroupPolicy"), spec.get("volumeLifecycleModes") or ()
    errors: list[FieldError] = []
    if policy is not None and policy not in _GROUP_POLICIES:
        errors.append(field.not_supported(_SPEC.child("fsGroupPolicy"), policy, _GROUP_POLICIES))
    errors += _token_errors(spec.get("tokenRequests") or [])
    at = _SPEC.child("volumeLifecycleModes")
    errors += [field.not_supported(at, mode, _MODES) for mode in modes if mode not in _MODES]
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < _MIN_PERIOD_S:
        text = f"must be greater than or equal to {_MIN_PERIOD_S} seconds"
        errors.append(field.invalid(_SPEC.child("nodeAllocatableUpdatePeriodSeconds"), period, text))
    return errors


def _token_errors(requests: list[Obj]) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, request in enumerate(requests):
        at, audience = _SPEC.child("tokenRequests").index(number), request.get("audience", "")
        seconds = request.get("expirationSeconds")
        if audience in seen:
            errors.append(field.duplicate(at.child("audience"), audience))
            continue
        seen.add(audience)
        if seconds is not None and seconds < _MIN_TOKEN_S:
            text = "may not specify a duration less than 10 minutes"
            errors.append(field.invalid(at.child("expirationSeconds"), seconds, text))
        if seconds is not None and seconds > _MAX_TOKEN_S:
            text = "may not specify a duration larger than 2^32 seconds"
            errors.append(field.invalid(at.child("expirationSeconds"), seconds, text))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    now, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + _spec_errors(now)
    return errors + [
        field.invalid(_SPEC.child(path), now.get(name), IMMUTABLE)
        for name, path in _FIXED.items()
        if not equal(now.get(name), before.get(name))
    ]
