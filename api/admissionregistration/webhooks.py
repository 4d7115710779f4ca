"""Mutating and validating webhook configurations: defaults and checks.

Spec: pkg/apis/admissionregistration/v1/defaults.go, validation/validation.go (1.36).
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from api import field, names
from api.admissionregistration.constraints import condition_errors
from api.admissionregistration.expressions import condition
from api.admissionregistration.rules import rule_errors
from api.defaulting import defaulting, each
from api.field import FieldError, Path
from api.meta import validate_label_selector, validate_metadata, validate_metadata_update
from api.resource import Obj

_POLICIES = ("Fail", "Ignore")
_MATCHES = ("Equivalent", "Exact")
_EFFECTS = ("None", "NoneOnDryRun")
# Those that were once allowed; an object that has one may keep it.
_ALL_EFFECTS = ("None", "NoneOnDryRun", "Some", "Unknown")
_REINVOCATIONS = ("IfNeeded", "Never")
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


@dataclass(frozen=True)
class _Demands:
    """What is asked of webhooks beyond what an older server stored: an update may leave such faults in."""

    unique_names: bool = True
    no_side_effects: bool = True
    known_version: bool = True
    # None of the match conditions has changed if false: then they are not looked at.
    conditions: bool = True


def validate(obj: Obj) -> list[FieldError]:
    return _errors(obj, _Demands())


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    hooks = old.get("webhooks") or ()
    names_before = [hook.get("name") for hook in hooks]
    demands = _Demands(
        unique_names=len(set(names_before)) == len(names_before),
        no_side_effects=all(hook.get("sideEffects") in _EFFECTS for hook in hooks),
        known_version=all(
            not hook.get("admissionReviewVersions") or set(hook["admissionReviewVersions"]) & set(_VERSIONS)
            for hook in hooks
        ),
        conditions=[hook.get("matchConditions") or [] for hook in hooks]
        != [hook.get("matchConditions") or [] for hook in new.get("webhooks") or ()],
    )
    return validate_metadata_update(new, old) + _errors(new, demands)


def _errors(obj: Obj, demands: _Demands) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    seen: set[str] = set()
    for number, hook in enumerate(obj.get("webhooks") or ()):
        at, name = Path("webhooks").index(number), hook.get("name") or ""
        errors += _hook_errors(hook, at, demands)
        errors += _version_errors(
            hook.get("admissionReviewVersions") or [], at.child("admissionReviewVersions"), demands
        )
        if demands.unique_names and name in seen:
            errors.append(field.duplicate(at.child("name"), name))
        seen.add(name)
    return errors


def _hook_errors(hook: Obj, path: Path, demands: _Demands) -> list[FieldError]:
    errors = _name_errors(hook.get("name") or "", path.child("name"))
    for number, rule in enumerate(hook.get("rules") or ()):
        errors += rule_errors(rule, path.child("rules").index(number))
    errors += _choice_errors(hook, path, demands)
    seconds = hook.get("timeoutSeconds", 10)
    if not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        errors.append(field.invalid(path.child("timeoutSeconds"), seconds, text))
    for selector in ("namespaceSelector", "objectSelector"):
        errors += validate_label_selector(hook.get(selector), path.child(selector))
    errors += client_errors(hook.get("clientConfig") or {}, path.child("clientConfig"))
    if demands.conditions:
        conditions = hook.get("matchConditions") or ()
        expressions = [condition((item.get("expression") or "").strip()) for item in conditions]
        errors += condition_errors(conditions, expressions, path.child("matchConditions"))
    return errors


def _name_errors(name: str, path: Path) -> list[FieldError]:
    if not name:
        return [field.required(path)]
    if faults := names.is_dns1123_subdomain(name):
        return [field.invalid(path, name, ",".join(faults))]
    if name.count(".") < 2:
        text = "should be a domain with at least three segments separated by dots"
        return [field.invalid(path, name, text)]
    return []


def _choice_errors(hook: Obj, path: Path, demands: _Demands) -> list[FieldError]:
    errors: list[FieldError] = []
    effects = _EFFECTS if demands.no_side_effects else _ALL_EFFECTS
    for name, allowed in (
        ("failurePolicy", _POLICIES),
        ("matchPolicy", _MATCHES),
        ("sideEffects", effects),
        ("reinvocationPolicy", _REINVOCATIONS),
    ):
        value, at = hook.get(name), path.child(name)
        if value is None and name == "sideEffects":
            errors.append(field.required(at, f"must specify one of {', '.join(effects)}"))
        elif value is not None and value not in allowed:
            errors.append(field.not_supported(at, value, allowed))
    return errors


def _version_errors(versions: list[str], path: Path, demands: _Demands) -> list[FieldError]:
    if not versions:
        return [field.required(path, "must specify one of v1, v1beta1")]
    errors: list[FieldError] = []
    for number, version in enumerate(versions):
        if version in versions[:number]:
            errors.append(field.invalid(path.index(number), version, "duplicate version"))
            continue
        faults = names.is_dns1035_label(version)
        errors += [field.invalid(path.index(number), version, text) for text in faults]
    if demands.known_version and not set(versions) & set(_VERSIONS):
        errors.append(field.invalid(path, versions, "must include at least one of v1, v1beta1"))
    return errors


def client_errors(config: Obj, path: Path) -> list[FieldError]:
    """Check where a webhook is reached: by a URL or by a service, not both."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [field.required(path, "exactly one of url or service is required")]
    if url is not None:
        return url_errors(url, path.child("url"))
    return service_errors(service or {}, path.child("service"))


