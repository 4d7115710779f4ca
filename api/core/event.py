"""Events, of the core group and of events.k8s.io. Spec: pkg/apis/core/validation/events.go (1.36)."""

from api import field, names
from api.codec.shapes import equal
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj

_REASON_MAX, _ACTION_MAX, _INSTANCE_MAX, _NOTE_MAX = 128, 128, 128, 1024
_TYPES = ("Normal", "Warning")
# What an event says is said once; a client may count further and say when it was seen again.
_FIXED = (
    "regarding", "reason", "related", "action", "eventTime", "reportingController", "reportingInstance",
    "type",
)  # fmt: skip

defaults = unchanged


def _is_new(obj: Obj) -> bool:
    return str(obj.get("apiVersion", "")).startswith("events.k8s.io/")


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True)
    target = obj.get("regarding" if _is_new(obj) else "involvedObject") or {}
    errors += _namespace_errors(obj, target)
    if obj.get("eventTime") and (_is_new(obj) or not obj.get("firstTimestamp")):
        errors += _new_event_errors(obj)
    return errors


def _namespace_errors(obj: Obj, target: Obj) -> list[FieldError]:
    namespace = (obj.get("metadata") or {}).get("namespace", "")
    path = Path("regarding" if _is_new(obj) else "involvedObject").child("namespace")
    where = target.get("namespace") or ""
    if where == namespace or (not where and namespace in ("default", "kube-system")):
        return []
    return [field.invalid(path, where, "does not match event.namespace")]


def _new_event_errors(obj: Obj) -> list[FieldError]:
    new = _is_new(obj)
    controller = obj.get("reportingController" if new else "reportingComponent", "")
    path = Path("reportingController" if new else "reportingComponent")
    errors: list[FieldError] = []
    if not controller:
        errors.append(field.required(path))
    else:
        errors += [field.invalid(path, controller, text) for text in names.is_qualified_name(controller)]
    for name, limit in (
        ("reportingInstance", _INSTANCE_MAX),
        ("action", _ACTION_MAX),
        ("reason", _REASON_MAX),
    ):
        text = obj.get(name, "")
        if not text:
            errors.append(field.required(Path(name)))
        elif len(text) > limit:
            errors.append(field.invalid(Path(name), "", f"can have at most {limit} characters"))
    if len(obj.get("note" if new else "message", "")) > _NOTE_MAX:
        errors.append(field.invalid(Path("message"), "", f"can have at most {_NOTE_MAX} characters"))
    if new and obj.get("type", "") not in _TYPES:
        errors.append(field.invalid(Path("type"), "", f"has invalid value: {obj.get('type', '')}"))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old) + validate(new)
    if not _is_new(new):
        return errors
    return errors + [
        field.invalid(Path(name), new.get(name), IMMUTABLE)
        for name in _FIXED
        if not equal(new.get(name), old.get(name))
    ]
