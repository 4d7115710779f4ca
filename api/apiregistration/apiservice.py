"""APIServices. Spec: kube-aggregator/pkg/apis/apiregistration v1/defaults.go, validation (1.36)."""

from api import field
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_PRIORITY_MAX = {"groupPriorityMinimum": 20000, "versionPriority": 1000}

defaults = defaulting(nested={"spec": defaulting(nested={"service": defaulting(absent={"port": 443})})})


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=False)
    name, wanted = (
        (obj.get("metadata") or {}).get("name", ""),
        f"{spec.get('version', '')}.{spec.get('group', '')}",
    )
    if name and name != wanted:
        text = f'must be `spec.version+"."+spec.group`: "{wanted}"'
        errors.append(field.invalid(Path("metadata").child("name"), name, text))
    if not spec.get("version"):
        errors.append(field.required(_SPEC.child("version")))
    for priority, most in _PRIORITY_MAX.items():
        value = spec.get(priority, 0)
        if not 0 < value <= most:
            text = f"must be positive and less than {most}"
            errors.append(field.invalid(_SPEC.child(priority), value, text))
    service = spec.get("service")
    if service is None:
        return errors
    for part in ("namespace", "name"):
        if not service.get(part):
            errors.append(field.required(_SPEC.child("service").child(part)))
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        at = _SPEC.child("insecureSkipTLSVerify")
        errors.append(field.invalid(at, True, "may not be true if caBundle is present"))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)
