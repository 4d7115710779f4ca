"""ResourceClaimTemplates: what the claims of pods are made from.

Spec: pkg/apis/resource/validation ValidateResourceClaimTemplate (1.36).
"""

from api import field
from api.codec.shapes import equal
from api.defaulting import defaulting
from api.dra.requests import default_spec, spec_errors
from api.field import FieldError, Path
from api.meta import (
    IMMUTABLE,
    validate_annotations,
    validate_labels,
    validate_metadata,
    validate_metadata_update,
)
from api.resource import Obj

_SPEC = Path("spec")

defaults = defaulting(nested={"spec": defaulting(nested={"spec": default_spec})})


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    metadata, at = spec.get("metadata") or {}, _SPEC.child("metadata")
    errors = validate_metadata(obj, namespaced=True)
    errors += validate_annotations(metadata.get("annotations") or {}, at.child("annotations"))
    errors += validate_labels(metadata.get("labels") or {}, at.child("labels"))
    return errors + spec_errors(spec.get("spec") or {}, _SPEC.child("spec"))


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    if not equal(new.get("spec"), old.get("spec")):
        errors.append(field.invalid(_SPEC, new.get("spec"), IMMUTABLE))
    return errors
