"""Roles and ClusterRoles. Spec: pkg/apis/rbac/validation ValidateRole, ValidateClusterRole (1.36)."""

from api import field, names
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import validate_label_selector, validate_metadata, validate_metadata_update
from api.resource import Obj

defaults = unchanged


def _is_cluster(obj: Obj) -> bool:
    return obj.get("kind") == "ClusterRole"


def _rule_errors(rule: Obj, namespaced: bool, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if not rule.get("verbs"):
        errors.append(field.required(path.child("verbs"), "verbs must contain at least one value"))
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            errors.append(field.invalid(path.child("nonResourceURLs"), urls, text))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(field.invalid(path.child("nonResourceURLs"), urls, text))
        return errors
    if not rule.get("apiGroups"):
        text = "resource rules must supply at least one api group"
        errors.append(field.required(path.child("apiGroups"), text))
    if not rule.get("resources"):
        text = "resource rules must supply at least one resource"
        errors.append(field.required(path.child("resources"), text))
    return errors


def validate(obj: Obj) -> list[FieldError]:
    namespaced = not _is_cluster(obj)
    errors = validate_metadata(obj, namespaced, rule=names.is_path_segment)
    for number, rule in enumerate(obj.get("rules") or ()):
        errors += _rule_errors(rule, namespaced, Path("rules").index(number))
    return errors + _aggregation_errors(obj)


def _aggregation_errors(obj: Obj) -> list[FieldError]:
    aggregation = obj.get("aggregationRule")
    if aggregation is None:
        return []
    at = Path("aggregationRule").child("clusterRoleSelectors")
    selectors = aggregation.get("clusterRoleSelectors") or ()
    if not selectors:
        return [field.required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil")]
    return [error for number, selector in enumerate(selectors)
            for error in validate_label_selector(selector, at.index(number))]  # fmt: skip


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)
