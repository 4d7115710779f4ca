"""FlowSchemas. Spec: pkg/apis/flowcontrol/v1/defaults.go, validation ValidateFlowSchema (1.36)."""

from collections.abc import Sequence
from functools import cache

from api import field, names
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.flowcontrol.bootstrap import MANDATORY, flow_schemas
from api.flowcontrol.conditions import validate_conditions
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_PRECEDENCE = 1000
_PRECEDENCE_MAX = 10000
_METHODS = ("ByNamespace", "ByUser")
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
# kind of a subject -> the member that says more about it.
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}

defaults = defaulting(nested={"spec": struct(defaulting(empty={"matchingPrecedence": _PRECEDENCE}))})


def validate(obj: Obj) -> list[FieldError]:
    spec, name = obj.get("spec") or {}, (obj.get("metadata") or {}).get("name", "")
    errors = validate_metadata(obj, namespaced=False) + _spec_errors(spec, name)
    if name in MANDATORY and spec != _mandatory()[name]:
        errors.append(field.invalid(_SPEC, spec, f"spec of '{name}' must equal the fixed value"))
    return errors + validate_conditions(obj)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)


def validate_status(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate_conditions(new)


@cache
def _mandatory() -> dict[str, Obj]:
    return {obj["metadata"]["name"]: obj["spec"] for obj in flow_schemas()}


def _spec_errors(spec: Obj, name: str) -> list[FieldError]:
    errors = _precedence_errors(spec.get("matchingPrecedence", 0), name)
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in _METHODS:
        at = _SPEC.child("distinguisherMethod", "type")
        errors.append(field.not_supported(at, method.get("type", ""), _METHODS))
    at = _SPEC.child("priorityLevelConfiguration", "name")
    level = (spec.get("priorityLevelConfiguration") or {}).get("name")
    if not level:
        errors.append(field.required(at, "must reference a priority level"))
    else:
        errors += [field.invalid(at, level, text) for text in names.is_dns1123_subdomain(level)]
    for number, rule in enumerate(spec.get("rules") or ()):
        errors += _rule_errors(rule, _SPEC.child("rules").index(number))
    return errors


def _precedence_errors(precedence: int, name: str) -> list[FieldError]:
    at, texts = _SPEC.child("matchingPrecedence"), []
    if precedence <= 0:
        texts.append("must be a positive value")
    if precedence > _PRECEDENCE_MAX:
        texts.append(f"must not be greater than {_PRECEDENCE_MAX}")
    if precedence == 1 and name != "exempt":
        texts.append("only the schema named 'exempt' may have matchingPrecedence 1")
    return [field.invalid(at, precedence, text) for text in texts]


def _rule_errors(rule: Obj, at: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    subjects = rule.get("subjects") or ()
    if not subjects:
        errors.append(field.required(at.child("subjects"), "subjects must contain at least one value"))
    for number, subject in enumerate(subjects):
        errors += _subject_errors(subject, at.child("subjects").index(number))
    resources, paths = rule.get("resourceRules") or (), rule.get("nonResourceRules") or ()
    if not resources and not paths:
        text = "at least one of resourceRules and nonResourceRules has to be non-empty"
        errors.append(field.required(at, text))
    for number, one in enumerate(resources):
        errors += _resource_rule_errors(one, at.child("resourceRules").index(number))
    for number, one in enumerate(paths):
        errors += _path_rule_errors(one, at.child("nonResourceRules").index(number))
    return errors


def _subject_errors(subject: Obj, at: Path) -> list[FieldError]:
    kind = subject.get("kind", "")
    member = _SUBJECTS.get(kind)
    if member is None:
        return [field.not_supported(at.child("kind"), kind, _SUBJECTS)]
    given = subject.get(member)
    if given is None:
        text = f"{member} is required when subject kind is '{kind}'"
        errors = [field.required(at.child(member), text)]
    else:
        errors = _named_errors(kind, given, at.child(member))
    for other_kind, other in reversed(_SUBJECTS.items()):
        if other != member and subject.get(other) is not None:
            text = f"{other} is forbidden when subject kind is not '{other_kind}'"
            errors.append(field.forbidden(at.child(other), text))
    return errors


def _named_errors(kind: str, given: Obj, at: Path) -> list[FieldError]:
    name = given.get("name", "")
    errors = [] if name else [field.required(at.child("name"))]
    if kind != "ServiceAccount":
        return errors
    if name and name != "*":
        errors += [field.invalid(at.child("name"), name, text) for text in names.is_dns1123_subdomain(name)]
    namespace = given.get("namespace", "")
    if not namespace:
        text = "must specify namespace for service account"
        return [*errors, field.required(at.child("namespace"), text)]
    texts = names.is_dns1123_label(namespace)
    return errors + [field.invalid(at.child("namespace"), namespace, text) for text in texts]


def _verb_errors(rule: Obj, at: Path) -> list[FieldError]:
    verbs = rule.get("verbs") or []
    errors = _wildcard_errors(verbs, at.child("verbs"), "verbs must contain at least one value", "verbs")
    if not errors and "*" not in verbs and not set(verbs) <= set(_VERBS):
        return [field.not_supported(at.child("verbs"), verbs, _VERBS)]
    return errors


def _wildcard_errors(values: Sequence[str], at: Path, missing: str, what: str) -> list[FieldError]:
    if not values:
        return [field.required(at, missing)]
    if "*" in values and len(values) > 1:
        return [field.invalid(at, values, f"if '*' is present, must not specify other {what}")]
    return []


def _resource_rule_errors(rule: Obj, at: Path) -> list[FieldError]:
    errors = _verb_errors(rule, at)
    for member, thing, things in (
        ("apiGroups", "api group", "api groups"),
        ("resources", "resource", "resources"),
    ):
        missing = f"resource rules must supply at least one {thing}"
        errors += _wildcard_errors(rule.get(member) or [], at.child(member), missing, things)
    namespaces, where = rule.get("namespaces") or [], at.child("namespaces")
    if not namespaces and rule.get("clusterScope"):
        return errors
    missing = "resource rules that are not cluster scoped must supply at least one namespace"
    found = _wildcard_errors(namespaces, where, missing, "namespaces")
    if not found and "*" not in namespaces:
        found = [
            error
            for number, name in enumerate(namespaces)
            for error in _namespace_errors(name, where.index(number))
        ]
    return errors + found


def _namespace_errors(name: str, at: Path) -> list[FieldError]:
    intro = "each member of this list must be '*' or a DNS-1123 label; "
    return [field.invalid(at, name, intro + text) for text in names.is_dns1123_label(name)]


def _path_rule_errors(rule: Obj, at: Path) -> list[FieldError]:
    errors, urls, where = (
        _verb_errors(rule, at),
        rule.get("nonResourceURLs") or [],
        at.child("nonResourceURLs"),
    )
    missing = "nonResourceURLs must contain at least one value"
    found = _wildcard_errors(urls, where, missing, "non-resource URLs")
    if not found and "*" not in urls:
        said = [(number, url, _path_fault(url)) for number, url in enumerate(urls)]
        found = [field.invalid(where.index(number), url, text) for number, url, text in said if text]
    return errors + found


def _path_fault(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    if url.count("*") > 1 or ("*" in url and not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""
