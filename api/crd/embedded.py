"""Objects within objects (`x-kubernetes-embedded-resource`): they need a kind and valid metadata.

Called by `api.crd.structural`. Source: apiextensions-apiserver pkg/apiserver/schema/objectmeta (1.36).
"""

from typing import Any

from api import names
from api.codec.json import DecodeError, go_kind
from api.crd.prune import META
from api.crd.schema import EMBEDDED, Trail, Visit, path_of, sparse
from api.field import FieldError, Path, invalid, required
from api.meta import validate_metadata
from api.resource import Obj
from api.schemas import Schema
from api.structure import normalise


def compile_embedded(schema: Schema) -> Visit | None:
    """Return what checks the embedded objects of an object; None if the schema has none."""
    # The root is checked as every object is.
    return sparse({**schema, EMBEDDED: False}, _local)


def _local(schema: Schema) -> Visit | None:
    return _check if schema.get(EMBEDDED) else None


def _check(value: Any, trail: Trail, errors: list[FieldError]) -> None:
    errors += object_errors(value, path_of(trail))


def object_errors(value: Any, path: Path) -> list[FieldError]:
    """Return what is wrong with the kind, version and metadata of an object; no name is fine."""
    if value.__class__ is not dict:
        return []
    errors = _version_errors(value.get("apiVersion", ""), path.child("apiVersion"))
    errors += _kind_errors(value.get("kind", ""), path.child("kind"))
    if "metadata" in value:
        errors += _metadata_errors(value["metadata"], path.child("metadata"))
    return errors


def _version_errors(version: Any, path: Path) -> list[FieldError]:
    if not isinstance(version, str):
        return [invalid(path, version, "must be a string")]
    if not version:
        return [required(path)]
    if version.count("/") > 1:
        return [invalid(path, version, f"unexpected GroupVersion string: {version}")]
    return []


def _kind_errors(kind: Any, path: Path) -> list[FieldError]:
    if not isinstance(kind, str):
        return [invalid(path, kind, "must be a string")]
    if not kind:
        return [required(path)]
    faults = names.is_dns1035_label(kind.lower())
    text = f"may have mixed case, but should otherwise match: {','.join(faults)}"
    return [invalid(path, kind, text)] if faults else []


def _metadata_errors(metadata: Any, path: Path) -> list[FieldError]:
    if not isinstance(metadata, dict):
        text = f"json: cannot unmarshal {go_kind(metadata)} into Go value of type v1.ObjectMeta"
        return [invalid(path, metadata, text)]
    try:
        made = normalise(metadata, META).obj
    except DecodeError as error:
        return [invalid(path, metadata, str(error))]
    # A template has no name yet.
    named: Obj = {"metadata": {**made, "name": made.get("name") or "fakename"}}
    return validate_metadata(named, bool(made.get("namespace")), names.is_path_segment, path)
