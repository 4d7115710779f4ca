"""One version of a definition: its schema, subresources, columns and selectable fields.

Called by `api.apiextensions.customresourcedefinition`. Source: apiextensions-apiserver
pkg/apis/apiextensions/validation validateCustomResourceDefinitionVersion (1.36).
"""

from collections.abc import Iterator

from api.apiextensions.schemas import schema_errors
from api.crd.fieldpath import resolve
from api.field import FieldError, Path, duplicate, invalid, required, too_many
from api.resource import Obj
from api.schemas import Schema

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_MOST_SELECTABLE = 8
_WARNING_MAX = 256


def version_errors(version: Obj, path: Path, old: Obj | None = None) -> list[FieldError]:
    """Return what is wrong with a version. `old`: what it was; a schema that did not change is let be."""
    errors = [*_warning_errors(version, path.child("deprecationWarning"))]
    schema, subresources = _schema(version), version.get("subresources") or {}
    at = path.child("schema")
    if schema is None:
        errors.append(required(at.child("openAPIV3Schema"), "schemas are required"))
    elif old is None or not _is_same_schema(version, old):
        errors += schema_errors(schema, at, subresources.get("status") is not None)
    if subresources.get("scale") is not None:
        errors += _scale_errors(subresources["scale"], path.child("subresources"))
    for number, column in enumerate(version.get("additionalPrinterColumns") or ()):
        errors += _column_errors(column, path.child("additionalPrinterColumns").index(number))
    if version.get("selectableFields"):
        errors += _selectable_errors(version["selectableFields"], schema, path.child("selectableFields"))
    return errors


def _schema(version: Obj) -> Schema | None:
    found: Schema | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return found


def _is_same_schema(version: Obj, old: Obj) -> bool:
    both = [
        (_schema(each), (each.get("subresources") or {}).get("status") is None) for each in (version, old)
    ]
    return both[0] == both[1]


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
        yield required(path.child("jsonPath"))
    else:
        yield from _path_errors(text, path.child("jsonPath"), "")


def _selectable_errors(fields: list[Obj], schema: Schema | None, path: Path) -> Iterator[FieldError]:
    if schema is None:
        text = "selectableFields may only be set when version.schema.openAPIV3Schema is not included"
        yield invalid(path, "", text)
        return
    seen: set[str] = set()
    for number, item in enumerate(fields):
        at, text = path.index(number), item.get("jsonPath", "")
        if not text:
            yield required(at.child("jsonPath"))
            continue
        try:
            found, first, leaf = resolve(text, schema, brackets=False)
        except ValueError as error:
            yield invalid(at.child("jsonPath"), text, f"is an invalid path: {error}")
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
