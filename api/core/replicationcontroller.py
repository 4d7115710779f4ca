"""ReplicationControllers: a selector is a map, and the labels follow from the template.

Spec: pkg/apis/core/v1 SetDefaults_ReplicationController, validation ValidateReplicationController (1.36).
"""

from api import field
from api.apps.template import validate_lasting, validate_replica_status, validate_replicas
from api.core.pod_defaults import default_template
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")

_fill = defaulting(
    nested={
        "spec": struct(defaulting(absent={"replicas": 1}, nested={"template": default_template})),
        "status": defaulting(absent={"replicas": 0}),
    }
)


def defaults(obj: Obj) -> Obj:
    """Fill the selector and the labels from the template's labels."""
    obj = _fill(obj)
    spec, metadata = obj.get("spec") or {}, obj.get("metadata") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if not labels:
        return obj
    new: Obj = {}
    if not spec.get("selector"):
        new["spec"] = {**spec, "selector": dict(labels)}
    if not metadata.get("labels"):
        new["metadata"] = {**metadata, "labels": dict(labels)}
    return {**obj, **new} if new else obj


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors = validate_replicas(spec, _SPEC)
    selector, template = spec.get("selector") or {}, spec.get("template")
    at = _SPEC.child("template")
    if not selector:
        errors.append(field.required(_SPEC.child("selector")))
    if template is None:
        return [*errors, field.required(at)]
    labels = (template.get("metadata") or {}).get("labels") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        text = "`selector` does not match template `labels`"
        errors.append(field.invalid(at.child("metadata").child("labels"), labels, text))
    return errors + validate_lasting(template, at, "ReplicationController")


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + _spec_errors(new.get("spec") or {})


validate_status_update = validate_replica_status
