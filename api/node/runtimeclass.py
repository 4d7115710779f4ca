"""RuntimeClasses. Spec: pkg/apis/node/v1/defaults.go, validation ValidateRuntimeClass (1.36)."""

from api import field, names
from api.core.pod_affinity import tolerations_errors
from api.core.pod_resources import list_errors
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import immutable, validate_labels, validate_metadata, validate_metadata_update
from api.resource import Obj

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    handler, scheduling = obj.get("handler", ""), obj.get("scheduling") or {}
    errors += [field.invalid(Path("handler"), handler, text) for text in names.is_dns1123_label(handler)]
    overhead = (obj.get("overhead") or {}).get("podFixed") or {}
    errors += list_errors(overhead, Path("overhead").child("podFixed"))
    path = Path("scheduling")
    errors += validate_labels(scheduling.get("nodeSelector") or {}, path.child("nodeSelector"))
    tolerations, at = scheduling.get("tolerations") or [], path.child("tolerations")
    errors += tolerations_errors(tolerations, at)
    return errors + [
        field.duplicate(at.index(number), toleration)
        for number, toleration in enumerate(tolerations)
        if toleration in tolerations[:number]
    ]


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + immutable(new, old, "handler", Path())
