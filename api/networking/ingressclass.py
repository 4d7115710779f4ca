"""IngressClasses. Spec: pkg/apis/networking/validation ValidateIngressClass (1.36)."""

import re

from api import field, names
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.networking.references import local_reference_errors
from api.resource import Obj

_SPEC = Path("spec")
_CONTROLLER_MAX = 250
_SCOPES = ("Cluster", "Namespace")
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

defaults = defaulting(
    nested={"spec": defaulting(nested={"parameters": defaulting(absent={"scope": "Cluster"})})}
)


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    controller, at = spec.get("controller", ""), _SPEC.child("controller")
    errors = validate_metadata(obj, namespaced=False)
    if len(controller) > _CONTROLLER_MAX:
        errors.append(field.too_long(at, _CONTROLLER_MAX))
    errors += domain_prefixed_errors(controller, at)
    if spec.get("parameters") is not None:
        errors += _parameters_errors(spec["parameters"], _SPEC.child("parameters"))
    return errors


def domain_prefixed_errors(text: str, path: Path) -> list[FieldError]:
    """Check a path that begins with a domain: `acme.io/foo`. Spec: IsDomainPrefixedPath (1.36)."""
    if not text:
        return [field.required(path)]
    domain, _, rest = text.partition("/")
    if not domain or not rest:
        return [field.invalid(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    errors = [field.invalid(path, domain, why) for why in names.is_dns1123_subdomain(domain)]
    if not re.fullmatch(_HTTP_PATH, rest):
        errors.append(field.invalid(path, rest, names.regex_message("Invalid path", _HTTP_PATH)))
    return errors


def _parameters_errors(parameters: Obj, path: Path) -> list[FieldError]:
    errors = local_reference_errors(parameters, path)
    scope, namespace, at = parameters.get("scope"), parameters.get("namespace"), path.child("namespace")
    if scope not in _SCOPES:
        here = path.child("scope")
        return [*errors, field.required(here) if scope is None else field.not_supported(here, scope, _SCOPES)]
    if scope == "Cluster":
        if namespace is not None:
            errors.append(field.forbidden(at, "`parameters.scope` is set to 'Cluster'"))
        return errors
    if namespace is None:
        return [*errors, field.required(at, "`parameters.scope` is set to 'Namespace'")]
    return errors + [field.invalid(at, namespace, why) for why in names.is_dns1123_label(namespace)]


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    errors += immutable(new.get("spec") or {}, old.get("spec") or {}, "controller", _SPEC)
    return errors + validate(new)
