"""CustomResourceDefinitions: names, versions, scope; schemas are judged where custom resources are served.

Spec: apiextensions-apiserver/pkg/apis/apiextensions v1/defaults.go, validation (1.36).
"""

from api import field, names
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_SCOPES = ("Cluster", "Namespaced")


def _derived_names(given: Obj) -> Obj:
    kind = given.get("kind", "")
    if not kind:
        return {}
    return {name: value for name, value in (("singular", kind.lower()), ("listKind", f"{kind}List"))
            if not given.get(name)}  # fmt: skip


def _with_conversion(spec: Obj) -> Obj:
    return {} if "conversion" in spec else {"conversion": {"strategy": "None"}}


_client = defaulting(nested={"service": defaulting(absent={"port": 443})})
_conversion = defaulting(
    empty={"strategy": "None"}, nested={"webhook": defaulting(nested={"clientConfig": _client})}
)
defaults = defaulting(
    nested={
        "spec": defaulting(
            nested={"names": defaulting(rule=_derived_names), "conversion": _conversion},
            rule=_with_conversion,
        )
    }
)


def _name_errors(obj: Obj, spec: Obj) -> list[FieldError]:
    name, plural = (obj.get("metadata") or {}).get("name", ""), (spec.get("names") or {}).get("plural", "")
    wanted = f"{plural}.{spec.get('group', '')}"
    if name and name != wanted:
        text = 'must be spec.names.plural+"."+spec.group'
        return [field.invalid(Path("metadata").child("name"), name, text)]
    return []


def _names_errors(given: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in ("plural", "singular", "kind", "listKind"):
        value = given.get(name, "")
        if not value:
            if name != "singular":
                errors.append(field.required(path.child(name)))
            continue
        errors += [
            field.invalid(path.child(name), value, text) for text in names.is_dns1035_label(value.lower())
        ]
    for name in ("shortNames", "categories"):
        for number, value in enumerate(given.get(name) or ()):
            at = path.child(name).index(number)
            errors += [field.invalid(at, value, text) for text in names.is_dns1035_label(value)]
    if given.get("kind") and given.get("kind") == given.get("listKind"):
        text = "kind and listKind may not be the same"
        errors.append(field.invalid(path.child("listKind"), given["listKind"], text))
    return errors


def _versions_errors(spec: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    versions = spec.get("versions") or []
    seen: set[str] = set()
    for number, version in enumerate(versions):
        at, name = path.index(number), version.get("name", "")
        errors += [field.invalid(at.child("name"), name, text) for text in names.is_dns1035_label(name)]
        if name in seen:
            text = "must contain unique version names"
            errors.append(field.invalid(path, [each.get("name") for each in versions], text))
        seen.add(name)
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            text = "schemas are required"
            errors.append(field.required(at.child("schema").child("openAPIV3Schema"), text))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        errors.append(field.invalid(path, versions, text))
    return errors


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    group, scope = spec.get("group", ""), spec.get("scope", "")
    if not group:
        errors.append(field.required(_SPEC.child("group")))
    elif "." not in group:
        errors.append(field.invalid(_SPEC.child("group"), group, "should be a domain with at least one dot"))
    else:
        errors += [
            field.invalid(_SPEC.child("group"), group, text) for text in names.is_dns1123_subdomain(group)
        ]
    if scope not in _SCOPES:
        at = _SPEC.child("scope")
        errors.append(field.not_supported(at, scope, _SCOPES) if scope else field.required(at))
    errors += _versions_errors(spec, _SPEC.child("versions"))
    errors += _names_errors(spec.get("names") or {}, _SPEC.child("names"))
    return errors + _conversion_errors(spec.get("conversion") or {}, _SPEC.child("conversion"))


def _conversion_errors(conversion: Obj, path: Path) -> list[FieldError]:
    strategy, webhook = conversion.get("strategy", "None"), conversion.get("webhook")
    if strategy == "None":
        text = "must not be set when strategy is not set to Webhook"
        return [] if webhook is None else [field.forbidden(path.child("webhook"), text)]
    if strategy != "Webhook":
        return [field.not_supported(path.child("strategy"), strategy, ("None", "Webhook"))]
    if webhook is None or webhook.get("clientConfig") is None:
        at = path.child("webhook").child("clientConfig")
        return [field.required(at, "required when strategy is set to Webhook")]
    return []


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    return validate_metadata(obj, namespaced=False) + _name_errors(obj, spec) + _spec_errors(spec)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + _name_errors(new, spec) + _spec_errors(spec)
    for name in ("group", "scope"):
        errors += immutable(spec, before, name, _SPEC)
    for name in ("plural", "kind"):
        errors += immutable(spec.get("names") or {}, before.get("names") or {}, name, _SPEC.child("names"))
    return errors + _stored_errors(new, spec)


def _stored_errors(new: Obj, spec: Obj) -> list[FieldError]:
    names_now = {version.get("name") for version in spec.get("versions") or ()}
    path = Path("status").child("storedVersions")
    text = (
        "missing from spec.versions; {0} was previously a storage version, and must remain in spec.versions "
        "until a storage migration ensures no data remains persisted in {0} and removes {0} from "
        "status.storedVersions"
    )
    return [
        field.invalid(path.index(number), stored, text.format(stored))
        for number, stored in enumerate((new.get("status") or {}).get("storedVersions") or ())
        if stored not in names_now
    ]
