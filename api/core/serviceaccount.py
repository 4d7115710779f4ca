"""ServiceAccounts. Spec: pkg/apis/core/validation ValidateServiceAccount (1.36)."""

from api.field import FieldError
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj


def defaults(obj: Obj) -> Obj:
    """Keep only the names of secrets. Spec: serviceaccount strategy cleanSecretReferences (1.36)."""
    secrets = obj.get("secrets") or ()
    if all(secret.keys() <= {"name"} for secret in secrets):
        return obj
    return {**obj, "secrets": [{"name": secret["name"]} if "name" in secret else {} for secret in secrets]}


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)
