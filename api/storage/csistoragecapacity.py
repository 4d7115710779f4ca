"""CSIStorageCapacities. Spec: pkg/apis/storage/validation ValidateCSIStorageCapacity (1.36)."""

from api import field, names
from api.apps.template import NOT_NEGATIVE
from api.codec.shapes import equal
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_label_selector, validate_metadata, validate_metadata_update
from api.quantity import parse_quantity
from api.resource import Obj

_FIXED = ("nodeTopology", "storageClassName")

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True)
    errors += validate_label_selector(obj.get("nodeTopology"), Path("nodeTopology"))
    name, capacity = obj.get("storageClassName", ""), obj.get("capacity")
    errors += [
        field.invalid(Path("storageClassName"), name, text) for text in names.is_dns1123_subdomain(name)
    ]
    if capacity is not None and parse_quantity(capacity).nano < 0:
        errors.append(field.invalid(Path("capacity"), capacity, NOT_NEGATIVE))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    return errors + [
        field.invalid(Path(name), new.get(name), IMMUTABLE)
        for name in _FIXED
        if not equal(new.get(name), old.get(name))
    ]
