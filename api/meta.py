"""Object metadata: what is true of `metadata` whatever the kind, and the reusable checks of labels and names.

Called by the `validate` and `validate_update` of every kind.
Source: k8s.io/apimachinery/pkg/api/validation/objectmeta.go and pkg/apis/meta/v1/validation (1.36).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from api import field, names
from api.field import FieldError, Path
from api.resource import Obj

NameRule: TypeAlias = Callable[[str], list[str]]

ANNOTATIONS_MAX_BYTES = 256 * 1024
IMMUTABLE = "field is immutable"
_NAME_OR_GENERATE = "name or generateName is required"
# Finalizers that are older than the rule that a finalizer has a domain.
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
_SELECTOR_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_METADATA = Path("metadata")
# Accepts what is surely right, so that only odd ones reach the checks that word complaints.
_PLAIN_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?").fullmatch
_PLAIN_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?){0,6}/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
).fullmatch
_PLAIN_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?").fullmatch


def validate_metadata(
    obj: Obj,
    namespaced: bool,
    rule: NameRule = names.is_dns1123_subdomain,
    path: Path = _METADATA,
    custom: bool = False,
) -> list[FieldError]:
    """Check the metadata of a new object; `rule` says what its name may look like.

    `custom`: of a custom resource, whose finalizers need no domain. Source: apimachinery's
    ValidateFinalizerName as against pkg/apis/core/validation's (1.36).
    """
    metadata = obj.get("metadata") or {}
    errors: list[FieldError] = []
    generate = metadata.get("generateName")
    if generate:
        errors += name_errors(_stem(generate), rule, path.child("generateName"), generate)
    name = metadata.get("name")
    if name:
        if not _PLAIN_NAME(name) or rule not in _ACCEPT_LABELS:
            errors += name_errors(name, rule, path.child("name"))
    else:
        errors.append(field.required(path.child("name"), _NAME_OR_GENERATE))
    errors += _namespace_errors(metadata.get("namespace") or "", namespaced, path)
    if metadata.get("generation", 0) < 0:
        errors.append(
            field.invalid(
                path.child("generation"), metadata["generation"], "must be greater than or equal to 0"
            )
        )
    return errors + _shared_errors(metadata, path, custom)


# Rules that accept every DNS-1123 label.
_ACCEPT_LABELS: frozenset[NameRule] = frozenset(
    {names.is_dns1123_subdomain, names.is_dns1123_label, names.is_path_segment}
)


def _stem(generate: str) -> str:
    """Return `generateName` as the check of names shall see it: a trailing dash is fine, for more follows."""
    return generate[:-1] + "a" if len(generate) > 1 and generate.endswith("-") else generate


def name_errors(name: str, rule: NameRule, path: Path, shown: str = "") -> list[FieldError]:
    """Check one name by a rule of `api.names`."""
    return [field.invalid(path, shown or name, message) for message in rule(name)]


def _namespace_errors(namespace: str, namespaced: bool, path: Path) -> list[FieldError]:
    if not namespaced:
        return [field.forbidden(path.child("namespace"), "not allowed on this type")] if namespace else []
    if not namespace:
        return [field.required(path.child("namespace"))]
    if _PLAIN_NAME(namespace):
        return []
    return name_errors(namespace, names.is_dns1123_label, path.child("namespace"))


def _shared_errors(metadata: Mapping[str, Any], path: Path, custom: bool) -> list[FieldError]:
    """Check what new and changed objects have in common."""
    errors: list[FieldError] = []
    if labels := metadata.get("labels"):
        errors += validate_labels(labels, path.child("labels"))
    if annotations := metadata.get("annotations"):
        errors += validate_annotations(annotations, path.child("annotations"))
    if owners := metadata.get("ownerReferences"):
        errors += _owner_errors(owners, path.child("ownerReferences"))
    if finalizers := metadata.get("finalizers"):
        errors += _finalizer_errors(finalizers, path.child("finalizers"), custom)
    return errors


def validate_labels(labels: Mapping[str, str], path: Path) -> list[FieldError]:
    """Check the keys and values of labels."""
    errors = []
    for key, value in labels.items():
        if not _PLAIN_KEY(key):
            errors += [field.invalid(path, key, message) for message in names.is_qualified_name(key)]
        if not _PLAIN_VALUE(value):
            errors += [field.invalid(path, value, message) for message in names.is_label_value(value)]
    return errors


def validate_annotations(annotations: Mapping[str, str], path: Path) -> list[FieldError]:
    """Check the keys (in any case of letters) and the total size of annotations."""
    errors = []
    total = 0
    for key, value in annotations.items():
        if not _PLAIN_KEY(key):
            errors += [field.invalid(path, key, message) for message in names.is_qualified_name(key.lower())]
        total += len(key) + (len(value) if value.isascii() else len(value.encode()))
    if total > ANNOTATIONS_MAX_BYTES:
        errors.append(field.too_long(path, ANNOTATIONS_MAX_BYTES))
    return errors


def _owner_errors(owners: list[Obj], path: Path) -> list[FieldError]:
    errors = []
    controllers: list[str] = []
    for number, owner in enumerate(owners):
        missing = [name for name in ("apiVersion", "kind", "name", "uid") if not owner.get(name)]
        errors += [_owner_gap(owner, name, path.index(number)) for name in missing]
        if owner.get("apiVersion") == "v1" and owner.get("kind") == "Event":
            errors.append(
                field.invalid(path.index(number), "/v1, Kind=Event", "is disallowed from being an owner")
            )
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind', '')}/{owner.get('name', '')}")
    if len(controllers) > 1:
        text = (
            f'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {controllers[1]}"
        )
        errors.append(field.invalid(path, owners, text))
    return errors


def _owner_gap(owner: Obj, name: str, path: Path) -> FieldError:
    text = "version must not be empty" if name == "apiVersion" else "must not be empty"
    return field.invalid(path.child(name), owner.get(name, ""), text)


def _finalizer_errors(finalizers: list[str], path: Path, custom: bool) -> list[FieldError]:
    errors = []
    for finalizer in finalizers:
        errors += finalizer_errors(finalizer, path, custom)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = 'finalizer "orphan" and "foregroundDeletion" cannot be both set'
        errors.append(field.invalid(path, finalizers, text))
    return errors


def finalizer_errors(finalizer: str, path: Path, custom: bool = False) -> list[FieldError]:
    """Check the name of one finalizer; it must have a domain, unless the object is a custom one."""
    errors = [field.invalid(path, finalizer, message) for message in names.is_qualified_name(finalizer)]
    if not errors and not custom and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
        errors.append(
            field.invalid(
                path, finalizer, "name is neither a standard finalizer name nor is it fully qualified"
            )
        )
    return errors


def validate_metadata_update(
    new: Obj, old: Obj, path: Path = _METADATA, custom: bool = False
) -> list[FieldError]:
    """Check what an update does to the metadata; `custom` as for `validate_metadata`."""
    now, before = new.get("metadata") or {}, old.get("metadata") or {}
    errors: list[FieldError] = []
    if now.get("finalizers") != before.get("finalizers"):
        errors += _new_finalizer_errors(now, before, path)
    if not now.get("resourceVersion"):
        errors.append(
            field.invalid(
                path.child("resourceVersion"),
                now.get("resourceVersion", ""),
                "must be specified for an update",
            )
        )
    if now.get("generation", 0) < before.get("generation", 0):
        errors.append(
            field.invalid(path.child("generation"), now.get("generation", 0), "must not be decremented")
        )
    for name in (
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ):
        errors += immutable(now, before, name, path)
    return errors + _shared_errors(now, path, custom)


def _new_finalizer_errors(now: Obj, before: Obj, path: Path) -> list[FieldError]:
    added = [name for name in now.get("finalizers") or () if name not in (before.get("finalizers") or ())]
    if not added or "deletionTimestamp" not in before:
        return []
    shown = " ".join(f'"{name}"' for name in added)
    text = (
        "no new finalizers can be added if the object is being deleted, found new finalizers "
        f"[]string{{{shown}}}"
    )
    return [field.forbidden(path.child("finalizers"), text)]


def immutable(new: Mapping[str, Any], old: Mapping[str, Any], name: str, path: Path) -> list[FieldError]:
    """Check that one field did not change; absent and Go's zero value are the same."""
    if (new.get(name) or None) == (old.get(name) or None):
        return []
    return [field.invalid(path.child(name), new.get(name), IMMUTABLE)]


