"""VolumeAttributesClasses. Spec: pkg/apis/storage/validation ValidateVolumeAttributesClass (1.36)."""

from api import field
from api.codec.shapes import equal
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_FIXED = ("driverName", "parameters")

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    if not obj.get("driverName"):
        errors.append(field.required(Path("driverName")))
    if not obj.get("parameters"):
        errors.append(field.required(Path("parameters"), "must contain at least one key/value pair"))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    return errors + [
        field.invalid(Path(name), new.get(name), "field is immutable")
        for name in _FIXED
        if not equal(new.get(name), old.get(name))
    ]
