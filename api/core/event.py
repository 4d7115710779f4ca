"""Events, of the core group and of events.k8s.io, where the rules are strict.

Complaints name the fields as upstream's internal form has them, whatever the client calls them.
Spec: pkg/apis/core/validation/events.go (1.36).
"""

from typing import Any

from api import field, names
from api.codec.shapes import equal
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj

_LIMITS = (("reportingInstance", 128), ("action", 128), ("reason", 128))
_NOTE_MAX = 1024
_TYPES = ("Normal", "Warning")
_INVOLVED = Path("involvedObject").child("namespace")
_MISMATCH = "does not match event.namespace"
# What is called otherwise in events.k8s.io/v1, and in v1.
_NEW_NAMES = {
    "involvedObject": "regarding", "message": "note", "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp", "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}  # fmt: skip
_CORE_NAMES = {"reportingController": "reportingComponent"}
# Left from the time of the core group: who speaks the new one does not say these.
_OLD = ("firstTimestamp", "lastTimestamp", "count", "source")
# What an event says is said once; a client may count further and say when it was seen again.
_FIXED = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type",
    "eventTime", "action", "related", "reportingController", "reportingInstance",
)  # fmt: skip

defaults = unchanged


def _is_new(obj: Obj) -> bool:
    return str(obj.get("apiVersion", "")).startswith("events.k8s.io/")


def _get(obj: Obj, name: str) -> Any:
    """Return a field by its internal name."""
    return obj.get((_NEW_NAMES if _is_new(obj) else _CORE_NAMES).get(name, name))


def validate(obj: Obj) -> list[FieldError]:
    new = _is_new(obj)
    rule = names.is_dns1123_subdomain if new else names.is_path_segment
    errors = _legacy_errors(obj) + validate_metadata(obj, namespaced=True, rule=rule)
    if not new:
        return errors
    errors += _series_errors(obj.get("series"))
    if not obj.get("eventTime"):
        errors.append(field.required(Path("eventTime")))
    if obj.get("type", "") not in _TYPES:
        errors.append(field.invalid(Path("type"), "", f"has invalid value: {obj.get('type', '')}"))
    return errors + [
        field.invalid(Path(name), "", "needs to be unset") for name in _OLD if _is_said(_get(obj, name))
    ]


def _is_said(value: Any) -> bool:
    return any(value.values()) if isinstance(value, dict) else bool(value)


def _legacy_errors(obj: Obj) -> list[FieldError]:
    """Check what every event has to be; one with `eventTime` is of the newer sort."""
    namespace = (obj.get("metadata") or {}).get("namespace", "")
    where = (_get(obj, "involvedObject") or {}).get("namespace") or ""
    if not obj.get("eventTime"):
        fits = namespace == where if where else namespace in ("", "default")
        return [] if fits else [field.invalid(_INVOLVED, where, _MISMATCH)]
    errors: list[FieldError] = []
    if not where and namespace not in ("default", "kube-system"):
        errors.append(field.invalid(_INVOLVED, where, _MISMATCH))
    controller, path = _get(obj, "reportingController") or "", Path("reportingController")
    if not controller:
        errors.append(field.required(path))
    errors += [field.invalid(path, controller, text) for text in names.is_qualified_name(controller)]
    for name, limit in _LIMITS:
        text = obj.get(name, "")
        if not text:
            errors.append(field.required(Path(name)))
        errors += _length_errors(name, text, limit)
    return errors + _length_errors("message", _get(obj, "message") or "", _NOTE_MAX)


def _length_errors(name: str, text: str, limit: int) -> list[FieldError]:
    if len(text.encode()) <= limit:
        return []
    return [field.invalid(Path(name), "", f"can have at most {limit} characters")]


def _series_errors(series: Obj | None) -> list[FieldError]:
    if series is None:
        return []
    errors: list[FieldError] = []
    if series.get("count", 0) < 2:
        errors.append(field.invalid(Path("series.count"), "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        errors.append(field.required(Path("series.lastObservedTime")))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = _legacy_errors(new) + validate_metadata_update(new, old)
    if not _is_new(new):
        return errors
    if not equal(new.get("series"), old.get("series")):
        errors += _series_errors(new.get("series"))
    return errors + [
        field.invalid(Path(name), _get(new, name), IMMUTABLE)
        for name in _FIXED
        if not equal(_get(new, name) or None, _get(old, name) or None)
    ]
