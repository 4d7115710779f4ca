"""NetworkPolicies. Spec: pkg/apis/networking/v1/defaults.go, validation ValidateNetworkPolicySpec (1.36)."""

from ipaddress import ip_network

from api import field, names
from api.core.address import cidr_errors
from api.core.service_spec import PROTOCOLS, port_or_name_errors
from api.defaulting import defaulting, each, struct
from api.field import FieldError, Path
from api.meta import validate_label_selector, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_TYPES = ("Egress", "Ingress")


def _policy_types(spec: Obj) -> Obj:
    if spec.get("policyTypes"):
        return {}
    return {"policyTypes": ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]}


_rules = each(defaulting(nested={"ports": each(defaulting(absent={"protocol": "TCP"}))}))
defaults = defaulting(
    nested={
        "spec": struct(
            defaulting(
                absent={"podSelector": {}}, nested={"ingress": _rules, "egress": _rules}, rule=_policy_types
            )
        )
    }
)


def _rule_errors(rule: Obj, peers: str, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for number, port in enumerate(rule.get("ports") or ()):
        errors += _port_errors(port, path.child("ports").index(number))
    for number, peer in enumerate(rule.get(peers) or ()):
        errors += _peer_errors(peer, path.child(peers).index(number))
    return errors


def _port_errors(port: Obj, path: Path) -> list[FieldError]:
    protocol, number, end = port.get("protocol"), port.get("port"), port.get("endPort")
    errors: list[FieldError] = []
    if protocol is not None and protocol not in PROTOCOLS:
        errors.append(field.not_supported(path.child("protocol"), protocol, PROTOCOLS))
    at = path.child("endPort")
    if number is not None:
        errors += port_or_name_errors(number, path.child("port"))
        if end is not None and isinstance(number, str):
            text = "may not be specified when `port` is non-numeric"
            errors.append(field.invalid(at, end, text))
        elif end is not None and isinstance(number, int):
            if end < number:
                errors.append(field.invalid(at, number, "must be greater than or equal to `port`"))
            errors += [field.invalid(at, end, text) for text in names.is_port_number(end)]
    elif end is not None:
        errors.append(field.invalid(at, end, "may not be specified when `port` is not specified"))
    return errors


def _peer_errors(peer: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if not peer:
        return [field.required(path, "must specify a peer")]
    for name in ("podSelector", "namespaceSelector"):
        errors += validate_label_selector(peer.get(name), path.child(name))
    block = peer.get("ipBlock")
    if block is not None:
        errors += _block_errors(block, path.child("ipBlock"))
        if len(peer) > 1:
            errors.append(field.forbidden(path, "may not specify both ipBlock and another peer"))
    return errors


def _block_errors(block: Obj, path: Path) -> list[FieldError]:
    cidr = block.get("cidr", "")
    if not cidr:
        return [field.required(path.child("cidr"))]
    errors = cidr_errors(cidr, path.child("cidr"))
    for number, text in enumerate(block.get("except") or ()):
        at = path.child("except").index(number)
        bad = cidr_errors(text, at)
        if not errors and not bad and not _is_inside(text, cidr):
            bad = [field.invalid(at, text, "must be a strict subset of `cidr`")]
        errors += bad
    return errors


def _is_inside(inner: str, outer: str) -> bool:
    small, large = ip_network(inner, strict=False), ip_network(outer, strict=False)
    return (
        small.version == large.version
        and small.prefixlen > large.prefixlen
        and small.network_address in large
    )


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors = validate_label_selector(spec.get("podSelector") or {}, _SPEC.child("podSelector"))
    for name, peers in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(spec.get(name) or ()):
            errors += _rule_errors(rule, peers, _SPEC.child(name).index(number))
    types = spec.get("policyTypes") or []
    at = _SPEC.child("policyTypes")
    if len(types) > len(_TYPES):
        errors.append(field.invalid(at, types, "may not specify more than two policyTypes"))
    return errors + [
        field.not_supported(at.index(number), kind, _TYPES)
        for number, kind in enumerate(types)
        if kind not in _TYPES
    ]


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + _spec_errors(new.get("spec") or {})
