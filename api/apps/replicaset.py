"""ReplicaSets.

Spec: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation ValidateReplicaSet (1.36).
"""

from api.apps.template import (
    validate_replica_status,
    validate_replicas,
    validate_selector,
    validate_template_of,
)
from api.core.pod_defaults import default_template
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")

defaults = defaulting(
    nested={
        "spec": struct(defaulting(absent={"replicas": 1}, nested={"template": struct(default_template)})),
        "status": defaulting(absent={"replicas": 0}),
    }
)


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors = validate_replicas(spec, _SPEC)
    errors += validate_selector(spec.get("selector"), _SPEC.child("selector"))
    return errors + validate_template_of(spec, _SPEC, "ReplicaSet")


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + _spec_errors(spec)
    return errors + immutable(spec, before, "selector", _SPEC)


validate_status_update = validate_replica_status
