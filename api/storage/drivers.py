"""Names of drivers, of storage and of devices alike.

Spec: pkg/apis/core/validation ValidateCSIDriverName (1.36).
"""

from api import field, names
from api.field import FieldError, Path

DRIVER_MAX = 63


def driver_errors(text: str, path: Path) -> list[FieldError]:
    """Check the name of a driver: a subdomain in any case, of at most 63 letters."""
    if not text:
        return [field.required(path)]
    errors = [field.too_long(path, DRIVER_MAX)] if len(text) > DRIVER_MAX else []
    return errors + [field.invalid(path, text, why) for why in names.is_dns1123_subdomain(text.lower())]
