"""References from objects of networking to others. Spec: pkg/apis/networking/validation (1.36)."""

from api import field, names
from api.field import FieldError, Path
from api.resource import Obj


def local_reference_errors(reference: Obj, path: Path) -> list[FieldError]:
    """Check a typed reference: group if given, kind and name."""
    errors: list[FieldError] = []
    group = reference.get("apiGroup")
    if group is not None:
        errors += [
            field.invalid(path.child("apiGroup"), group, text) for text in names.is_dns1123_subdomain(group)
        ]
    for name in ("kind", "name"):
        value = reference.get(name, "")
        if not value:
            errors.append(field.required(path.child(name), f"{name} is required"))
        errors += segment_errors(value, path.child(name))
    return errors


def segment_errors(text: str, path: Path) -> list[FieldError]:
    """Check what must fit in a URL as one segment."""
    return [field.invalid(path, text, why) for why in names.is_path_segment(text)]
