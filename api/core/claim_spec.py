"""Validation of the spec of a claim: of a PersistentVolumeClaim, a claim template, an ephemeral volume.

Source: pkg/apis/core/validation ValidatePersistentVolumeClaimSpec (1.36).
"""

from api import field, names
from api.field import FieldError, Path
from api.meta import validate_label_selector
from api.quantity import parse_quantity
from api.resource import Obj

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
_CLAIM = "PersistentVolumeClaim"


def claim_errors(spec: Obj, path: Path, any_group: bool = False) -> list[FieldError]:
    """Check a claim; `any_group` lets odd API groups of data sources pass, as of claims that have one."""
    at = path.child("accessModes")
    errors = [] if spec.get("accessModes") else [field.required(at, "at least 1 access mode is required")]
    errors += validate_label_selector(spec.get("selector"), path.child("selector"))
    errors += access_mode_errors(spec, path)
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    at = path.child("resources").key("storage")
    if storage is None:
        errors.append(field.required(at))
    elif parse_quantity(storage).nano <= 0:
        errors.append(field.invalid(at, str(parse_quantity(storage)), "must be greater than zero"))
    for name in ("storageClassName", "volumeAttributesClassName"):
        errors += class_name_errors(spec, name, path)
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        errors.append(field.not_supported(path.child("volumeMode"), mode, VOLUME_MODES))
    return errors + _data_errors(spec, path, any_group)


def class_name_errors(spec: Obj, name: str, path: Path) -> list[FieldError]:
    """Check the name of a class that a claim or volume may have."""
    text = spec.get(name)
    return (
        [field.invalid(path.child(name), text, why) for why in names.is_dns1123_subdomain(text)]
        if text
        else []
    )


def access_mode_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check the members of `accessModes`, which volumes and claims have."""
    modes, at = spec.get("accessModes") or [], path.child("accessModes")
    errors = [field.not_supported(at, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if "ReadWriteOncePod" in modes and any(mode in ACCESS_MODES[:-1] for mode in modes):
        errors.append(field.forbidden(at, "may not use ReadWriteOncePod with other access modes"))
    return errors


def _data_errors(spec: Obj, path: Path, any_group: bool) -> list[FieldError]:
    """Check where the volume's first data come from, under the old and the new name of that field."""
    old, new = spec.get("dataSource"), spec.get("dataSourceRef")
    errors: list[FieldError] = []
    for name, source in (("dataSource", old), ("dataSourceRef", new)):
        if source is not None:
            errors += _source_errors(source, path.child(name), any_group)
    at = str(path.child("dataSource"))
    if new is not None and new.get("namespace"):
        space = new["namespace"]
        here = path.child("dataSourceRef").child("namespace")
        errors += [field.invalid(here, space, text) for text in names.is_dns1123_label(space)]
        if old is not None:
            errors.append(
                field.invalid(path, at, "may not be specified when dataSourceRef.namespace is specified")
            )
    elif old is not None and new is not None and _identity(old) != _identity(new):
        errors.append(field.invalid(path, at, "must match dataSourceRef"))
    return errors


def _identity(source: Obj) -> tuple[str | None, str, str]:
    return source.get("apiGroup"), source.get("kind", ""), source.get("name", "")


def _source_errors(source: Obj, path: Path, any_group: bool) -> list[FieldError]:
    group, kind = source.get("apiGroup") or "", source.get("kind", "")
    errors = [field.required(path.child(name)) for name in ("name", "kind") if not source.get(name)]
    if not group and kind != _CLAIM:
        errors.append(field.invalid(path, kind, f"must be '{_CLAIM}' when referencing the default apiGroup"))
    if group and not any_group:
        errors += [
            field.invalid(path.child("apiGroup"), group, text) for text in names.is_dns1123_subdomain(group)
        ]
    return errors
