"""VolumeAttachments. Spec: pkg/apis/storage/validation ValidateVolumeAttachment (1.36)."""

from api import field, names
from api.codec.shapes import equal
from api.core.claim_spec import access_mode_errors
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj
from api.storage.drivers import driver_errors

METADATA_MAX_BYTES = 256 * 1024
MESSAGE_MAX = 1024
_INT32_MAX = (1 << 31) - 1
_SPEC, _STATUS = Path("spec"), Path("status")
_ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
_NOT_INLINE = ("claimRef", "capacity", "persistentVolumeReclaimPolicy", "storageClassName", "nodeAffinity")

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=False)
    errors += driver_errors(spec.get("attacher", ""), _SPEC.child("attacher"))
    errors += _source_errors(spec.get("source") or {}, _SPEC.child("source"))
    node, at = spec.get("nodeName", ""), _SPEC.child("nodeName")
    errors += [field.invalid(at, node, text) for text in names.is_dns1123_subdomain(node)]
    return errors + _status_errors(obj.get("status") or {})


def _source_errors(source: Obj, path: Path) -> list[FieldError]:
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if name is None and inline is None:
        return [field.required(path, _ONE_SOURCE)]
    if name is not None and inline is not None:
        return [field.forbidden(path, _ONE_SOURCE)]
    if inline is not None:
        return _inline_errors(inline, path.child("inlineVolumeSpec"))
    at = path.child("persistentVolumeName")
    if not name:
        return [field.required(at, "must specify non empty persistentVolumeName")]
    return [field.invalid(at, name, text) for text in names.is_dns1123_subdomain(name)]


def _inline_errors(spec: Obj, path: Path) -> list[FieldError]:
    text = "may not be specified in the context of inline volumes"
    errors = [field.forbidden(path.child(name), text) for name in _NOT_INLINE if spec.get(name)]
    if spec.get("csi") is None:
        errors.append(
            field.required(path.child("csi"), "has to be specified in the context of inline volumes")
        )
    if not spec.get("accessModes"):
        errors.append(field.required(path.child("accessModes")))
    return errors + access_mode_errors(spec, path)


def _status_errors(status: Obj) -> list[FieldError]:
    metadata = status.get("attachmentMetadata") or {}
    errors: list[FieldError] = []
    if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > METADATA_MAX_BYTES:
        errors.append(field.too_long(_STATUS.child("attachmentMetadata"), METADATA_MAX_BYTES))
    for name in ("attachError", "detachError"):
        errors += _error_errors(status.get(name) or {}, _STATUS.child(name))
    return errors


def _error_errors(error: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if len(error.get("message", "").encode()) > MESSAGE_MAX:
        # Upstream names the other limit.
        errors.append(field.too_long(path.child("message"), METADATA_MAX_BYTES))
    code = error.get("errorCode", 0)
    if code < 0:
        errors.append(field.invalid(path.child("errorCode"), code, names.range_message(0, _INT32_MAX)))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    if not equal(new.get("spec"), old.get("spec")):
        errors.append(field.invalid(_SPEC, new.get("spec"), IMMUTABLE))
    return errors


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    return validate_metadata_update(new, old) + _status_errors(new.get("status") or {})
