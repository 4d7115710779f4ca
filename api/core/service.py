"""Services: defaults, validation. Addresses and ports are allocated by the API server.

Spec: pkg/apis/core/v1 SetDefaults_Service, pkg/apis/core/validation ValidateService (1.36).
"""

from api import field, names
from api.core.address import ip_errors, parse_ip
from api.core.service_spec import spec_errors
from api.core.service_update import update_errors
from api.defaulting import defaulting, each
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_AFFINITY_SECONDS = 10800
_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_WITH_IP = ("ClusterIP", "NodePort", "LoadBalancer")


def _port_target(port: Obj) -> Obj:
    return {} if port.get("targetPort") else {"targetPort": port.get("port", 0)}


def _rule(spec: Obj) -> Obj:
    new: Obj = {}
    kind, affinity = spec["type"], spec["sessionAffinity"]
    if affinity == "None" and "sessionAffinityConfig" in spec:
        new["sessionAffinityConfig"] = None
    if affinity == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if "timeoutSeconds" not in client:
            new["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _AFFINITY_SECONDS}}
    external = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs"))
    if external and not spec.get("externalTrafficPolicy"):
        new["externalTrafficPolicy"] = "Cluster"
    if kind in _WITH_IP and "internalTrafficPolicy" not in spec:
        new["internalTrafficPolicy"] = "Cluster"
    if kind == "LoadBalancer" and "allocateLoadBalancerNodePorts" not in spec:
        new["allocateLoadBalancerNodePorts"] = True
    return new


_spec = defaulting(
    empty={"type": "ClusterIP", "sessionAffinity": "None"},
    nested={"ports": each(defaulting(empty={"protocol": "TCP"}, rule=_port_target))},
    rule=_rule,
)


def _ip_mode(ingress: Obj) -> Obj:
    return {"ipMode": "VIP"} if ingress.get("ip") and "ipMode" not in ingress else {}


_status = defaulting(
    absent={"loadBalancer": {}},
    nested={"loadBalancer": defaulting(nested={"ingress": each(defaulting(rule=_ip_mode))})},
)


def defaults(obj: Obj) -> Obj:
    """Fill what `kubectl get -o yaml` shows beside the allocated addresses."""
    old, status = obj.get("spec") or {}, obj.get("status")
    spec = _spec(old)
    if spec.get("sessionAffinityConfig", "") is None:
        spec = {name: value for name, value in spec.items() if name != "sessionAffinityConfig"}
    new: Obj = {} if spec is old else {"spec": spec}
    if status is not None and (made := _status(status)) is not status:
        new["status"] = made
    return {**obj, **new} if new else obj


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True, rule=names.is_dns1035_label)
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    hints, mode = annotations.get(_HINTS), annotations.get(_MODE)
    if hints is not None and mode is not None and hints != mode:
        text = f"must match annotations[{_HINTS}] when both are specified"
        at = Path("metadata").child("annotations").key(_MODE)
        errors.append(field.invalid(at, mode, text))
    return errors + spec_errors(obj.get("spec") or {}, Path("spec"), annotations)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    errors += update_errors(new.get("spec") or {}, old.get("spec") or {}, Path("spec"))
    return errors + validate(new)


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    errors = validate_metadata_update(new, old)
    balancer = (new.get("status") or {}).get("loadBalancer") or {}
    return errors + load_balancer_errors(
        balancer, Path("status").child("loadBalancer"), new.get("spec") or {}
    )


def load_balancer_errors(balancer: Obj, path: Path, spec: Obj) -> list[FieldError]:
    """Check the addresses that a load balancer reports."""
    ingresses = balancer.get("ingress") or []
    if spec.get("type") != "LoadBalancer" and ingresses:
        return [field.forbidden(path.child("ingress"), "may only be used when `spec.type` is 'LoadBalancer'")]
    errors = []
    for number, ingress in enumerate(ingresses):
        at = path.child("ingress").index(number)
        if ip := ingress.get("ip"):
            errors += ip_errors(ip, at.child("ip"))
        mode = ingress.get("ipMode")
        if mode is None and ip:
            errors.append(field.required(at.child("ipMode"), "must be specified when `ip` is set"))
        elif mode is not None and not ip:
            errors.append(field.forbidden(at.child("ipMode"), "may not be specified when `ip` is not set"))
        elif mode is not None and mode not in ("Proxy", "VIP"):
            errors.append(field.not_supported(at.child("ipMode"), mode, ("Proxy", "VIP")))
        if host := ingress.get("hostname"):
            errors += [
                field.invalid(at.child("hostname"), host, text) for text in names.is_dns1123_subdomain(host)
            ]
            if parse_ip(host):
                text = "must be a DNS name, not an IP address"
                errors.append(field.invalid(at.child("hostname"), host, text))
    return errors
