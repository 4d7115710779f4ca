"""ResourceQuotas. Spec: pkg/apis/core/validation ValidateResourceQuota (1.36)."""

from collections.abc import Iterable

from api import field
from api.core.pod_resources import quantity_errors, standard_name_errors
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC, _STATUS = Path("spec"), Path("status")
_POD_SCOPES = frozenset(
    {"Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity"}
)
_SCOPES = _POD_SCOPES | {"BestEffort", "VolumeAttributesClass"}
_STANDARD = frozenset({
    "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage",
    "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods",
    "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
})  # fmt: skip
_HUGE = ("hugepages-", "requests.hugepages-")
_COMPUTE = frozenset(
    {"pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
)
# What a scope can narrow; those not listed narrow anything.
_NARROWED = {
    **dict.fromkeys(_POD_SCOPES, _COMPUTE),
    "BestEffort": frozenset({"pods"}),
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
_OPPOSITES = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_ONLY_EXISTS = frozenset(
    {"BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity"}
)
_MUST_EXIST = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
    "ResourceQuotaScopeCrossNamespacePodAffinity"
)
_UNFIT = "unsupported scope applied to resource"

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True) + _spec_errors(obj.get("spec") or {})
    return errors + _status_errors(obj.get("status") or {})


def _spec_errors(spec: Obj) -> list[FieldError]:
    hard = spec.get("hard") or {}
    errors = _amounts_errors(hard, _SPEC.child("hard")) + _scope_errors(spec.get("scopes") or [], hard)
    selector = spec.get("scopeSelector")
    return errors if selector is None else errors + _selector_errors(selector, spec, hard)


def _status_errors(status: Obj) -> list[FieldError]:
    lists = [(status.get(name) or {}, _STATUS.child(name)) for name in ("hard", "used")]
    return [error for amounts, path in lists for error in _amounts_errors(amounts, path)]


def _amounts_errors(amounts: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, quantity in amounts.items():
        at = path.key(name)
        errors += standard_name_errors(name, at)
        if "/" not in name and not _is_standard(name):
            errors.append(field.invalid(at, name, "must be a standard resource for quota"))
        errors += quantity_errors(name, quantity, at)
    return errors


def _is_standard(name: str) -> bool:
    return name in _STANDARD or name.startswith(_HUGE)


def _fits(scope: str, name: str) -> bool:
    return not _is_standard(name) or scope not in _NARROWED or name in _NARROWED[scope]


def _scope_errors(scopes: list[str], hard: Iterable[str]) -> list[FieldError]:
    at = _SPEC.child("scopes")
    errors: list[FieldError] = []
    for scope in scopes:
        if scope not in _SCOPES:
            errors.append(field.invalid(at, scopes, "unsupported scope"))
        errors += [field.invalid(at, scopes, _UNFIT) for name in sorted(hard) if not _fits(scope, name)]
    return errors + _conflicts(set(scopes), scopes, at)


def _conflicts(found: set[str], shown: list[str] | None, path: Path) -> list[FieldError]:
    return [field.invalid(path, shown, "conflicting scopes") for pair in _OPPOSITES if pair <= found]


def _selector_errors(selector: Obj, spec: Obj, hard: Iterable[str]) -> list[FieldError]:
    at = _SPEC.child("scopeSelector").child("matchExpressions")
    errors: list[FieldError] = []
    terms = selector.get("matchExpressions") or []
    for term in terms:
        scope = term.get("scopeName", "")
        if scope not in _SCOPES:
            errors.append(field.invalid(at.child("scopeName"), scope, "unsupported scope"))
        errors += [field.invalid(at, selector, _UNFIT) for name in sorted(hard) if not _fits(scope, name)]
        errors += _operator_errors(term, scope, at)
    return errors + _conflicts({term.get("scopeName", "") for term in terms}, spec.get("scopes"), at)


def _operator_errors(term: Obj, scope: str, path: Path) -> list[FieldError]:
    operator, values = term.get("operator", ""), term.get("values") or []
    at = path.child("operator")
    errors = []
    if scope in _ONLY_EXISTS and operator != "Exists":
        errors.append(field.invalid(at, operator, _MUST_EXIST))
    if operator in ("In", "NotIn"):
        if not values:
            text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            errors.append(field.required(path.child("values"), text))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            errors.append(field.invalid(path.child("values"), values, text))
    else:
        errors.append(field.invalid(at, operator, "not a valid selector operator"))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    spec, before = new.get("spec") or {}, (old.get("spec") or {}).get("scopes") or []
    errors = validate_metadata_update(new, old) + _spec_errors(spec)
    scopes = spec.get("scopes") or []
    if set(scopes) != set(before):
        errors.append(field.invalid(_SPEC.child("scopes"), scopes, IMMUTABLE))
    return errors


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    return validate_metadata_update(new, old) + _status_errors(new.get("status") or {})
