"""The names of a definition: of the object itself, and those that its resource is known by.

Called by `api.apiextensions.customresourcedefinition`. Source: apiextensions-apiserver
pkg/apis/apiextensions/validation ValidateCustomResourceDefinitionNames (1.36).
"""

from api import names as rules
from api.field import FieldError, Path, invalid, required
from api.resource import Obj

_NEEDED = ("plural", "singular", "kind", "listKind")


def object_name_errors(obj: Obj) -> list[FieldError]:
    """Check that the definition is named as its resource."""
    spec, name = obj.get("spec") or {}, (obj.get("metadata") or {}).get("name", "")
    wanted = f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}"
    if not name or name == wanted:
        return []
    return [invalid(Path("metadata").child("name"), name, 'must be spec.names.plural+"."+spec.group')]


def needed_errors(names: Obj, path: Path) -> list[FieldError]:
    """Check that the names are there that a spec must have."""
    return [required(path.child(name)) for name in _NEEDED if not names.get(name)]


def names_errors(names: Obj, path: Path) -> list[FieldError]:
    """Check the form of the names that are there."""
    errors = [
        invalid(path.child(name), names[name], ",".join(faults))
        for name in ("plural", "singular")
        if names.get(name) and (faults := rules.is_dns1035_label(names[name]))
    ]
    for name in ("kind", "listKind"):
        if names.get(name) and (faults := rules.is_dns1035_label(names[name].lower())):
            text = f"may have mixed case, but should otherwise match: {','.join(faults)}"
            errors.append(invalid(path.child(name), names[name], text))
    errors += _list_errors(names.get("shortNames") or (), path.child("shortNames"))
    if names.get("kind") and names["kind"] == names.get("listKind"):
        text = "kind and listKind may not be the same"
        errors.append(invalid(path.child("listKind"), names["listKind"], text))
    return errors + _list_errors(names.get("categories") or (), path.child("categories"))


def _list_errors(names: list[str] | tuple[str, ...], path: Path) -> list[FieldError]:
    return [
        invalid(path.index(number), name, ",".join(faults))
        for number, name in enumerate(names)
        if (faults := rules.is_dns1035_label(name))
    ]
