"""Ingresses. Spec: pkg/apis/networking/validation ValidateIngress (1.36)."""

from api import field, names
from api.core.address import ip_errors, parse_ip
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.networking.references import local_reference_errors
from api.resource import Obj

_SPEC = Path("spec")
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")
_CLASS = "kubernetes.io/ingress.class"

defaults = defaulting(nested={"status": defaulting(absent={"loadBalancer": {}})})


def _host_errors(host: str, path: Path) -> list[FieldError]:
    check = names.is_wildcard_dns1123_subdomain if "*" in host else names.is_dns1123_subdomain
    return [field.invalid(path, host, text) for text in check(host)]


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        errors.append(field.invalid(_SPEC, rules, "either `defaultBackend` or `rules` must be specified"))
    if backend is not None:
        errors += _backend_errors(backend, _SPEC.child("defaultBackend"))
    for number, rule in enumerate(rules):
        errors += _rule_errors(rule, _SPEC.child("rules").index(number))
    for number, tls in enumerate(spec.get("tls") or ()):
        at = _SPEC.child("tls").index(number)
        for place, host in enumerate(tls.get("hosts") or ()):
            errors += _host_errors(host, at.child("hosts").index(place))
        if secret := tls.get("secretName"):
            errors += [
                field.invalid(at.child("secretName"), secret, t) for t in names.is_dns1123_subdomain(secret)
            ]
    name = spec.get("ingressClassName")
    if name is not None:
        at = _SPEC.child("ingressClassName")
        errors += [field.invalid(at, name, text) for text in names.is_dns1123_subdomain(name)]
    return errors


def _rule_errors(rule: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if host := rule.get("host"):
        if parse_ip(host) is not None:
            errors.append(field.invalid(path.child("host"), host, "must be a DNS name, not an IP address"))
        errors += _host_errors(host, path.child("host"))
    http = rule.get("http")
    if http is None:
        return errors
    at = path.child("http").child("paths")
    if not http.get("paths"):
        errors.append(field.required(at))
    for number, each in enumerate(http.get("paths") or ()):
        errors += _path_errors(each, at.index(number))
    return errors


def _path_errors(each: Obj, path: Path) -> list[FieldError]:
    kind, text = each.get("pathType"), each.get("path", "")
    at = path.child("path")
    errors: list[FieldError] = []
    if kind is None:
        return [field.required(path.child("pathType"), "pathType must be specified")]
    if kind in ("Exact", "Prefix"):
        if not text.startswith("/"):
            errors.append(field.invalid(at, text, "must be an absolute path"))
        errors += [
            field.invalid(at, text, f"must not contain '{part}'") for part in _BAD_PARTS if part in text
        ]
        errors += [
            field.invalid(at, text, f"cannot end with '{end}'") for end in _BAD_ENDS if text.endswith(end)
        ]
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            errors.append(field.invalid(at, text, "must be an absolute path"))
    else:
        errors.append(field.not_supported(path.child("pathType"), kind, _PATH_TYPES))
    return errors + _backend_errors(each.get("backend") or {}, path.child("backend"))


def _backend_errors(backend: Obj, path: Path) -> list[FieldError]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [field.invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return local_reference_errors(resource, path.child("resource"))
    if service is None:
        return [field.invalid(path, "", "resource or service backend is required")]
    errors: list[FieldError] = []
    name, port, at = service.get("name", ""), service.get("port") or {}, path.child("service")
    if not name:
        errors.append(field.required(at.child("name")))
    else:
        errors += [field.invalid(at.child("name"), name, text) for text in names.is_dns1035_label(name)]
    if port.get("name") and port.get("number"):
        errors.append(field.invalid(path, "", "cannot set both port name & port number"))
    elif port.get("name"):
        here = at.child("port").child("name")
        errors += [field.invalid(here, port["name"], text) for text in names.is_port_name(port["name"])]
    elif port.get("number"):
        here = at.child("port").child("number")
        errors += [field.invalid(here, port["number"], text) for text in names.is_port_number(port["number"])]
    else:
        errors.append(field.required(path, "port name or number is required"))
    return errors


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=True) + _spec_errors(spec)
    annotation = ((obj.get("metadata") or {}).get("annotations") or {}).get(_CLASS)
    name = spec.get("ingressClassName")
    if annotation is not None and name is not None and annotation != name:
        text = "must match `ingressClassName` when both are specified"
        errors.append(field.invalid(Path("annotations").child(_CLASS), annotation, text))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + _spec_errors(new.get("spec") or {})


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    errors = validate_metadata_update(new, old)
    ingresses = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    for number, ingress in enumerate(ingresses):
        at = Path("status").child("loadBalancer").child("ingress").index(number)
        if ip := ingress.get("ip"):
            errors += ip_errors(ip, at.child("ip"))
        if host := ingress.get("hostname"):
            errors += [
                field.invalid(at.child("hostname"), host, text) for text in names.is_dns1123_subdomain(host)
            ]
            if parse_ip(host) is not None:
                errors.append(
                    field.invalid(at.child("hostname"), host, "must be a DNS name, not an IP address")
                )
    return errors