def validate_label_selector(selector: Obj | None, path: Path, needed: bool = False) -> list[FieldError]:
    """Check a LabelSelector; with `needed` an empty one is refused, as the workload kinds do."""
    if selector is None:
        return [field.required(path)] if needed else []
    errors: list[FieldError] = []
    if labels := selector.get("matchLabels"):
        errors += validate_labels(labels, path.child("matchLabels"))
    for number, term in enumerate(selector.get("matchExpressions") or ()):
        errors += _requirement_errors(term, path.child("matchExpressions").index(number))
    return errors


def _requirement_errors(term: Obj, path: Path) -> list[FieldError]:
    operator, values = term.get("operator", ""), term.get("values") or []
    errors = []
    if operator in ("In", "NotIn") and not values:
        errors.append(
            field.required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'")
        )
    elif operator in ("Exists", "DoesNotExist") and values:
        text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        errors.append(field.forbidden(path.child("values"), text))
    elif operator not in _SELECTOR_OPERATORS:
        errors.append(field.invalid(path.child("operator"), operator, "not a valid selector operator"))
    errors += [field.invalid(path.child("key"), term.get("key", ""), message)
               for message in names.is_qualified_name(term.get("key", ""))]  # fmt: skip
    for number, value in enumerate(values):
        errors += [field.invalid(path.child("values").index(number), value, message)
                   for message in names.is_label_value(value)]  # fmt: skip
    return errors
