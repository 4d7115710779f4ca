"""What mutations build: keys of JSON pointers, and the types `Object...` and `JSONPatch`.

Spec: k8s.io/apiserver/pkg/cel/library/jsonpatch.go, pkg/cel/mutation (1.36).
"""

from collections.abc import Iterator, Mapping

from api.cel.declarations import Library, Overload, first_traversal
from api.cel.types import DYN, STRING, ObjectType, Type


def _escape_key(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


class _AnyField(Mapping[str, Type]):
    """Fields of an object that has all fields: what they may hold shows when the object is applied."""

    def __getitem__(self, key: str) -> Type:
        return DYN

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_ANY = _AnyField()
_PATCH_FIELDS = {"op": STRING, "path": STRING, "from": STRING, "value": DYN}


def constructed_type(name: str) -> ObjectType:
    """Return the type of `NAME{...}`: of a JSON patch operation, or of (a part of) an object."""
    return ObjectType(name, _PATCH_FIELDS if name == "JSONPatch" else _ANY)


_COST, _BOUND = first_traversal()
FUNCTIONS: Library = {
    "jsonpatch.escapeKey": (Overload((STRING,), STRING, _escape_key, False, _COST, _BOUND),),
}
