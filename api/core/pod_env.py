"""Validation of environment variables and of references to fields of the pod.

Source: pkg/apis/core/validation ValidateEnv, validateObjectFieldSelector,
validateContainerResourceFieldSelector (1.36).
"""

import re

from api import field, names
from api.core.pod_mounts import local_path_errors
from api.field import FieldError, Path
from api.quantity import parse_quantity
from api.resource import Obj

_ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
_VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
    "requests.memory",
)  # fmt: skip
_HUGE = ("limits.hugepages-", "requests.hugepages-")
_SUBSCRIPT = re.compile(r"(metadata\.(?:annotations|labels))\['(.*)'\]").fullmatch
# A divisor must make a readable number of the unit of the resource.
_DIVISORS = {
    "cpu": ("1m", "1"),
    "memory": ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"),
}
_PRINTABLE = re.compile(r"[ -<>-~]+").fullmatch


def env_errors(container: Obj, path: Path) -> list[FieldError]:
    """Check `env` and `envFrom`."""
    errors: list[FieldError] = []
    for number, variable in enumerate(container.get("env") or ()):
        name, source = variable.get("name", ""), variable.get("valueFrom")
        if name and _PRINTABLE(name) and source is None:
            continue
        at = path.child("env").index(number)
        if not name:
            errors.append(field.required(at.child("name")))
        else:
            errors += [
                field.invalid(at.child("name"), name, text) for text in names.is_relaxed_env_var_name(name)
            ]
        if source is not None:
            errors += _source_errors(variable, source, at.child("valueFrom"))
    for number, source in enumerate(container.get("envFrom") or ()):
        errors += _env_from_errors(source, number, path.child("envFrom"))
    return errors


def _source_errors(variable: Obj, source: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    count = 0
    for name, check in (("fieldRef", _env_field_errors), ("resourceFieldRef", resource_field_errors),
                        ("configMapKeyRef", _key_errors), ("secretKeyRef", _key_errors),
                        ("fileKeyRef", _file_key_errors)):  # fmt: skip
        if source.get(name) is not None:
            count += 1
            errors += check(source[name], path.child(name))
    if count == 0:
        errors.append(field.invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, "
                                    "`configMapKeyRef`, `secretKeyRef`, or `fileKeyRef`"))  # fmt: skip
    elif variable.get("value"):
        errors.append(field.invalid(path, "", "may not be specified when `value` is not empty"))
    elif count > 1:
        errors.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return errors


def _env_field_errors(reference: Obj, path: Path) -> list[FieldError]:
    return field_ref_errors(reference, _ENV_FIELDS, path)


def volume_field_errors(reference: Obj, path: Path) -> list[FieldError]:
    """Check a reference to a field from a downward API volume."""
    return field_ref_errors(reference, _VOLUME_FIELDS, path)


def field_ref_errors(reference: Obj, allowed: tuple[str, ...], path: Path) -> list[FieldError]:
    """Check a reference to a field of the pod; subscripts of labels and annotations are always allowed."""
    version, text = reference.get("apiVersion", ""), reference.get("fieldPath", "")
    if not version:
        return [field.required(path.child("apiVersion"))]
    if not text:
        return [field.required(path.child("fieldPath"))]
    at = path.child("fieldPath")
    if version != "v1":
        return [field.invalid(at, text, f"error converting fieldPath: field label not supported: {text}")]
    if match := _SUBSCRIPT(text):
        what, key = match[1], match[2]
        found = names.is_qualified_name(key.lower() if what == "metadata.annotations" else key)
        return [field.invalid(path, key, message) for message in found]
    if "[" in text:
        return [
            field.invalid(
                at, text, f"error converting fieldPath: field label does not support subscript: {text}"
            )
        ]
    if text in (*_ENV_FIELDS, *_VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"):
        return [] if text in allowed else [field.not_supported(at, text, allowed)]
    return [field.invalid(at, text, f"error converting fieldPath: field label not supported: {text}")]


def resource_field_errors(reference: Obj, path: Path, needs_container: bool = False) -> list[FieldError]:
    """Check a reference to a request or limit."""
    errors: list[FieldError] = []
    resource = reference.get("resource", "")
    known = resource in _RESOURCES or resource.startswith(_HUGE)
    if needs_container and not reference.get("containerName"):
        errors.append(field.required(path.child("containerName")))
    elif not resource:
        errors.append(field.required(path.child("resource")))
    elif not known:
        errors.append(field.not_supported(path.child("resource"), resource, _RESOURCES))
    return (
        errors
        if not known
        else errors + _divisor_errors(resource, reference.get("divisor", "0"), path.child("divisor"))
    )


def _divisor_errors(resource: str, text: str | int | float, path: Path) -> list[FieldError]:
    divisor, kind = parse_quantity(text), resource.partition(".")[2]
    if divisor.nano == 0:
        return []
    allowed = _DIVISORS["cpu" if kind == "cpu" else "memory"]
    if str(divisor) in allowed:
        return []
    what = {"ephemeral-storage": "local ephemeral storage"}.get(kind, "hugepages" if "huge" in kind else kind)
    shown = " and ".join(allowed) if kind == "cpu" else ", ".join(allowed)
    return [
        field.invalid(path, resource, f"only divisor's values {shown} are supported with the {what} resource")
    ]


def _key_errors(reference: Obj, path: Path) -> list[FieldError]:
    key, name = reference.get("key", ""), reference.get("name", "")
    errors = [field.invalid(path.child("name"), name, text) for text in names.is_dns1123_subdomain(name)]
    if not key:
        return [*errors, field.required(path.child("key"))]
    return errors + [field.invalid(path.child("key"), key, text) for text in names.is_config_map_key(key)]


def _file_key_errors(reference: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, rule in (("key", names.is_relaxed_env_var_name), ("volumeName", names.is_dns1123_label)):
        text = reference.get(name, "")
        if not text:
            errors.append(field.required(path.child(name)))
        errors += [field.invalid(path.child(name), text, why) for why in (rule(text) if text else ())]
    place = reference.get("path", "")
    return errors + (
        local_path_errors(place, path.child("path")) if place else [field.required(path.child("path"))]
    )


def _env_from_errors(source: Obj, number: int, whole: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    path = whole.index(number)
    if prefix := source.get("prefix"):
        errors += [
            field.invalid(path.child("prefix"), prefix, text)
            for text in names.is_relaxed_env_var_name(prefix)
        ]
    found = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
    for name in found:
        at, text = path.child(name).child("name"), source[name].get("name", "")
        errors += (
            [field.invalid(at, text, why) for why in names.is_dns1123_subdomain(text)]
            if text
            else [field.required(at)]
        )
    if not found:
        errors.append(field.invalid(whole, "", "must specify one of: `configMapRef` or `secretRef`"))
    elif len(found) > 1:
        errors.append(field.invalid(whole, "", "may not have more than one field specified at a time"))
    return errors
