"""Mutating and validating webhook configurations.

Spec: pkg/apis/admissionregistration/v1/defaults.go, validation (1.36).
"""

from typing import Any

from api import field, names
from api.defaulting import defaulting, each
from api.field import FieldError, Path
from api.meta import validate_label_selector, validate_metadata, validate_metadata_update
from api.resource import Obj

_POLICIES = ("Fail", "Ignore")
_MATCHES = ("Equivalent", "Exact")
_EFFECTS = ("None", "NoneOnDryRun")
_OPERATIONS = ("*", "CREATE", "UPDATE", "DELETE", "CONNECT")
_SCOPES = ("*", "Cluster", "Namespaced")
_VERSIONS = ("v1", "v1beta1")

_absent: dict[str, Any] = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "timeoutSeconds": 10,
}
client_config = defaulting(nested={"service": defaulting(absent={"port": 443})})
rules = each(defaulting(absent={"scope": "*"}))
_nested = {"clientConfig": client_config, "rules": rules}
_validating = defaulting(nested={"webhooks": each(defaulting(absent=_absent, nested=_nested))})
_mutating = defaulting(
    nested={"webhooks": each(defaulting(absent={**_absent, "reinvocationPolicy": "Never"}, nested=_nested))}
)


def defaults(obj: Obj) -> Obj:
    """Fill policies, selectors and limits of each webhook."""
    return _mutating(obj) if obj.get("kind") == "MutatingWebhookConfiguration" else _validating(obj)


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    seen: set[str] = set()
    for number, hook in enumerate(obj.get("webhooks") or ()):
        at, name = Path("webhooks").index(number), hook.get("name", "")
        if name in seen:
            errors.append(field.duplicate(at.child("name"), name))
        seen.add(name)
        errors += _hook_errors(hook, name, at)
    return errors


def _hook_errors(hook: Obj, name: str, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if not name:
        errors.append(field.required(path.child("name")))
    elif name.count(".") < 2:
        text = "should be a domain with at least three segments separated by dots"
        errors.append(field.invalid(path.child("name"), name, text))
    else:
        errors += [field.invalid(path.child("name"), name, text) for text in names.is_dns1123_subdomain(name)]
    for number, rule in enumerate(hook.get("rules") or ()):
        errors += rule_errors(rule, path.child("rules").index(number))
    for field_name, allowed in (
        ("failurePolicy", _POLICIES),
        ("matchPolicy", _MATCHES),
        ("sideEffects", _EFFECTS),
    ):
        value, at = hook.get(field_name), path.child(field_name)
        if value is None and field_name == "sideEffects":
            errors.append(field.required(at, "must specify one of None, NoneOnDryRun"))
        elif value is not None and value not in allowed:
            errors.append(field.not_supported(at, value, allowed))
    seconds = hook.get("timeoutSeconds", 10)
    if not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        errors.append(field.invalid(path.child("timeoutSeconds"), seconds, text))
    for selector in ("namespaceSelector", "objectSelector"):
        errors += validate_label_selector(hook.get(selector), path.child(selector))
    errors += _version_errors(
        hook.get("admissionReviewVersions") or [], path.child("admissionReviewVersions")
    )
    return errors + client_errors(hook.get("clientConfig") or {}, path.child("clientConfig"))


def _version_errors(versions: list[str], path: Path) -> list[FieldError]:
    if not versions:
        return [field.required(path, "must specify one of v1, v1beta1")]
    if not set(versions) & set(_VERSIONS):
        return [field.invalid(path, versions, "must include at least one of v1, v1beta1")]
    return []


def rule_errors(rule: Obj, path: Path) -> list[FieldError]:
    """Check a rule of a webhook or policy: operations, groups, versions, resources, scope."""
    errors: list[FieldError] = []
    for name in ("operations", "apiGroups", "apiVersions", "resources"):
        values, at = rule.get(name) or [], path.child(name)
        if not values:
            errors.append(field.required(at))
        elif name != "resources" and "*" in values and len(values) > 1:
            what = {"operations": "operations", "apiGroups": "API groups", "apiVersions": "versions"}[name]
            errors.append(field.invalid(at, values, f"if '*' is present, must not specify other {what}"))
    for number, operation in enumerate(rule.get("operations") or ()):
        if operation not in _OPERATIONS:
            errors.append(field.not_supported(path.child("operations").index(number), operation, _OPERATIONS))
    scope = rule.get("scope")
    if scope is not None and scope not in _SCOPES:
        errors.append(field.not_supported(path.child("scope"), scope, _SCOPES))
    return errors


def client_errors(config: Obj, path: Path) -> list[FieldError]:
    """Check where a webhook is reached: by a URL or by a service, not both."""
    url, service = config.get("url"), config.get("service") or {}
    if (url is None) == ("service" not in config):
        return [field.required(path, "exactly one of url or service is required")]
    if url is not None:
        text = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
        return [] if url.startswith("https://") else [field.invalid(path.child("url"), url, text)]
    at = path.child("service")
    errors = [field.required(at.child(name), f"service {name} is required")
              for name in ("name", "namespace") if not service.get(name)]  # fmt: skip
    if not 1 <= service.get("port", 443) <= 65535:
        text = "port is not valid: must be between 1 and 65535, inclusive"
        errors.append(field.invalid(at.child("port"), service["port"], text))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)
