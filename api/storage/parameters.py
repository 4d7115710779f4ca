"""What storage classes and volume attributes classes have in common: a driver and parameters for it.

Spec: pkg/apis/storage/validation validateProvisioner, validateParameters (1.36).
"""

from collections.abc import Mapping

from api import field, names
from api.field import FieldError, Path

PARAMETERS_MAX = 512
PARAMETERS_MAX_BYTES = 256 * 1024


def provisioner_errors(name: str, path: Path) -> list[FieldError]:
    """Check the name of a provisioner: a qualified name in any case."""
    if not name:
        return [field.required(path)]
    return [field.invalid(path, name.lower(), text) for text in names.is_qualified_name(name.lower())]


def parameters_errors(parameters: Mapping[str, str] | None, path: Path, needed: bool) -> list[FieldError]:
    """Check parameters; `needed`: there must be one."""
    given = parameters or {}
    if len(given) > PARAMETERS_MAX:
        return [field.too_long(path, PARAMETERS_MAX)]
    errors = [field.invalid(path, "", "field can not be empty.")] if "" in given else []
    if sum(len(key.encode()) + len(value.encode()) for key, value in given.items()) > PARAMETERS_MAX_BYTES:
        errors.append(field.too_long(path, PARAMETERS_MAX_BYTES))
    if needed and not given:
        errors.append(field.required(path, "must contain at least one key/value pair"))
    return errors
