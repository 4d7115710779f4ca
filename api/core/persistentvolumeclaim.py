"""PersistentVolumeClaims. Spec: SetDefaults_PersistentVolumeClaim, ValidatePersistentVolumeClaim (1.36)."""

from api import field
from api.codec.shapes import equal
from api.core.persistentvolume import VOLUME_MODES, access_mode_errors
from api.core.pod_resources import exceeds, list_errors
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import validate_label_selector, validate_metadata, validate_metadata_update
from api.quantity import parse_quantity
from api.resource import Obj

_SPEC = Path("spec")
_UPDATABLE = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
    "claims"
)


def _data_source(spec: Obj) -> Obj:
    """The older and the newer name of the source of data say the same."""
    if "dataSource" in spec and "dataSourceRef" not in spec:
        return {"dataSourceRef": spec["dataSource"]}
    if "dataSourceRef" in spec and "dataSource" not in spec and not spec["dataSourceRef"].get("namespace"):
        return {"dataSource": spec["dataSourceRef"]}
    return {}


default_spec = defaulting(absent={"volumeMode": "Filesystem"}, rule=_data_source)
defaults = defaulting(nested={"spec": struct(default_spec), "status": defaulting(empty={"phase": "Pending"})})


def spec_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check the spec of a claim, of a StatefulSet's claim template and of an ephemeral volume."""
    errors = access_mode_errors(spec, path)
    errors += validate_label_selector(spec.get("selector"), path.child("selector"))
    requests = (spec.get("resources") or {}).get("requests") or {}
    at = path.child("resources").child("requests")
    errors += list_errors(requests, at)
    storage = requests.get("storage")
    if storage is None:
        errors.append(field.required(path.child("resources").key("storage")))
    elif parse_quantity(storage).nano == 0:
        errors.append(field.invalid(at.key("storage"), storage, "must be greater than zero"))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        errors.append(field.not_supported(path.child("volumeMode"), mode, VOLUME_MODES))
    return errors


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + spec_errors(obj.get("spec") or {}, _SPEC)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    now, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + spec_errors(now, _SPEC)
    bound = (old.get("status") or {}).get("phase") == "Bound"
    if not equal(_fixed(now, before, bound), _fixed(before, before, bound)):
        errors.append(field.forbidden(_SPEC, _UPDATABLE))
    had = ((before.get("resources") or {}).get("requests") or {}).get("storage")
    has = ((now.get("resources") or {}).get("requests") or {}).get("storage")
    if bound and had is not None and has is not None and exceeds(had, has):
        at = _SPEC.child("resources").child("requests").child("storage")
        errors.append(field.forbidden(at, "field can not be less than status.capacity"))
    return errors


def _fixed(spec: Obj, before: Obj, bound: bool) -> Obj:
    """Return what may not change: the binder sets the volume's name once, a bound claim may grow."""
    kept = {**spec}
    if not before.get("volumeName"):
        kept.pop("volumeName", None)
    if bound:
        kept.pop("resources", None)
        kept.pop("volumeAttributesClassName", None)
    if before.get("storageClassName") is None:
        kept.pop("storageClassName", None)
    return kept
