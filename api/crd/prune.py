"""What decoding does to a custom object: unknown fields and nulls go, object metadata gets its form.

Only objects that need it come here (`api.crd.fast` tells). Called by `Structural.conform`.
Source: apiextensions-apiserver pkg/apiserver schema/pruning, schema/objectmeta/coerce.go,
schema/defaulting/prunenulls.go (1.36).
"""

from dataclasses import dataclass, field
from typing import Any

from api.codec.json import MAX_STRICT_ERRORS, DecodeError, go_kind
from api.codec.typed import Conformed
from api.crd.schema import EMBEDDED, META_FIELDS, PRESERVE, drops_null, others_of
from api.field import Path, invalid
from api.resource import Obj
from api.schemas import Schema
from api.structure import has_form, normalise

META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


@dataclass
class Pruned:
    """Where unknown fields were: in the root's metadata, elsewhere, in metadata of embedded objects."""

    meta: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    embedded: list[str] = field(default_factory=list)

    @property
    def unknown(self) -> list[str]:
        return self.meta + sorted(self.fields) + self.embedded


def prune(obj: Obj, schema: Schema) -> tuple[Obj, list[str]]:
    """Return the object in its form, and the paths of the fields that the schema does not have.

    Raises DecodeError.
    """
    found = Pruned()
    made = dict(obj)
    if "metadata" in obj:
        made["metadata"] = _coerced(obj["metadata"], "metadata", found.meta)
    inner = _map(made, schema, "", found, lenient=bool(schema.get(PRESERVE)), meta=META_FIELDS)
    return inner, found.unknown


def conform_metadata(obj: Obj) -> Conformed:
    """Return the object with its metadata in their form; the same one if they are. Raises DecodeError."""
    metadata = obj.get("metadata")
    if metadata is None or has_form(metadata, META):
        return Conformed(obj)
    unknown: list[str] = []
    made = {**obj, "metadata": _coerced(metadata, "metadata", unknown)}
    return Conformed(made, unknown[:MAX_STRICT_ERRORS])


def prune_value(value: Any, schema: Schema) -> list[str]:
    """Return the paths of what is unknown in a value (not an object of its own). Raises DecodeError."""
    found = Pruned()
    _value(value, schema, "", found)
    return sorted(found.fields)


def _coerced(metadata: Any, path: str, unknown: list[str]) -> Any:
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise DecodeError(f"json: cannot unmarshal {go_kind(metadata)} into Go value of type v1.ObjectMeta")
    conformed = normalise(metadata, META)
    unknown += [f"{path}.{name}" for name in conformed.unknown]
    return conformed.obj


def _value(value: Any, schema: Schema | None, path: str, found: Pruned, lenient: bool = False) -> Any:
    """Return the value without unknown members; `lenient`: they stay, here and in the elements of lists."""
    if value.__class__ is list:
        items = (schema or {}).get("items")
        lenient = lenient or bool((schema or {}).get(PRESERVE))
        return [_value(item, items, f"{path}[{n}]", found, lenient) for n, item in enumerate(value)]
    if value.__class__ is not dict:
        return value
    if schema is None:
        if lenient:
            return value
        found.fields += [f"{path}.{name}" for name in value]
        return {}
    lenient = lenient or bool(schema.get(PRESERVE))
    if not schema.get(EMBEDDED):
        return _map(value, schema, path, found, lenient)
    return _map(_embedded(value, path, found), schema, path, found, lenient, META_FIELDS)


def _map(
    value: Obj, schema: Schema, path: str, found: Pruned, lenient: bool, meta: frozenset[str] = frozenset()
) -> Obj:
    fields, others = schema.get("properties") or {}, others_of(schema)
    # If there may be none, that is for validation to say.
    open_map = schema.get("additionalProperties") is not None
    made: Obj = {}
    for name, item in value.items():
        child = fields.get(name, others)
        if item is None and child is not None and drops_null(child):
            continue
        if name in meta:
            made[name] = item
        elif name in fields or open_map:
            made[name] = _value(item, child, f"{path}.{name}" if path else name, found)
        elif lenient:
            made[name] = item
        else:
            found.fields.append(f"{path}.{name}" if path else name)
    return made


def _embedded(value: Obj, path: str, found: Pruned) -> Obj:
    for name in ("apiVersion", "kind"):
        if name in value and not isinstance(value[name], str):
            raise DecodeError(str(invalid(Path(path).child(name), value[name], "must be a string")))
    if "metadata" not in value:
        return value
    try:
        metadata = _coerced(value["metadata"], f"{path}.metadata", found.embedded)
    except DecodeError as error:
        fault = invalid(Path(path).child("metadata"), value["metadata"], str(error))
        raise DecodeError(str(fault)) from error
    return {**value, "metadata": metadata}
