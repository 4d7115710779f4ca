"""ConfigMaps. Spec: pkg/apis/core/validation ValidateConfigMap, ValidateConfigMapUpdate (1.36)."""

from collections.abc import Mapping
from typing import Any

from api import field, names
from api.codec.shapes import equal
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

MAX_BYTES = 1 << 20
IMMUTABLE_SET = "field is immutable when `immutable` is set"

defaults = unchanged


def keys_errors(data: Mapping[str, Any], path: Path) -> list[FieldError]:
    """Check the keys of a map whose entries become files."""
    return [field.invalid(path.key(key), key, text) for key in data for text in names.is_config_map_key(key)]


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True)
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    errors += keys_errors(data, Path("data"))
    for key in data:
        if key in binary:
            text = "duplicate of key present in binaryData"
            errors.append(field.invalid(Path("data").key(key), key, text))
    errors += keys_errors(binary, Path("binaryData"))
    total = sum(len(text.encode()) for text in data.values()) + sum(
        decoded_size(text) for text in binary.values()
    )
    if total > MAX_BYTES:
        # Upstream has no path for the whole and writes "[]".
        errors.append(field.too_long(Path("[]"), MAX_BYTES))
    return errors


def decoded_size(text: str) -> int:
    """Return the number of bytes that a base64 text stands for."""
    return len(text) * 3 // 4 - text.count("=")


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    if old.get("immutable"):
        errors += immutable_errors(new, old, ("data", "binaryData"))
    return errors + validate(new)


def immutable_errors(new: Obj, old: Obj, fields: tuple[str, ...]) -> list[FieldError]:
    """Check that an object which was made immutable stays so, and its data too."""
    errors = [] if new.get("immutable") else [field.forbidden(Path("immutable"), IMMUTABLE_SET)]
    return errors + [
        field.forbidden(Path(name), IMMUTABLE_SET)
        for name in fields
        if not equal(new.get(name) or {}, old.get(name) or {})
    ]
