"""Validation of where a node's configuration comes from: fields that are out of use, yet still checked.

Source: pkg/apis/core/validation validateNodeConfigSourceSpec, validateNodeConfigStatus (1.36).
"""

from api import field, names
from api.field import FieldError, Path
from api.resource import Obj

_RULES = (
    ("namespace", names.is_dns1123_label),
    ("name", names.is_dns1123_subdomain),
    ("kubeletConfigKey", names.is_config_map_key),
)


def config_status_errors(config: Obj, path: Path) -> list[FieldError]:
    """Check the sources that a node says it has, uses, and used last without a fault."""
    return [
        error
        for name in ("assigned", "active", "lastKnownGood")
        if config.get(name) is not None
        for error in source_errors(config[name], path.child(name), assigned=True)
    ]


def source_errors(source: Obj, path: Path, assigned: bool) -> list[FieldError]:
    """Check a source; one that is `assigned` says what object it is, a wished one does not."""
    found = source.get("configMap")
    if found is None:
        return [field.invalid(path, source, "exactly one reference subfield must be non-nil")]
    at = path.child("configMap")
    errors: list[FieldError] = []
    for name in ("uid", "resourceVersion"):
        if assigned and not found.get(name):
            errors.append(field.required(at.child(name), f"{name} must be set in status"))
        elif not assigned and found.get(name):
            errors.append(field.forbidden(at.child(name), f"{name} must not be set in spec"))
    for name, rule in _RULES:
        text = found.get(name, "")
        if not text:
            errors.append(field.required(at.child(name), f"{name} must be set"))
        errors += [field.invalid(at.child(name), text, why) for why in (rule(text) if text else ())]
    return errors
