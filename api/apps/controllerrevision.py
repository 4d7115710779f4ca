"""ControllerRevisions. Spec: pkg/apis/apps/validation ValidateControllerRevision (1.36)."""

from api import field
from api.apps.template import non_negative
from api.codec.shapes import equal
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True)
    if obj.get("data") is None:
        errors.append(field.required(Path("data"), "data is mandatory"))
    return errors + non_negative(obj, "revision", Path())


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old) + validate(new)
    if not equal(new.get("data"), old.get("data")):
        errors.append(field.invalid(Path("data"), new.get("data"), IMMUTABLE))
    return errors
