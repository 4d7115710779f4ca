"""Checks of the rules by which webhooks and policies say what they are about.

Called by the checks of both. Spec: pkg/apis/admissionregistration/validation/validation.go (1.36).
"""

from collections.abc import Sequence

from api import field
from api.field import FieldError, Path
from api.resource import Obj

_ANY = "*"
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_OTHERS = {"operations": "operations", "apiGroups": "API groups", "apiVersions": "API versions"}


def rule_errors(rule: Obj, path: Path) -> list[FieldError]:
    """Check a rule: operations, groups, versions, resources, scope."""
    operations = rule.get("operations") or []
    errors = _list_errors(rule, "operations", path)
    for number, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            errors.append(field.not_supported(path.child("operations").index(number), operation, _OPERATIONS))
    errors += _list_errors(rule, "apiGroups", path)
    errors += _list_errors(rule, "apiVersions", path)
    for number, version in enumerate(rule.get("apiVersions") or ()):
        if not version:
            errors.append(field.required(path.child("apiVersions").index(number)))
    errors += _resource_errors(rule.get("resources") or [], path.child("resources"))
    scope = rule.get("scope")
    if scope is not None and scope not in _SCOPES:
        errors.append(field.not_supported(path.child("scope"), scope, _SCOPES))
    return errors


def _list_errors(rule: Obj, name: str, path: Path) -> list[FieldError]:
    values, at = rule.get(name) or [], path.child(name)
    if not values:
        return [field.required(at)]
    if len(values) > 1 and _ANY in values:
        text = f"if '*' is present, must not specify other {_OTHERS[name]}"
        return [field.invalid(at, values, text)]
    return []


def _resource_errors(resources: Sequence[str], path: Path) -> list[FieldError]:
    errors = [] if resources else [field.required(path)]
    # What `x/*` and `*/y` among the ones before take in already.
    whole, everywhere = set[str](), set[str]()
    plain = False
    for number, text in enumerate(resources):
        at = path.index(number)
        if not text:
            errors.append(field.required(at))
            continue
        name, slash, sub = text.partition("/")
        if not slash:
            # As upstream, it is the last plain name that counts.
            plain = text != _ANY
            continue
        if name in whole:
            errors.append(field.invalid(at, text, f"if '{name}/*' is present, must not specify {text}"))
        if sub in everywhere:
            errors.append(field.invalid(at, text, f"if '*/{sub}' is present, must not specify {text}"))
        if sub == _ANY:
            whole.add(name)
        if name == _ANY:
            everywhere.add(sub)
    if len(resources) > 1 and "*/*" in resources:
        text = "if '*/*' is present, must not specify other resources"
        errors.append(field.invalid(path, list(resources), text))
    if _ANY in resources and plain:
        text = "if '*' is present, must not specify other resources without subresources"
        errors.append(field.invalid(path, list(resources), text))
    return errors
