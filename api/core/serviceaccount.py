"""ServiceAccounts. Spec: pkg/apis/core/validation ValidateServiceAccount (1.36)."""

from api.defaulting import unchanged
from api.field import FieldError
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)
