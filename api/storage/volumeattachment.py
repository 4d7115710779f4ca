"""VolumeAttachments. Spec: pkg/apis/storage/validation ValidateVolumeAttachment (1.36)."""

from api import field
from api.codec.shapes import equal
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=False)
    errors += [field.required(_SPEC.child(name)) for name in ("attacher", "nodeName") if not spec.get(name)]
    source, at = spec.get("source") or {}, _SPEC.child("source")
    given = [name for name in ("inlineVolumeSpec", "persistentVolumeName") if source.get(name) is not None]
    if not given:
        text = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        errors.append(field.required(at, text))
    elif len(given) > 1:
        errors.append(
            field.forbidden(at, "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
        )
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    if not equal(new.get("spec"), old.get("spec")):
        errors.append(field.invalid(_SPEC, new.get("spec"), IMMUTABLE))
    return errors