def url_errors(url: str, path: Path) -> list[FieldError]:
    """Check the URL of a webhook. Spec: apiserver/pkg/util/webhook ValidateWebhookURL (1.36)."""
    form = "; desired format: https://host[/path]"
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError as error:
        return [field.required(path, f"url must be a valid URL: {error}{form}")]
    errors: list[FieldError] = []
    if parts.scheme != "https":
        text = f"'https' is the only allowed URL scheme{form}"
        errors.append(field.invalid(path, parts.scheme, text))
    if not host:
        errors.append(field.invalid(path, host, f"host must be provided{form}"))
    for value, text in (
        (parts.netloc.rpartition("@")[0], "user information is not permitted in the URL"),
        (parts.fragment, "fragments are not permitted in the URL"),
        (parts.query, "query parameters are not permitted in the URL"),
    ):
        if value:
            errors.append(field.invalid(path, value, text))
    return errors


def service_errors(service: Obj, path: Path) -> list[FieldError]:
    """Check the service of a webhook. Spec: apiserver/pkg/util/webhook ValidateWebhookService (1.36)."""
    errors = [field.required(path.child(name), f"service {name} is required")
              for name in ("name", "namespace") if not service.get(name)]  # fmt: skip
    port = service.get("port", 443)
    if not 1 <= port <= 65535:
        text = "port is not valid: must be between 1 and 65535, inclusive"
        errors.append(field.invalid(path.child("port"), port, text))
    return errors + _path_errors(service.get("path") or "", path.child("path"))


def _path_errors(text: str, path: Path) -> list[FieldError]:
    if text in ("", "/"):
        return []
    if text == "//":
        return [field.invalid(path, text, "segment[0] may not be empty")]
    errors: list[FieldError] = []
    if not text.startswith("/"):
        errors.append(field.invalid(path, text, "must start with a '/'"))
    for number, step in enumerate(text[1:].removesuffix("/").split("/")):
        if not step:
            errors.append(field.invalid(path, text, f"segment[{number}] may not be empty"))
            continue
        faults = names.is_dns1123_subdomain(step)
        errors += [field.invalid(path, text, f"segment[{number}]: {fault}") for fault in faults]
    return errors
