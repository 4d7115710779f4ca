"""PersistentVolumeClaims. Spec: SetDefaults_PersistentVolumeClaim, ValidatePersistentVolumeClaim (1.36)."""

from api import field, names
from api.codec.shapes import equal
from api.core.claim_spec import claim_errors
from api.core.pod_resources import exceeds
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.quantity import parse_quantity
from api.resource import Obj

_SPEC, _STATUS = Path("spec"), Path("status")
_UPDATABLE = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
    "claims"
)
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_RESIZING = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress",
    "NodeResizeInfeasible", "NodeResizePending",
)  # fmt: skip


def _data_source(spec: Obj) -> Obj:
    """The older and the newer name of the source of data say the same."""
    if "dataSource" in spec and "dataSourceRef" not in spec:
        return {"dataSourceRef": spec["dataSource"]}
    if "dataSourceRef" in spec and "dataSource" not in spec and not spec["dataSourceRef"].get("namespace"):
        return {"dataSource": spec["dataSourceRef"]}
    return {}


default_spec = defaulting(absent={"volumeMode": "Filesystem"}, rule=_data_source)
defaults = defaulting(nested={"spec": struct(default_spec), "status": defaulting(empty={"phase": "Pending"})})


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + claim_errors(obj.get("spec") or {}, _SPEC)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    now, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + claim_errors(now, _SPEC, _has_group(before))
    errors += _class_annotation_errors(new, old)
    bound = (new.get("status") or {}).get("phase") == "Bound"
    if not equal(_fixed(now, before, bound), before):
        errors.append(field.forbidden(_SPEC, _UPDATABLE))
    errors += _size_errors(_storage(now), _storage(before), old)
    if now.get("volumeMode") != before.get("volumeMode"):
        errors.append(field.invalid(Path("volumeMode"), now.get("volumeMode"), IMMUTABLE))
    return errors + _attributes_errors(now.get("volumeAttributesClassName"), before)


def _has_group(spec: Obj) -> bool:
    return any("apiGroup" in (spec.get(name) or {}) for name in ("dataSource", "dataSourceRef"))


def _class_annotation_errors(new: Obj, old: Obj) -> list[FieldError]:
    """The annotation that named the class before there was a field stays as it is."""
    now, before = (
        ((obj.get("metadata") or {}).get("annotations") or {}).get(_CLASS_ANNOTATION, "")
        for obj in (new, old)
    )
    if now == before or (not now and (new.get("spec") or {}).get("storageClassName") == before):
        return []
    return [field.invalid(Path("metadata").child("annotations").key(_CLASS_ANNOTATION), now, IMMUTABLE)]


def _fixed(spec: Obj, before: Obj, bound: bool) -> Obj:
    """Return the spec with what may change as it was: the binder names the volume once, a bound claim may
    grow and change its attributes, a class may be named where none was.
    """
    kept = {**spec}
    if not before.get("volumeName"):
        _restore(kept, before, "volumeName")
    if before.get("storageClassName") is None and spec.get("storageClassName") is not None:
        kept.pop("storageClassName")
    if bound and spec.get("volumeAttributesClassName") is not None:
        _restore(kept, before, "volumeAttributesClassName")
    resources = spec.get("resources") or {}
    if bound and resources.get("requests"):
        requests = {**resources["requests"], "storage": _storage(before)}
        kept["resources"] = {**resources, "requests": requests}
    return kept


def _restore(spec: Obj, before: Obj, name: str) -> None:
    if name in before:
        spec[name] = before[name]
    else:
        spec.pop(name, None)


def _storage(spec: Obj) -> str:
    return str(((spec.get("resources") or {}).get("requests") or {}).get("storage", "0"))


def _size_errors(now: str, before: str, old: Obj) -> list[FieldError]:
    """A claim may shrink only while growing it failed, and never to what the volume has already."""
    capacity = ((old.get("status") or {}).get("capacity") or {}).get("storage", "0")
    if not exceeds(before, now) or exceeds(now, capacity):
        return []
    at = _SPEC.child("resources").child("requests").child("storage")
    return [field.forbidden(at, "field can not be less than status.capacity")]


def _attributes_errors(now: str | None, before: Obj) -> list[FieldError]:
    if before.get("volumeAttributesClassName") is None or now:
        return []
    what = "nil" if now is None else "an empty string"
    at = _SPEC.child("volumeAttributesClassName")
    return [field.forbidden(at, f"update from non-nil value to {what} is forbidden")]


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    status = new.get("status") or {}
    errors = validate_metadata_update(new, old)
    if not (new.get("spec") or {}).get("accessModes"):
        errors.append(field.required(Path("Spec").child("accessModes")))
    for name, quantity in (status.get("capacity") or {}).items():
        errors += _amount_errors(quantity, _STATUS.child("capacity").key(name))
    at = _STATUS.child("allocatedResourceStatus")
    for name, state in (status.get("allocatedResourceStatuses") or {}).items():
        errors += _key_errors(name, at)
        if state not in _RESIZING:
            errors.append(field.not_supported(at, name, _RESIZING))
    at = _STATUS.child("allocatedResources")
    for name, quantity in (status.get("allocatedResources") or {}).items():
        errors += _key_errors(name, at) or _amount_errors(quantity, at.key(name))
    return errors


def _amount_errors(quantity: str, path: Path) -> list[FieldError]:
    amount = parse_quantity(quantity)
    if amount.nano >= 0:
        return []
    return [field.invalid(path, amount.nano // 10**9, "must be a valid resource quantity")]


def _key_errors(name: str, path: Path) -> list[FieldError]:
    """Check the name of what a claim has been given: storage, or something with a domain of its own."""
    if found := names.is_qualified_name(name):
        return [field.invalid(path, name, text) for text in found]
    native = "/" not in name or "kubernetes.io/" in name
    return [field.not_supported(path, name, ("storage",))] if native and name != "storage" else []
