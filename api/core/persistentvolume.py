"""PersistentVolumes. Spec: pkg/apis/core/v1 SetDefaults_PersistentVolume, ValidatePersistentVolume (1.36)."""

from api import field
from api.codec.shapes import equal
from api.core.pod_affinity import node_selector_errors
from api.core.pod_defaults import NETWORK_SOURCES
from api.core.pod_resources import list_errors
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_POLICIES = ("Delete", "Recycle", "Retain")
VOLUME_MODES = ("Block", "Filesystem")
_NOT_SOURCES = frozenset({
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
    "storageClassName", "volumeAttributesClassName", "volumeMode",
})  # fmt: skip

defaults = defaulting(
    nested={
        "spec": struct(
            defaulting(
                absent={"volumeMode": "Filesystem"},
                empty={"persistentVolumeReclaimPolicy": "Retain"},
                nested=NETWORK_SOURCES,
            )
        ),
        "status": defaulting(empty={"phase": "Pending"}),
    }
)


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=False)
    errors += access_mode_errors(spec, _SPEC)
    capacity = spec.get("capacity") or {}
    if not capacity:
        errors.append(field.required(_SPEC.child("capacity")))
    elif set(capacity) != {"storage"}:
        errors.append(field.not_supported(_SPEC.child("capacity"), sorted(capacity), ("storage",)))
    errors += list_errors(capacity, _SPEC.child("capacity"))
    policy, mode = spec.get("persistentVolumeReclaimPolicy", ""), spec.get("volumeMode")
    if policy and policy not in _POLICIES:
        errors.append(field.not_supported(_SPEC.child("persistentVolumeReclaimPolicy"), policy, _POLICIES))
    if affinity := (spec.get("nodeAffinity") or {}).get("required"):
        errors += node_selector_errors(affinity, _SPEC.child("nodeAffinity").child("required"))
    sources = sorted(set(spec) - _NOT_SOURCES)
    if not sources:
        errors.append(field.required(_SPEC, "must specify a volume type"))
    errors += [
        field.forbidden(_SPEC.child(name), "may not specify more than 1 volume type") for name in sources[1:]
    ]
    if mode is not None and mode not in VOLUME_MODES:
        errors.append(field.not_supported(_SPEC.child("volumeMode"), mode, VOLUME_MODES))
    return errors


def access_mode_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check `accessModes`, which volumes and claims have."""
    modes, at = spec.get("accessModes") or [], path.child("accessModes")
    if not modes:
        return [field.required(at, "at least 1 access mode is required")]
    errors = [field.not_supported(at, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        text = "may not use ReadWriteOncePod with other access modes"
        errors.append(field.forbidden(at, text))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old) + validate(new)
    now, before = new.get("spec") or {}, old.get("spec") or {}
    for name in sorted(set(before) - _NOT_SOURCES):
        if not equal(now.get(name), before[name]):
            text = "spec.persistentvolumesource is immutable after creation"
            errors.append(field.forbidden(_SPEC.child("persistentvolumesource"), text))
    if now.get("volumeMode") != before.get("volumeMode"):
        errors.append(field.invalid(_SPEC.child("volumeMode"), now.get("volumeMode"), "field is immutable"))
    return errors
