"""Validation of where a pod may run: affinity, tolerations, topology spread.

Source: pkg/apis/core/validation validateAffinity, ValidateTolerations,
validateTopologySpreadConstraints (1.36).
"""

import re

from api import field, names
from api.field import FieldError, Path
from api.meta import validate_label_selector
from api.resource import Obj

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TOLERATION_OPERATORS = ("Equal", "Exists", "Gt", "Lt")
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_NODE_POLICIES = ("Honor", "Ignore")
_INTEGER = re.compile(r"-?[0-9]+").fullmatch
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def affinity_errors(affinity: Obj, path: Path) -> list[FieldError]:
    """Check all kinds of affinity."""
    errors: list[FieldError] = []
    if (node := affinity.get("nodeAffinity")) is not None:
        errors += _node_errors(node, path.child("nodeAffinity"))
    for name in ("podAffinity", "podAntiAffinity"):
        if (pods := affinity.get(name)) is not None:
            errors += _pods_errors(pods, path.child(name))
    return errors


def _node_errors(node: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if (required := node.get(_REQUIRED)) is not None:
        errors += node_selector_errors(required, path.child(_REQUIRED))
    for number, term in enumerate(node.get(_PREFERRED) or ()):
        at = path.child(_PREFERRED).index(number)
        errors += _weight_errors(term, at)
        # Odd values of wishes have always been let pass.
        errors += _term_errors(term.get("preference") or {}, at.child("preference"), any_value=True)
    return errors


def _weight_errors(term: Obj, path: Path) -> list[FieldError]:
    weight = term.get("weight", 0)
    return (
        []
        if 0 < weight <= 100
        else [field.invalid(path.child("weight"), weight, "must be in the range 1-100")]
    )


def node_selector_errors(selector: Obj, path: Path) -> list[FieldError]:
    """Check a node selector, which pods and persistent volumes have."""
    terms = selector.get("nodeSelectorTerms") or []
    at = path.child("nodeSelectorTerms")
    if not terms:
        return [field.required(at, "must have at least one node selector term")]
    return [error for number, term in enumerate(terms) for error in _term_errors(term, at.index(number))]


def _term_errors(term: Obj, path: Path, any_value: bool = False) -> list[FieldError]:
    errors: list[FieldError] = []
    for number, wanted in enumerate(term.get("matchExpressions") or ()):
        at = path.child("matchExpressions").index(number)
        errors += _requirement_errors(wanted, at)
        for place, value in enumerate(() if any_value else wanted.get("values") or ()):
            here = at.child("values").index(place)
            errors += [field.invalid(here, value, text) for text in names.is_label_value(value)]
    for number, wanted in enumerate(term.get("matchFields") or ()):
        errors += _field_requirement_errors(wanted, path.child("matchFields").index(number))
    return errors


def _requirement_errors(wanted: Obj, path: Path) -> list[FieldError]:
    operator, values, key = wanted.get("operator", ""), wanted.get("values") or [], wanted.get("key", "")
    errors: list[FieldError] = []
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(
                field.required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'")
            )
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(field.forbidden(path.child("values"), text))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.append(field.required(path.child("values"), text))
    else:
        errors.append(field.invalid(path.child("operator"), operator, "not a valid selector operator"))
    return errors + [field.invalid(path.child("key"), key, text) for text in names.is_qualified_name(key)]


def _field_requirement_errors(wanted: Obj, path: Path) -> list[FieldError]:
    operator, values, key = wanted.get("operator", ""), wanted.get("values") or [], wanted.get("key", "")
    errors: list[FieldError] = []
    if operator in ("In", "NotIn"):
        if len(values) != 1:
            text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            errors.append(field.required(path.child("values"), text))
    else:
        errors.append(field.invalid(path.child("operator"), operator, "not a valid selector operator"))
    if key != "metadata.name":
        errors.append(field.invalid(path.child("key"), key, "not a valid field selector key"))
    else:
        for number, value in enumerate(values):
            at = path.child("values").index(number)
            errors += [field.invalid(at, value, text) for text in names.is_dns1123_subdomain(value)]
    return errors


def _pods_errors(pods: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for number, term in enumerate(pods.get(_REQUIRED) or ()):
        errors += _pod_term_errors(term, path.child(_REQUIRED).index(number))
    for number, weighted in enumerate(pods.get(_PREFERRED) or ()):
        at = path.child(_PREFERRED).index(number)
        errors += _weight_errors(weighted, at)
        errors += _pod_term_errors(weighted.get("podAffinityTerm") or {}, at.child("podAffinityTerm"))
    return errors


def _pod_term_errors(term: Obj, path: Path) -> list[FieldError]:
    errors = validate_label_selector(term.get("labelSelector"), path.child("labelSelector"))
    errors += validate_label_selector(term.get("namespaceSelector"), path.child("namespaceSelector"))
    for name in term.get("namespaces") or ():
        errors += [
            field.invalid(path.child("namespace"), name, text) for text in names.is_dns1123_label(name)
        ]
    errors += _match_keys_errors(term, path)
    key, at = term.get("topologyKey", ""), path.child("topologyKey")
    if not key:
        errors.append(field.required(at, "can not be empty"))
    return errors + [field.invalid(at, key, text) for text in names.is_qualified_name(key)]


def _match_keys_errors(term: Obj, path: Path) -> list[FieldError]:
    matched, mismatched = term.get("matchLabelKeys") or [], term.get("mismatchLabelKeys") or []
    selector = term.get("labelSelector")
    errors = _keys_errors(matched, selector, path.child("matchLabelKeys"))
    errors += _keys_errors(mismatched, selector, path.child("mismatchLabelKeys"))
    seen = set((selector or {}).get("matchLabels") or ())
    for expression in (selector or {}).get("matchExpressions") or ():
        key = expression.get("key", "")
        if key in matched and key in seen:
            text = "exists in both matchLabelKeys and labelSelector"
            errors.append(field.invalid(path.index(matched.index(key)), key, text))
        seen.add(key)
    text = "exists in both matchLabelKeys and mismatchLabelKeys"
    return errors + [
        field.invalid(path.child("matchLabelKeys").index(number), key, text)
        for number, key in enumerate(matched)
        if key in mismatched
    ]


def _keys_errors(keys: list[str], selector: Obj | None, path: Path) -> list[FieldError]:
    if not keys:
        return []
    if selector is None:
        return [field.forbidden(path, "must not be specified when labelSelector is not set")]
    return [
        field.invalid(path.index(number), key, text)
        for number, key in enumerate(keys)
        for text in names.is_qualified_name(key)
    ]


def _spread_keys_errors(constraint: Obj, path: Path) -> list[FieldError]:
    keys, selector = constraint.get("matchLabelKeys") or [], constraint.get("labelSelector")
    if not keys:
        return []
    errors: list[FieldError] = []
    if selector is None:
        errors.append(field.forbidden(path, "must not be specified when labelSelector is not set"))
    terms = (selector or {}).get("matchExpressions") or ()
    # What the server added for a key when the pod was made is no contradiction.
    chosen = [*((selector or {}).get("matchLabels") or ())]
    chosen += [
        term.get("key", "")
        for term in terms
        if term.get("operator") != "In" or len(term.get("values") or ()) != 1
    ]
    added = [term.get("key", "") for term in terms if term.get("key") not in chosen]
    for number, key in enumerate(keys):
        errors += [field.invalid(path.index(number), key, text) for text in names.is_qualified_name(key)]
        if key in chosen or added.count(key) > 1:
            text = "exists in both matchLabelKeys and labelSelector"
            errors.append(field.invalid(path.index(number), key, text))
    return errors


def tolerations_errors(tolerations: list[Obj], path: Path) -> list[FieldError]:
    """Check tolerations."""
    errors: list[FieldError] = []
    for number, toleration in enumerate(tolerations):
        key, operator = toleration.get("key", ""), toleration.get("operator", "")
        effect, value = toleration.get("effect", ""), toleration.get("value", "")
        at = path.index(number)
        if key:
            errors += [field.invalid(at.child("key"), key, text) for text in names.is_qualified_name(key)]
        elif operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.append(field.invalid(at.child("operator"), operator, text))
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(field.invalid(at.child("effect"), effect, text))
        errors += _operator_errors(operator, value, at.child("operator"))
        if effect and effect not in _EFFECTS:
            errors.append(field.not_supported(at.child("effect"), effect, _EFFECTS))
    return errors


def _operator_errors(operator: str, value: str, path: Path) -> list[FieldError]:
    match operator:
        case "" | "Equal":
            found = names.is_label_value(value) if value else []
            return [field.invalid(path, value, ";".join(found))] if found else []
        case "Exists":
            return (
                [field.invalid(path, value, "value must be empty when `operator` is 'Exists'")]
                if value
                else []
            )
        case "Gt" | "Lt":
            if _INTEGER(value):
                return []
            return [field.invalid(path, value, "value must be an integer when `operator` is 'Lt' or 'Gt'")]
    return [field.not_supported(path, operator, _TOLERATION_OPERATORS)]


def spread_errors(constraints: list[Obj], path: Path) -> list[FieldError]:
    """Check topology spread constraints."""
    errors: list[FieldError] = []
    pairs = [(each.get("topologyKey", ""), each.get("whenUnsatisfiable", "")) for each in constraints]
    for number, constraint in enumerate(constraints):
        at = path.index(number)
        key, action = pairs[number]
        if (skew := constraint.get("maxSkew", 0)) <= 0:
            errors.append(field.invalid(at.child("maxSkew"), skew, "must be greater than zero"))
        if not key:
            errors.append(field.required(at.child("topologyKey"), "can not be empty"))
        if action not in _UNSATISFIABLE:
            errors.append(field.not_supported(at.child("whenUnsatisfiable"), action, _UNSATISFIABLE))
        if (key, action) in pairs[number + 1 :]:
            here = at.child("{topologyKey, whenUnsatisfiable}")
            errors.append(field.duplicate(here, f"{{{key}, {action}}}"))
        errors += _domains_errors(constraint, action, at.child("minDomains"))
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = constraint.get(name)
            if policy is not None and policy not in _NODE_POLICIES:
                errors.append(field.not_supported(at.child(name), policy, _NODE_POLICIES))
        errors += _spread_keys_errors(constraint, at.child("matchLabelKeys"))
        errors += validate_label_selector(constraint.get("labelSelector"), at.child("labelSelector"))
    return errors


def _domains_errors(constraint: Obj, action: str, path: Path) -> list[FieldError]:
    least = constraint.get("minDomains")
    if least is None:
        return []
    errors = [] if least > 0 else [field.invalid(path, least, "must be greater than zero")]
    if action != "DoNotSchedule":
        text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        errors.append(field.invalid(path, least, text))
    return errors
