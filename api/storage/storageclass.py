"""StorageClasses. Spec: pkg/apis/storage/v1/defaults.go, validation ValidateStorageClass (1.36)."""

from api import field, names
from api.codec.shapes import equal
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.resource import Obj
from api.storage.parameters import parameters_errors, provisioner_errors

_POLICIES = ("Delete", "Retain")
_MODES = ("Immediate", "WaitForFirstConsumer")
_FIXED = ("parameters", "provisioner", "reclaimPolicy")
_TOPOLOGIES = Path("allowedTopologies")

defaults = defaulting(absent={"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    errors += provisioner_errors(obj.get("provisioner", ""), Path("provisioner"))
    errors += parameters_errors(obj.get("parameters"), Path("parameters"), needed=False)
    policy, mode = obj.get("reclaimPolicy", ""), obj.get("volumeBindingMode")
    if policy and policy not in _POLICIES:
        errors.append(field.not_supported(Path("reclaimPolicy"), policy, _POLICIES))
    if mode is None:
        errors.append(field.required(Path("volumeBindingMode")))
    elif mode not in _MODES:
        errors.append(field.not_supported(Path("volumeBindingMode"), mode, _MODES))
    return errors + _topologies_errors(obj.get("allowedTopologies") or [])


def _topologies_errors(terms: list[Obj]) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: list[dict[str, set[str]]] = []
    for number, term in enumerate(terms):
        at = _TOPOLOGIES.index(number).child("matchLabelExpressions")
        found: dict[str, set[str]] = {}
        for place, wanted in enumerate(term.get("matchLabelExpressions") or ()):
            errors += _topology_errors(wanted, at.index(place))
            if wanted.get("key", "") in found:
                errors.append(field.duplicate(at.index(place).child("key"), wanted.get("key", "")))
            found[wanted.get("key", "")] = set(wanted.get("values") or ())
        if found in seen:
            errors.append(field.duplicate(at, ""))
        seen.append(found)
    return errors


def _topology_errors(wanted: Obj, path: Path) -> list[FieldError]:
    values, at, key = wanted.get("values") or [], path.child("values"), wanted.get("key", "")
    errors = [] if values else [field.required(at)]
    for number, value in enumerate(values):
        if value in values[:number]:
            errors.append(field.duplicate(at.index(number), value))
    return errors + [field.invalid(path.child("key"), key, text) for text in names.is_qualified_name(key)]


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    for name in _FIXED:
        if not equal(new.get(name), old.get(name)):
            errors.append(field.forbidden(Path(name), f"updates to {name} are forbidden."))
    return errors + immutable(new, old, "volumeBindingMode", Path())
