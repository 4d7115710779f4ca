"""Namespaces: their label of their own name, and their finalizers.

Spec: pkg/apis/core/v1 SetDefaults_Namespace, pkg/apis/core/validation ValidateNamespace (1.36).
"""

from api import field, names
from api.field import FieldError, Path
from api.meta import finalizer_errors, validate_metadata, validate_metadata_update
from api.resource import Obj

NAME_LABEL = "kubernetes.io/metadata.name"
_FINALIZERS = Path("spec").child("finalizers")


def defaults(obj: Obj) -> Obj:
    """Fill the label that holds the name, and the phase."""
    metadata = obj.get("metadata") or {}
    name, labels = metadata.get("name"), metadata.get("labels") or {}
    new: Obj = {}
    if name and labels.get(NAME_LABEL) != name:
        new["metadata"] = {**metadata, "labels": {**labels, NAME_LABEL: name}}
    if not (obj.get("status") or {}).get("phase"):
        new["status"] = {**(obj.get("status") or {}), "phase": "Active"}
    return {**obj, **new} if new else obj


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False, rule=names.is_dns1123_label)
    for finalizer in (obj.get("spec") or {}).get("finalizers") or ():
        errors += finalizer_errors(finalizer, _FINALIZERS)
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old)


def validate_finalize_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `finalize`."""
    errors = validate_metadata_update(new, old)
    for number, finalizer in enumerate((new.get("spec") or {}).get("finalizers") or ()):
        errors += finalizer_errors(finalizer, _FINALIZERS.index(number))
    return errors


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`: the phase follows the deletion timestamp."""
    errors = validate_metadata_update(new, old)
    phase = (new.get("status") or {}).get("phase", "")
    deleting = "deletionTimestamp" in (new.get("metadata") or {})
    path = Path("status").child("Phase")
    if deleting and phase != "Terminating":
        errors.append(
            field.invalid(path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")
        )
    elif not deleting and phase != "Active":
        errors.append(field.invalid(path, phase, "may only be 'Active' if `deletionTimestamp` is empty"))
    return errors
