"""PodGroups: the pods that are scheduled as one. Nothing of their spec may change.

Spec: pkg/apis/scheduling/validation ValidatePodGroup, ValidatePodGroupStatusUpdate (1.36).
"""

from api import field, names
from api.conditions import condition_errors
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.resource import Obj
from api.scheduling.policy import one_of, policy_errors

_SPEC = Path("spec")

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=True)
    if (reference := spec.get("podGroupTemplateRef")) is not None:
        errors += _reference_errors(reference, _SPEC.child("podGroupTemplateRef"))
    return errors + policy_errors(spec.get("schedulingPolicy") or {}, _SPEC.child("schedulingPolicy"))


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    now, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old)
    for name in ("podGroupTemplateRef", "schedulingPolicy"):
        errors += immutable(now, before, name, _SPEC)
    return errors


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    conditions = (new.get("status") or {}).get("conditions") or []
    return validate_metadata_update(new, old) + condition_errors(
        conditions, Path("status").child("conditions")
    )


def _reference_errors(reference: Obj, path: Path) -> list[FieldError]:
    errors = one_of(reference, ("workload",), path)
    workload = reference.get("workload")
    if workload is None:
        return errors
    for name, rule in (
        ("workloadName", names.is_dns1123_subdomain),
        ("podGroupTemplateName", names.is_dns1123_label),
    ):
        at, value = path.child("workload").child(name), workload.get(name) or ""
        errors += [field.invalid(at, value, text) for text in rule(value)] if value else [field.required(at)]
    return errors
