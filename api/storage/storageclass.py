"""StorageClasses. Spec: pkg/apis/storage/v1/defaults.go, validation ValidateStorageClass (1.36)."""

from api import field, names
from api.codec.shapes import equal
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_POLICIES = ("Delete", "Retain")
_MODES = ("Immediate", "WaitForFirstConsumer")
_FIXED = {
    "parameters": "updates to parameters are forbidden.",
    "provisioner": "updates to provisioner are forbidden.",
    "reclaimPolicy": "updates to reclaimPolicy are forbidden.",
}

defaults = defaulting(absent={"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    provisioner = obj.get("provisioner", "")
    if not provisioner:
        errors.append(field.required(Path("provisioner")))
    else:
        found = names.is_qualified_name(provisioner.lower())
        errors += [field.invalid(Path("provisioner"), provisioner, text) for text in found]
    for name, allowed in (("reclaimPolicy", _POLICIES), ("volumeBindingMode", _MODES)):
        value = obj.get(name)
        if value is not None and value not in allowed:
            errors.append(field.not_supported(Path(name), value, allowed))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    for name, text in _FIXED.items():
        if not equal(new.get(name), old.get(name)):
            errors.append(field.forbidden(Path(name), text))
    if new.get("volumeBindingMode") != old.get("volumeBindingMode"):
        at = Path("volumeBindingMode")
        errors.append(field.invalid(at, new.get("volumeBindingMode"), "field is immutable"))
    return errors
