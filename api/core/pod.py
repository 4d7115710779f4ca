"""Pods: defaults, validation, and what may change.

Spec: pkg/apis/core/v1 SetDefaults_Pod, pkg/apis/core/validation ValidatePodCreate, ValidatePodUpdate (1.36).
"""

from api import field
from api.core.pod_containers import whitespace_errors
from api.core.pod_defaults import default_pod
from api.core.pod_resize import refusal, resize_errors
from api.core.pod_spec import validate_spec
from api.core.pod_status import status_errors
from api.core.pod_update import validate_ephemeral_update, validate_spec_update
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

defaults = default_pod


def _pod_errors(new: Obj, old: Obj | None = None) -> list[FieldError]:
    """Check a pod. A spec that is as it was has been checked when it was written."""
    metadata, spec = new.get("metadata") or {}, new.get("spec") or {}
    same = old is not None and spec == (old.get("spec") or {})
    errors = [] if same else _spec_errors(spec, metadata.get("name", ""))
    if _DELETION_COST in (metadata.get("annotations") or {}):
        errors += _cost_errors(metadata["annotations"][_DELETION_COST])
    return errors


def _spec_errors(spec: Obj, name: str) -> list[FieldError]:
    errors = validate_spec(spec, _SPEC, name)
    for kind in ("containers", "initContainers"):
        for number, container in enumerate(spec.get(kind) or ()):
            image = container.get("image", "")
            if image != image.strip():
                errors += whitespace_errors(container, _SPEC.child(kind).index(number))
    if not spec.get("serviceAccountName"):
        errors += _token_errors(spec)
    return errors


def _cost_errors(text: str) -> list[FieldError]:
    at = Path("metadata").child("annotations").key(_DELETION_COST)
    plain = text.removeprefix("-")
    if plain.isascii() and plain.isdigit() and str(int(plain)) == plain and abs(int(plain)) < 1 << 31:
        return []
    return [field.invalid(at, text, "must be a 32bit integer")]


def _token_errors(spec: Obj) -> list[FieldError]:
    text = "must not be specified when serviceAccountName is not set"
    return [
        field.forbidden(
            _SPEC.child("volumes")
            .index(number)
            .child("projected")
            .child("sources")
            .index(place)
            .child("serviceAccountToken"),
            text,
        )
        for number, volume in enumerate(spec.get("volumes") or ())
        for place, source in enumerate((volume.get("projected") or {}).get("sources") or ())
        if "serviceAccountToken" in source
    ]


def validate(obj: Obj) -> list[FieldError]:
    """Check a new pod."""
    errors = validate_metadata(obj, namespaced=True) + _pod_errors(obj)
    spec = obj.get("spec") or {}
    if spec.get("ephemeralContainers"):
        text = "cannot be set on create"
        errors.append(field.forbidden(_SPEC.child("ephemeralContainers"), text))
    if spec.get("schedulingGates") and spec.get("nodeName"):
        text = "cannot be set until all schedulingGates have been cleared"
        errors.append(field.forbidden(_SPEC.child("nodeName"), text))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check an ordinary update: images, deadlines, tolerations and gates only."""
    errors = validate_metadata_update(new, old) + _pod_errors(new, old)
    return errors + validate_spec_update(new.get("spec") or {}, old.get("spec") or {}, _SPEC)


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    return validate_metadata_update(new, old) + status_errors(new, old)


def validate_ephemeralcontainers_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `ephemeralcontainers`."""
    errors = validate_metadata_update(new, old) + _pod_errors(new, old)
    return errors + validate_ephemeral_update(new, old, _SPEC)


def validate_resize_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `resize`."""
    if refused := refusal(old, new):
        return refused
    errors = validate_metadata_update(new, old) + _pod_errors(new, old)
    return errors + resize_errors(new, old, _SPEC)
