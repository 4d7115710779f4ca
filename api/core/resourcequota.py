"""ResourceQuotas. Spec: pkg/apis/core/validation ValidateResourceQuota (1.36)."""

from api import field
from api.codec.shapes import equal
from api.core.pod_resources import list_errors
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC, _STATUS = Path("spec"), Path("status")
_SCOPES = frozenset({
    "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "VolumeAttributesClass",
    "CrossNamespacePodAffinity",
})  # fmt: skip
_STANDARD = frozenset({
    "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage",
    "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods",
    "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
})  # fmt: skip
_OPPOSITES = ({"Terminating", "NotTerminating"}, {"BestEffort", "NotBestEffort"})
_NOT_QUALIFIED = "must be a standard resource type or fully qualified"

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    errors = validate_metadata(obj, namespaced=True)
    errors += _hard_errors(spec.get("hard") or {}, _SPEC.child("hard"))
    errors += _scope_errors(spec.get("scopes") or [])
    for name in ("hard", "used"):
        errors += list_errors(status.get(name) or {}, _STATUS.child(name))
    return errors


def _hard_errors(hard: Obj, path: Path) -> list[FieldError]:
    errors = list_errors(hard, path)
    for name in hard:
        if (
            "/" not in name
            and name not in _STANDARD
            and not name.startswith(("hugepages-", "requests.hugepages-"))
        ):
            errors.append(field.invalid(path.key(name), name, _NOT_QUALIFIED))
            errors.append(field.invalid(path.key(name), name, "must be a standard resource for quota"))
    return errors


def _scope_errors(scopes: list[str]) -> list[FieldError]:
    at = _SPEC.child("scopes")
    errors = [field.invalid(at, scopes, "unsupported scope") for scope in scopes if scope not in _SCOPES]
    if any(pair <= set(scopes) for pair in _OPPOSITES):
        errors.append(field.invalid(at, scopes, "conflicting scopes"))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old) + validate(new)
    now, before = (new.get("spec") or {}).get("scopes") or [], (old.get("spec") or {}).get("scopes") or []
    if not equal(sorted(now), sorted(before)):
        errors.append(field.invalid(_SPEC.child("scopes"), now, IMMUTABLE))
    return errors
