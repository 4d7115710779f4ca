"""A definition that is valid, for tests to spoil."""

from api.apiextensions.customresourcedefinition import defaults
from api.resource import Obj


def definition(schema: Obj | None = None, spec: Obj | None = None, **version: object) -> Obj:
    """Return a defaulted definition of boxes with one version."""
    root = schema or {"type": "object", "properties": {"spec": {"type": "object"}}}
    versions = [
        {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": root}, **version}
    ]
    whole = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "boxes", "kind": "Box"},
        "versions": versions,
        **(spec or {}),
    }
    return defaults(
        {"kind": "CustomResourceDefinition", "metadata": {"name": "boxes.example.com"}, "spec": whole}
    )
