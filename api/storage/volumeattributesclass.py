"""VolumeAttributesClasses. Spec: pkg/apis/storage/validation ValidateVolumeAttributesClass (1.36)."""

from api import field
from api.codec.shapes import equal
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj
from api.storage.parameters import parameters_errors, provisioner_errors

_FIXED = ("driverName", "parameters")

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    errors += provisioner_errors(obj.get("driverName", ""), Path("driverName"))
    return errors + parameters_errors(obj.get("parameters"), Path("parameters"), needed=True)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    for name in _FIXED:
        if not equal(new.get(name), old.get(name)):
            errors.append(field.forbidden(Path(name), f"updates to {name} are forbidden."))
    return errors + validate(new)
