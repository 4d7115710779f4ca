"""References to objects of any kind. Spec: ValidateCrossVersionObjectReference (1.36)."""

from api import field, names
from api.field import FieldError, Path
from api.resource import Obj


def reference_errors(target: Obj, path: Path) -> list[FieldError]:
    """Check kind and name."""
    errors: list[FieldError] = []
    for name in ("kind", "name"):
        value = target.get(name, "")
        if not value:
            errors.append(field.required(path.child(name)))
        errors += [field.invalid(path.child(name), value, text) for text in names.is_path_segment(value)]
    return errors
