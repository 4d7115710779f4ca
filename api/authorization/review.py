"""Questions about rights: what a review may ask, and the selectors in it.

Called by the API server's reviews. Spec: pkg/apis/authorization/validation, pkg/registry/authorization/util
(1.36).
"""

from typing import Any

from api import field
from api.field import FieldError, Path
from api.fields import FieldSelector, Term, parse_field_selector
from api.resource import Obj

_SPEC = Path("spec")
_RESOURCE, _PATH = _SPEC.child("resourceAttributes"), _SPEC.child("nonResourceAttributes")
_EMPTY = ("managedFields", "creationTimestamp")


def validate(review: Obj, namespace: str = "") -> list[FieldError]:
    """Check a SubjectAccessReview, or its kinds for oneself (no user) and for a namespace (`namespace`)."""
    spec, kind = review.get("spec") or {}, review.get("kind", "")
    errors = _attributes_errors(spec)
    if not kind.startswith("Self") and not spec.get("user") and not spec.get("groups"):
        why = "at least one of user or group must be specified"
        errors.append(field.invalid(_SPEC.child("user"), spec.get("user", ""), why))
    asked = spec.get("resourceAttributes") or {}
    for name in ("fieldSelector", "labelSelector"):
        if asked.get(name) is not None:
            errors += _selector_errors(asked[name], _RESOURCE.child(name))
    return errors + _metadata_errors(review.get("metadata") or {}, spec, namespace)


def _attributes_errors(spec: Obj) -> list[FieldError]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        return [field.invalid(_PATH, path, "cannot be specified in combination with resourceAttributes")]
    if resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [field.invalid(_RESOURCE, None, why)]
    return []


def _metadata_errors(metadata: Obj, spec: Obj, namespace: str) -> list[FieldError]:
    kept = {name for name, value in metadata.items() if value and name not in _EMPTY}
    if not namespace:
        return [field.invalid(Path("metadata"), metadata, "must be empty")] if kept else []
    errors: list[FieldError] = []
    if kept - {"namespace"}:
        errors.append(field.invalid(Path("metadata"), metadata, "must be empty except for namespace"))
    asked = spec.get("resourceAttributes")
    if asked is not None and asked.get("namespace", "") != namespace:
        at, why = _RESOURCE.child("namespace"), "must match metadata.namespace"
        errors.append(field.invalid(at, asked.get("namespace", ""), why))
    if spec.get("nonResourceAttributes") is not None:
        why = "disallowed on this kind of request"
        errors.append(field.invalid(_PATH, spec["nonResourceAttributes"], why))
    return errors


def _selector_errors(selector: Obj, path: Path) -> list[FieldError]:
    raw, requirements = selector.get("rawSelector", ""), selector.get("requirements") or []
    at = path.child("requirements")
    if raw and requirements:
        why = "may not specified at the same time as requirements"
        return [field.invalid(path.child("rawSelector"), raw, why)]
    if not raw and not requirements:
        why = f"when {path} is specified, requirements or rawSelector is required"
        return [field.required(at, why)]
    return [
        error for number, term in enumerate(requirements) for error in _term_errors(term, at.index(number))
    ]


def _term_errors(term: Obj, path: Path) -> list[FieldError]:
    """Check a requirement; an operator of a newer client is not refused, only ignored."""
    operator, values, at = term.get("operator", ""), term.get("values"), path.child("values")
    errors = [] if term.get("key") else [field.required(path.child("key"), "must be specified")]
    if operator in ("In", "NotIn") and not values:
        errors.append(field.required(at, "must be specified when `operator` is 'In' or 'NotIn'"))
    if operator in ("Exists", "DoesNotExist") and values:
        why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        errors.append(field.forbidden(at, why))
    return errors


def field_selector(asked: Obj) -> tuple[FieldSelector, list[str]]:
    """Return the field selector in resource attributes, and why some of it was ignored.

    What cannot be understood is left out: the question is then about more objects, which is harder to allow.
    """
    selector = asked.get("fieldSelector") or {}
    raw = selector.get("rawSelector")
    if raw:
        try:
            return parse_field_selector(raw), []
        except ValueError as error:
            return FieldSelector(), [str(error)]
    terms, faults = [], []
    for wanted in selector.get("requirements") or ():
        found = _term(wanted)
        if isinstance(found, str):
            faults.append(found)
        else:
            terms.append(found)
    return FieldSelector(tuple(terms)), faults


def _term(wanted: Obj) -> Term | str:
    operator, values = wanted.get("operator", ""), wanted.get("values") or []
    if len(values) > 1:
        return "fieldSelectors do not yet support multiple values"
    signs: dict[Any, str] = {"In": "=", "NotIn": "!="}
    if operator in signs:
        return Term(wanted.get("key", ""), signs[operator], values[0])
    if operator in ("Exists", "DoesNotExist"):
        return f"fieldSelectors do not yet support {operator}"
    return f'"{operator}" is not a valid field selector operator'
