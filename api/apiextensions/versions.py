"""The versions of a definition: their schemas, subresources, columns and selectable fields.

Called by `api.apiextensions.customresourcedefinition`. Source: apiextensions-apiserver pkg/apis/apiextensions
validation validateCustomResourceDefinitionVersion, v1/conversion.go (1.36).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from api import names
from api.apiextensions.schemas import schema_errors
from api.crd.fieldpath import resolve
from api.field import FieldError, Path, duplicate, invalid, required, too_many
from api.resource import Obj
from api.schemas import Schema

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_MOST_SELECTABLE = 8
_WARNING_MAX = 256


# What several versions may have in common: upstream's internal form then has it once, so messages name it
# there; the schema is called `validation`.
_PARTS = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")


@dataclass(frozen=True)
class _Part:
    """Where the parts of one or of all versions stand. `schema` is theirs, `same` tells that it did not
    change.
    """

    path: Path
    schema_name: str
    schema: Schema | None
    has_status: bool
    same: bool


def versions_errors(spec: Obj, old: Obj, path: Path) -> list[FieldError]:
    """Return what is wrong with the versions of a spec; a schema that did not change is let be."""
    versions = spec.get("versions") or []
    common = _common_parts(versions)
    before = {version.get("name"): version for version in old.get("versions") or ()}
    errors = [*_schema_gaps(versions, path.child("versions"))]
    for number, version in enumerate(versions):
        at = path.child("versions").index(number)
        errors += _name_errors(version.get("name", ""), at.child("name"))
        errors += _warning_errors(version, at.child("deprecationWarning"))
        own = {name: value for name, value in version.items() if name not in common}
        same = _is_same_schema(version, before.get(version.get("name")))
        part = _Part(at, "schema", _schema(version), _has_status(version), same)
        errors += _part_errors(own, part)
    return [*errors, *_together_errors(versions, path.child("versions"))]


def common_errors(spec: Obj, old: Obj, path: Path) -> list[FieldError]:
    """Return what is wrong with the parts that all versions have in common."""
    versions = spec.get("versions") or []
    before = {version.get("name"): version for version in old.get("versions") or ()}
    same = all(_is_same_schema(version, before.get(version.get("name"))) for version in versions)
    has_status, common = any(_has_status(version) for version in versions), _common_parts(versions)
    return [*_part_errors(common, _Part(path, "validation", _schema(common), has_status, same))]


def _common_parts(versions: list[Obj]) -> Obj:
    """Return the parts that are the same in all versions."""
    if not versions:
        return {}
    first, *others = versions
    common = {
        name: first[name]
        for name in _PARTS
        if name in first and all(other.get(name) == first[name] for other in others)
    }
    if "schema" not in common:
        # Fields are selected of a schema.
        common.pop("selectableFields", None)
    return common


def _part_errors(parts: Obj, place: _Part) -> Iterator[FieldError]:
    path, schema = place.path, _schema(parts)
    if schema is not None and not place.same:
        yield from schema_errors(schema, path.child(place.schema_name), place.has_status)
    scale = (parts.get("subresources") or {}).get("scale")
    if scale is not None:
        yield from _scale_errors(scale, path.child("subresources"))
    for number, column in enumerate(parts.get("additionalPrinterColumns") or ()):
        yield from _column_errors(column, path.child("additionalPrinterColumns").index(number))
    if fields := parts.get("selectableFields"):
        yield from _selectable_errors(fields, place.schema, path.child("selectableFields"))


def _schema_gaps(versions: list[Obj], path: Path) -> Iterator[FieldError]:
    for number, version in enumerate(versions):
        if _schema(version) is None:
            yield required(
                path.index(number).child("schema").child("openAPIV3Schema"), "schemas are required"
            )


def _name_errors(name: str, path: Path) -> list[FieldError]:
    faults = names.is_dns1035_label(name)
    return [invalid(path, name, ",".join(faults))] if faults else []


def _together_errors(versions: list[Obj], path: Path) -> Iterator[FieldError]:
    seen = [version.get("name", "") for version in versions]
    if len(set(seen)) != len(seen):
        yield invalid(path, versions, "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield invalid(path, versions, "must have exactly one version marked as storage version")


def _schema(version: Obj) -> Schema | None:
    found: Schema | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return found


def _has_status(version: Obj) -> bool:
    return (version.get("subresources") or {}).get("status") is not None


def _is_same_schema(version: Obj, old: Obj | None) -> bool:
    if old is None:
        return False
    return _schema(version) == _schema(old) and _has_status(version) == _has_status(old)


def _warning_errors(version: Obj, path: Path) -> Iterator[FieldError]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    if not version.get("deprecated"):
        yield invalid(path, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > _WARNING_MAX:
        yield invalid(path, text, f"must be <= {_WARNING_MAX} characters long")
    if not text:
        yield invalid(path, text, "must not be an empty string")
    for number, letter in enumerate(text):
        if not letter.isprintable():
            place = len(text[:number].encode())
            why = f"non-printable character found at index {place}"
            yield invalid(path, text, f"must only contain printable UTF-8 characters; {why}")
            break


def _scale_errors(scale: Obj, path: Path) -> Iterator[FieldError]:
    for name, below in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        at, text = path.child(f"scale.{name}"), scale.get(name, "")
        if not text:
            yield required(at)
        else:
            yield from _path_errors(text, at, below)
    selector = scale.get("labelSelectorPath")
    if selector and (not selector.startswith((".spec.", ".status.")) or not _is_simple(selector)):
        at = path.child("scale.labelSelectorPath")
        yield from _path_errors(selector, at, "")
        if _is_simple(selector):
            yield invalid(at, selector, "should be a json path under either .spec or .status")


def _path_errors(text: str, path: Path, below: str) -> Iterator[FieldError]:
    if not _is_simple(text):
        yield invalid(path, text, "must be a simple json path starting with .")
    elif below and not text.startswith(below):
        yield invalid(path, text, f"should be a json path under {below.rstrip('.')}")


def _is_simple(text: str) -> bool:
    return text.startswith(".")


def _column_errors(column: Obj, path: Path) -> Iterator[FieldError]:
    if not column.get("name"):
        yield required(path.child("name"))
    kind, shape, text = column.get("type", ""), column.get("format", ""), column.get("jsonPath", "")
    types = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not kind:
        yield required(path.child("type"), types)
    elif kind not in _COLUMN_TYPES:
        yield invalid(path.child("type"), kind, types)
    if shape and shape not in _COLUMN_FORMATS:
        yield invalid(path.child("format"), shape, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not text:
        yield required(path.child("JSONPath"))
    else:
        yield from _path_errors(text, path.child("JSONPath"), "")


def _selectable_errors(fields: list[Obj], schema: Schema | None, path: Path) -> Iterator[FieldError]:
    if schema is None:
        yield invalid(path, "", "selectableFields may only be set when validations.schema is included")
        return
    seen: set[str] = set()
    for number, item in enumerate(fields):
        at, text = path.index(number).child("jsonPath"), item.get("jsonPath", "")
        if not text:
            yield required(at)
            continue
        try:
            found, first, leaf = resolve(text, schema, brackets=False)
        except ValueError as error:
            yield invalid(at, text, f"is an invalid path: {error}")
            continue
        yield from _selected_errors(text, first, leaf, at)
        if str(found) in seen:
            yield duplicate(at, text)
        seen.add(str(found))
    if len(seen) > _MOST_SELECTABLE:
        yield too_many(path, len(seen), _MOST_SELECTABLE)


def _selected_errors(text: str, first: str, leaf: Schema, path: Path) -> Iterator[FieldError]:
    if first == "metadata":
        yield invalid(path, text, "must not point to fields in metadata")
    if leaf.get("type") not in ("string", "boolean", "integer"):
        why = (
            "must point to a field of type string, boolean or integer. "
            "Enum string fields and strings with formats are allowed."
        )
        yield invalid(path, text, why)
