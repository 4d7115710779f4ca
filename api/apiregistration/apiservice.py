"""APIServices. Spec: kube-aggregator/pkg/apis/apiregistration v1/defaults.go, validation (1.36)."""

from api import field, names
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_PRIORITY_MAX = {"groupPriorityMinimum": 20000, "versionPriority": 1000}
_STATUSES = ("True", "False", "Unknown")

defaults = defaulting(nested={"spec": defaulting(nested={"service": defaulting(absent={"port": 443})})})


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    wanted = f"{spec.get('version', '')}.{spec.get('group', '')}"

    def named(name: str) -> list[str]:
        faults = names.is_path_segment(name)
        if faults or name == wanted:
            return faults
        return [f'must be `spec.version+"."+spec.group`: "{wanted}"']

    errors = validate_metadata(obj, namespaced=False, rule=named)
    errors += _identity_errors(spec.get("group", ""), spec.get("version", ""))
    for priority, most in _PRIORITY_MAX.items():
        value = spec.get(priority, 0)
        if not 0 < value <= most:
            text = f"must be positive and less than {most}"
            errors.append(field.invalid(_SPEC.child(priority), value, text))
    return errors + (_local_errors(spec) if spec.get("service") is None else _remote_errors(spec))


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)


def validate_status(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    for number, condition in enumerate((new.get("status") or {}).get("conditions") or ()):
        status = condition.get("status", "")
        if status not in _STATUSES:
            at = Path("status").child("conditions").index(number).child("status")
            errors.append(field.not_supported(at, status, _STATUSES))
    return errors


def _identity_errors(group: str, version: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if not group and version != "v1":
        text = "only v1 may have an empty group and it better be legacy kube"
        errors.append(field.required(_SPEC.child("group"), text))
    if group:
        at = _SPEC.child("group")
        errors += [field.invalid(at, group, text) for text in names.is_dns1123_subdomain(group)]
    at = _SPEC.child("version")
    return errors + [field.invalid(at, version, text) for text in names.is_dns1035_label(version)]


def _local_errors(spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    if spec.get("caBundle"):
        size = len(spec["caBundle"].rstrip("=")) * 3 // 4
        text = "local APIServices may not have a caBundle"
        errors.append(field.invalid(_SPEC.child("caBundle"), f"{size} bytes", text))
    if spec.get("insecureSkipTLSVerify"):
        text = "local APIServices may not have insecureSkipTLSVerify"
        errors.append(field.invalid(_SPEC.child("insecureSkipTLSVerify"), True, text))
    return errors


def _remote_errors(spec: Obj) -> list[FieldError]:
    service, at = spec["service"], _SPEC.child("service")
    errors = [field.required(at.child(part)) for part in ("namespace", "name") if not service.get(part)]
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        text = "may not be true if caBundle is present"
        errors.append(field.invalid(_SPEC.child("insecureSkipTLSVerify"), True, text))
    return errors
