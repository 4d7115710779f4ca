"""The scale of a custom resource: where its objects hold replicas and selector.

Called by `api.crd.structural` and by the API server's `/scale`.
Source: apiextensions-apiserver pkg/registry/customresource validator.go (1.36).
"""

from dataclasses import dataclass
from typing import Any

from api.codec.json import go_kind
from api.field import FieldError, Path, invalid
from api.resource import Obj

_MOST = (1 << 31) - 1


@dataclass(frozen=True)
class Scale:
    """The paths of a `subresources.scale`: `.spec.replicas`; `selector` may be ""."""

    spec: str
    status: str
    selector: str = ""

    @classmethod
    def of(cls, scale: Obj) -> "Scale":
        """Return the paths that a CRD declares."""
        return cls(
            scale.get("specReplicasPath", ""),
            scale.get("statusReplicasPath", ""),
            scale.get("labelSelectorPath") or "",
        )

    def validate(self, obj: Obj) -> list[FieldError]:
        """Check both numbers and the selector of an object."""
        return _number_errors(obj, self.spec) + self.validate_status(obj)

    def validate_status(self, obj: Obj) -> list[FieldError]:
        """Check the number and the selector that the status holds."""
        errors = _number_errors(obj, self.status)
        if self.selector:
            selector, fault = nested(obj, self.selector, str)
            if fault:
                errors.append(invalid(Path(self.selector), selector or "", fault))
        return errors


def _number_errors(obj: Obj, path: str) -> list[FieldError]:
    number, fault = nested(obj, path, int)
    if not fault and number is not None:
        if number < 0:
            fault = "should be a non-negative integer"
        elif number > _MOST:
            fault = f"should be less than or equal to {_MOST}"
    return [invalid(Path(path), number or 0, fault)] if fault else []


def nested(obj: Obj, path: str, kind: type) -> tuple[Any, str]:
    """Return (value at a dotted path, None if it is absent; what is wrong with the path's values, or "")."""
    value: Any = obj
    steps = path.removeprefix(".").split(".")
    for number, step in enumerate(steps):
        if not isinstance(value, dict):
            where = "." + ".".join(steps[: number + 1])
            shown = f"accessor error: {_shown(value)} is of the type {_go_type(value)}"
            return None, f"{where} {shown}, expected map[string]interface{{}}"
        if step not in value:
            return None, ""
        value = value[step]
    if value.__class__ is kind:
        return value, ""
    wanted = "int64" if kind is int else "string"
    where = "." + ".".join(steps)
    return (
        None,
        f"{where} accessor error: {_shown(value)} is of the type {_go_type(value)}, expected {wanted}",
    )


def _shown(value: Any) -> str:
    return "<nil>" if value is None else str(value)


def _go_type(value: Any) -> str:
    named = {"null": "<nil>", "array": "[]interface {}", "object": "map[string]interface {}"}
    kind = go_kind(value)
    if kind == "number":
        return "int64" if isinstance(value, int) else "float64"
    return named.get(kind, kind)
