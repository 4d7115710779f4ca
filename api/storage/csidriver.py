"""CSIDrivers. Spec: pkg/apis/storage/v1/defaults.go, validation ValidateCSIDriver (1.36)."""

from api import field
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_NAME_MAX = 63
_MODES = ("Ephemeral", "Persistent")
_FIXED = ("attachRequired", "fsGroupPolicy", "volumeLifecycleModes")

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
    errors = validate_metadata(obj, namespaced=False)
    name = (obj.get("metadata") or {}).get("name", "")
    if len(name) > _NAME_MAX:
        errors.append(field.too_long(Path("metadata").child("name"), _NAME_MAX))
    for mode in (obj.get("spec") or {}).get("volumeLifecycleModes") or ():
        if mode not in _MODES:
            errors.append(field.not_supported(_SPEC.child("volumeLifecycleModes"), mode, _MODES))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    for name in _FIXED:
        errors += immutable(new.get("spec") or {}, old.get("spec") or {}, name, _SPEC)
    return errors
