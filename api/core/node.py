"""Nodes.

Spec: pkg/apis/core/v1 SetDefaults_NodeStatus, pkg/apis/core/validation ValidateNode (1.36).
"""

from api import field, names
from api.core.address import cidr_errors, ip_family
from api.core.pod_resources import quantity_errors
from api.defaulting import fresh
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC, _STATUS = Path("spec"), Path("status")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# Set by node agents or cloud controllers after the creation, once.
_SET_ONCE = ("providerID",)


def defaults(obj: Obj) -> Obj:
    """Fill `status.allocatable` from the capacity."""
    status = obj.get("status") or {}
    if "capacity" not in status or "allocatable" in status:
        return obj
    return {**obj, "status": {**status, "allocatable": fresh(status["capacity"])}}


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    if taints := spec.get("taints"):
        errors += taint_errors(taints, _SPEC.child("taints"))
    cidrs = spec.get("podCIDRs") or []
    for number, cidr in enumerate(cidrs):
        errors += cidr_errors(cidr, _SPEC.child("podCIDRs").index(number))
    families = [ip_family(cidr.partition("/")[0]) for cidr in cidrs]
    if len(cidrs) > 2 or len(set(families)) < len(families):
        text = "may specify no more than one CIDR for each IP family"
        errors.append(field.invalid(_SPEC.child("podCIDRs"), cidrs, text))
    return errors


def taint_errors(taints: list[Obj], path: Path) -> list[FieldError]:
    """Check taints: keys, values, effects, and that no key and effect come twice."""
    errors: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for number, taint in enumerate(taints):
        key, value, effect = taint.get("key", ""), taint.get("value", ""), taint.get("effect", "")
        at = path.index(number)
        errors += [field.invalid(at.child("key"), key, text) for text in names.is_qualified_name(key)]
        if value and (found := names.is_label_value(value)):
            errors.append(field.invalid(at.child("value"), value, ";".join(found)))
        if not effect:
            errors.append(field.required(at.child("effect")))
        elif effect not in _EFFECTS:
            errors.append(field.not_supported(at.child("effect"), effect, _EFFECTS))
        if (key, effect) in seen:
            text = "taints must be unique by key and effect pair"
            errors.append(FieldError(field.DUPLICATE, str(at), f"{field.DUPLICATE}: {taint}: {text}"))
        seen.add((key, effect))
    return errors


def _status_errors(status: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    for which in ("capacity", "allocatable"):
        for name, quantity in (status.get(which) or {}).items():
            at = _STATUS.child(which).key(name)
            errors += [field.invalid(at, name, text) for text in names.is_qualified_name(name)]
            errors += quantity_errors(name, quantity, at)
    seen: set[tuple[str, str]] = set()
    for number, address in enumerate(status.get("addresses") or ()):
        pair = (address.get("type", ""), address.get("address", ""))
        if pair in seen:
            errors.append(field.duplicate(_STATUS.child("addresses").index(number), address))
        seen.add(pair)
    return errors


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    return errors + _spec_errors(obj.get("spec") or {}) + _status_errors(obj.get("status") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + _spec_errors(spec) + _status_errors(new.get("status") or {})
    had, has = before.get("podCIDRs") or [], spec.get("podCIDRs") or []
    if had and had != has:
        text = 'node updates may not change podCIDR except from "" to valid'
        errors.append(field.forbidden(_SPEC.child("podCIDRs"), text))
    for name in _SET_ONCE:
        if before.get(name) and before[name] != spec.get(name, ""):
            text = f'node updates may not change {name} except from "" to valid'
            errors.append(field.forbidden(_SPEC.child(name), text))
    return errors


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    return validate_metadata_update(new, old) + _status_errors(new.get("status") or {})
