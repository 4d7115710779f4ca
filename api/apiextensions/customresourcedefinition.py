"""CustomResourceDefinitions: what is defaulted, what is refused, what an update may not change.

Spec: apiextensions-apiserver/pkg/apis/apiextensions v1/defaults.go, validation (1.36).
"""

from api import field, names
from api.apiextensions.approval import approval_errors
from api.apiextensions.conversion import conversion_errors
from api.apiextensions.naming import names_errors, needed_errors, object_name_errors
from api.apiextensions.versions import common_errors, versions_errors
from api.conditions import is_true
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_STORED = Path("status").child("storedVersions")
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


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False) + object_name_errors(obj)
    errors += _spec_errors(obj.get("spec") or {}, {}) + _status_errors(obj)
    return errors + approval_errors(obj, None) + _preserve_errors(obj, {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check an update; schemas that did not change are let be, though they may not be valid any more."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + _spec_errors(spec, before)
    names_now, names_before = spec.get("names") or {}, before.get("names") or {}
    if is_true((old.get("status") or {}).get("conditions"), "Established"):
        # These are how objects are stored.
        errors += immutable(spec, before, "scope", _SPEC)
        errors += immutable(names_now, names_before, "kind", _SPEC.child("names"))
    errors += immutable(spec, before, "group", _SPEC)
    errors += immutable(names_now, names_before, "plural", _SPEC.child("names"))
    errors += _status_errors(new)
    return errors + approval_errors(new, old) + _preserve_errors(new, old)


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + _status_errors(new)


def _spec_errors(spec: Obj, old: Obj) -> list[FieldError]:
    errors = _group_errors(spec.get("group", "")) + _scope_errors(spec.get("scope", ""))
    errors += versions_errors(spec, old, _SPEC)
    given = spec.get("names") or {}
    errors += needed_errors(given, _SPEC.child("names")) + names_errors(given, _SPEC.child("names"))
    errors += common_errors(spec, old, _SPEC)
    conversion = spec.get("conversion") or {}
    if conversion.get("strategy", "None") != "None" and spec.get("preserveUnknownFields"):
        at = _SPEC.child("conversion").child("strategy")
        text = "must be None if spec.preserveUnknownFields is true"
        errors.append(field.invalid(at, conversion["strategy"], text))
    return errors + conversion_errors(conversion, _SPEC.child("conversion"), old.get("conversion"))


def _group_errors(group: str) -> list[FieldError]:
    path = _SPEC.child("group")
    if not group:
        return [field.required(path)]
    if faults := names.is_dns1123_subdomain(group):
        return [field.invalid(path, group, ",".join(faults))]
    if "." not in group:
        return [field.invalid(path, group, "should be a domain with at least one dot")]
    return []


def _scope_errors(scope: str) -> list[FieldError]:
    path = _SPEC.child("scope")
    if not scope:
        return [field.required(path)]
    return [] if scope in _SCOPES else [field.not_supported(path, scope, _SCOPES)]


def _status_errors(obj: Obj) -> list[FieldError]:
    status = obj.get("status") or {}
    errors = names_errors(status.get("acceptedNames") or {}, Path("status").child("acceptedNames"))
    stored = status.get("storedVersions")
    return errors if stored is None else errors + _stored_errors(stored, obj.get("spec") or {})


def _stored_errors(stored: list[str], spec: Obj) -> list[FieldError]:
    """Check that every version in which objects may be stored is still there. Absent: not yet set."""
    if not stored:
        return [field.invalid(_STORED, stored, "must have at least one stored version")]
    versions = spec.get("versions") or ()
    known = {version.get("name") for version in versions}
    errors = [
        field.invalid(_STORED, stored, f"must have the storage version {version.get('name')}")
        for version in versions
        if version.get("storage") and version.get("name") not in stored
    ]
    text = (
        "missing from spec.versions; {0} was previously a storage version, and must remain in spec.versions "
        "until a storage migration ensures no data remains persisted in {0} and removes {0} from "
        "status.storedVersions"
    )
    return errors + [
        field.invalid(_STORED.index(number), name, text.format(name))
        for number, name in enumerate(stored)
        if name not in known
    ]


def _preserve_errors(new: Obj, old: Obj) -> list[FieldError]:
    now, before = ((obj.get("spec") or {}).get("preserveUnknownFields") for obj in (new, old))
    if not now or before:
        return []
    text = (
        "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
        "spec.versions[*].schema instead"
    )
    return [field.invalid(_SPEC.child("preserveUnknownFields"), True, text)]
