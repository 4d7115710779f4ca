"""Nodes.

Spec: pkg/apis/core/v1 SetDefaults_NodeStatus, pkg/apis/core/validation ValidateNode (1.36).
"""

from api import field, names
from api.core.address import cidr_errors, ip_family
from api.core.node_config import config_status_errors, source_errors
from api.core.pod_resources import quantity_errors
from api.defaulting import fresh
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC, _STATUS = Path("spec"), Path("status")
# Upstream looks for taints in the metadata; clients have learnt to read that.
_TAINTS = Path("metadata").child("taints")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def defaults(obj: Obj) -> Obj:
    """Fill `status.allocatable` from the capacity; `podCIDR` and the first of `podCIDRs` say the same."""
    status, spec = obj.get("status") or {}, obj.get("spec") or {}
    new: Obj = {}
    if "capacity" in status and "allocatable" not in status:
        new["status"] = {**status, "allocatable": fresh(status["capacity"])}
    one, many = spec.get("podCIDR"), spec.get("podCIDRs")
    if one and (not many or many[0] != one):
        # The old field is believed: its writers know no other.
        new["spec"] = {**spec, "podCIDRs": [one]}
    elif many and not one:
        new["spec"] = {**spec, "podCIDR": many[0]}
    return {**obj, **new} if new else obj


def _cidr_errors(cidrs: list[str]) -> list[FieldError]:
    at = _SPEC.child("podCIDRs")
    errors = [error for number, cidr in enumerate(cidrs) for error in cidr_errors(cidr, at.index(number))]
    families = [ip_family(cidr.partition("/")[0]) for cidr in cidrs]
    if len(cidrs) > 2 or len(set(families)) < len(families):
        text = "may specify no more than one CIDR for each IP family"
        errors.append(field.invalid(at, cidrs, text))
    repeated = [number for number, cidr in enumerate(cidrs) if cidr in cidrs[:number]]
    return errors + [field.duplicate(at.index(number), cidrs[number]) for number in repeated]


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
            errors.append(field.duplicate(at, taint, "taints must be unique by key and effect pair"))
        seen.add((key, effect))
    return errors


def _resource_errors(status: Obj) -> list[FieldError]:
    return [
        error
        for which in ("capacity", "allocatable")
        for name, quantity in (status.get(which) or {}).items()
        for error in quantity_errors(name, quantity, _STATUS.child(which, name))
    ]


def _address_errors(addresses: list[Obj]) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for number, address in enumerate(addresses):
        pair = (address.get("type", ""), address.get("address", ""))
        if pair in seen:
            errors.append(field.duplicate(_STATUS.child("addresses").index(number), address))
        seen.add(pair)
    return errors


def _node_errors(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = taint_errors(spec["taints"], _TAINTS) if spec.get("taints") else []
    return errors + _resource_errors(obj.get("status") or {}) + _cidr_errors(spec.get("podCIDRs") or [])


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=False) + _node_errors(obj)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    spec, before, status = new.get("spec") or {}, old.get("spec") or {}, new.get("status") or {}
    errors = _node_errors(new) + validate_metadata_update(new, old)
    errors += _address_errors(status.get("addresses") or [])
    had, has = before.get("podCIDRs") or [], spec.get("podCIDRs") or []
    if had and had != has:
        text = 'node updates may not change podCIDR except from "" to valid'
        errors.append(field.forbidden(_SPEC.child("podCIDRs"), text))
    provider = before.get("providerID")
    if provider and provider != spec.get("providerID", ""):
        text = 'node updates may not change providerID except from "" to valid'
        errors.append(field.forbidden(_SPEC.child("providerID"), text))
    if (source := spec.get("configSource")) is not None:
        errors += source_errors(source, _SPEC.child("configSource"), assigned=False)
    if (config := status.get("config")) is not None:
        errors += config_status_errors(config, _STATUS.child("config"))
    if spec.get("externalID", "") != before.get("externalID", ""):
        errors.append(field.forbidden(_SPEC.child("externalID"), "may not be updated"))
    return errors


# `/status` is checked as the node itself is. Spec: nodeStatusStrategy.ValidateUpdate (1.36).
validate_status_update = validate_update
