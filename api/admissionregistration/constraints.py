"""Checks of what webhooks and policies match: rules, selectors, conditions, parameters.

Source: pkg/apis/admissionregistration/validation/validation.go (1.36).
"""

from collections.abc import Sequence

from api import field, names
from api.admissionregistration.expressions import Expression
from api.admissionregistration.rules import rule_errors
from api.field import FieldError, Path
from api.meta import validate_label_selector
from api.resource import Obj

MOST_CONDITIONS = 64
_MATCHES = ("Equivalent", "Exact")
_ACTIONS = ("Deny", "Allow")
_MIXED = "may have mixed case, but should otherwise match: "


def match_errors(match: Obj | None, path: Path) -> list[FieldError]:
    """Check MatchResources: policy, selectors, rules and excluded rules."""
    if match is None:
        return []
    errors: list[FieldError] = []
    policy, at = match.get("matchPolicy"), path.child("matchPolicy")
    if policy is None:
        errors.append(field.required(at))
    elif policy not in _MATCHES:
        errors.append(field.not_supported(at, policy, _MATCHES))
    for name in ("namespaceSelector", "objectSelector"):
        if match.get(name) is None:
            errors.append(field.required(path.child(name)))
        else:
            errors += validate_label_selector(match[name], path.child(name))
    for name in ("resourceRules", "excludeResourceRules"):
        for number, rule in enumerate(match.get(name) or ()):
            errors += named_rule_errors(rule, path.child(name).index(number))
    return errors


def named_rule_errors(rule: Obj, path: Path) -> list[FieldError]:
    """Check a rule that may be about named objects alone."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, name in enumerate(rule.get("resourceNames") or ()):
        at = path.child("resourceNames").index(number)
        errors += [field.invalid(at, name, text) for text in names.is_path_segment(name)]
        if name in seen:
            errors.append(field.duplicate(at, name))
        seen.add(name)
    return errors + rule_errors(rule, path)


def condition_errors(
    conditions: Sequence[Obj], expressions: Sequence[Expression], path: Path
) -> list[FieldError]:
    """Check match conditions and what became of their expressions."""
    errors: list[FieldError] = []
    if len(conditions) > MOST_CONDITIONS:
        errors.append(field.too_many(path, len(conditions), MOST_CONDITIONS))
    seen: set[str] = set()
    for number, (given, expression) in enumerate(zip(conditions, expressions, strict=True)):
        at, name = path.index(number), given.get("name") or ""
        errors += expression_errors(expression, at.child("expression"))
        if not name:
            errors.append(field.required(at.child("name")))
            continue
        errors += [field.invalid(at.child("name"), name, text) for text in names.is_qualified_name(name)]
        if name in seen:
            errors.append(field.duplicate(at.child("name"), name))
        seen.add(name)
    return errors


def expression_errors(expression: Expression, path: Path, missing: str = "") -> list[FieldError]:
    """Return what is wrong with an expression; `missing` is said of an empty one."""
    if not expression.text.strip():
        return [field.required(path, missing)]
    return [field.invalid(path, expression.text, expression.error)] if expression.error else []


def param_kind_errors(kind: Obj, path: Path) -> list[FieldError]:
    """Check the kind of a policy's parameters."""
    errors = _version_errors(kind.get("apiVersion") or "", path.child("apiVersion"))
    name, at = kind.get("kind") or "", path.child("kind")
    if not name:
        return [*errors, field.required(at)]
    faults = names.is_dns1035_label(name.lower())
    return [*errors, field.invalid(at, name, _MIXED + ",".join(faults))] if faults else errors


def _version_errors(text: str, path: Path) -> list[FieldError]:
    if not text:
        return [field.required(path)]
    if text.count("/") > 1:
        return [field.invalid(path, text, f"unexpected GroupVersion string: {text}")]
    group, _, version = text.rpartition("/")
    errors: list[FieldError] = []
    if group and (faults := names.is_dns1123_subdomain(group)):
        errors.append(field.invalid(path, group, ",".join(faults)))
    if not version:
        errors.append(field.invalid(path, text, "version must be specified"))
    elif faults := names.is_dns1035_label(version):
        errors.append(field.invalid(path, version, ",".join(faults)))
    return errors


def param_ref_errors(ref: Obj | None, path: Path) -> list[FieldError]:
    """Check a binding's reference to parameters: by name or by selector."""
    if ref is None:
        return []
    name, selector, both = (
        ref.get("name") or "",
        ref.get("selector"),
        "name and selector are mutually exclusive",
    )
    errors: list[FieldError] = []
    if name:
        errors += [field.invalid(path.child("name"), name, text) for text in names.is_path_segment(name)]
        if selector is not None:
            errors.append(field.forbidden(path.child("name"), both))
    if selector is not None:
        errors += validate_label_selector(selector, path.child("selector"))
        if name:
            errors.append(field.forbidden(path.child("selector"), both))
    if not name and selector is None:
        errors.append(field.required(path, "one of name or selector must be specified"))
    action, at = ref.get("parameterNotFoundAction"), path.child("parameterNotFoundAction")
    if not action:
        errors.append(field.required(at))
    elif action not in _ACTIONS:
        errors.append(field.not_supported(at, action, _ACTIONS))
    return errors
