"""The static types of expressions: primitives, lists, maps, optionals, objects with fields, opaque library
types.

Called by the checker, by whoever declares variables, and by `schema_types`. A type knows, beside what it
is, how its values look in JSON (`form`) and how large they may be (`max_size`); neither takes part in
comparisons.
Spec: github.com/google/cel-go common/types, k8s.io/apiserver/pkg/cel/types.go (1.36).
"""

from collections.abc import Mapping
from typing import Any

# Kinds of types that need no more than their name.
_ANY = frozenset(("dyn", "error"))
_NULLABLE = frozenset(("null", "timestamp", "duration", "object", "opaque"))
_SHOWN = {"null": "null", "dyn": "dyn", "error": "!error!"}


class Type:
    """A type: its kind, its name where the kind has several, and its parameters.

    `form` says how JSON holds the value where it is not the value itself: `date-time`, `date`, `duration`,
    `byte`, `number`. `max_size` bounds characters, items or entries (None: unknown). `list_type` is
    `x-kubernetes-list-type` (`set` or `map`) and `list_keys` the keys of the latter.
    """

    __slots__ = ("form", "kind", "list_keys", "list_type", "max_size", "name", "params")

    def __init__(self, kind: str, name: str = "", params: tuple["Type", ...] = ()) -> None:
        self.kind = kind
        self.name = name
        self.params = params
        self.form = ""
        self.max_size: int | None = None
        self.list_type = ""
        self.list_keys: tuple[str, ...] = ()

    def bounded(self, max_size: int | None) -> "Type":
        """Return the same type whose values have at most that many characters, items or entries."""
        return self._with(max_size=max_size)

    def encoded(self, form: str) -> "Type":
        """Return the same type for values that JSON holds in a form of its own."""
        return self._with(form=form)

    def listed(self, list_type: str, keys: tuple[str, ...] = ()) -> "Type":
        """Return the same list type with the semantics of `x-kubernetes-list-type`."""
        return self._with(list_type=list_type, list_keys=keys)

    def _with(self, **changes: Any) -> "Type":
        made = Type(self.kind, self.name, self.params)
        for name in ("form", "max_size", "list_type", "list_keys"):
            setattr(made, name, changes.get(name, getattr(self, name)))
        return made

    @property
    def is_any(self) -> bool:
        """True if values of every type pass."""
        return self.kind in _ANY

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Type)
            and (self.kind, self.name) == (other.kind, other.name)
            and self.params == other.params
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.name, self.params))

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        name = self.name or _SHOWN.get(self.kind, self.kind)
        if not self.params:
            return name
        return f"{name}({', '.join(map(str, self.params))})"


class ObjectType(Type):
    """An object with known fields: `fields` maps names as expressions write them to types.

    `json_names` says under which key JSON holds a field whose name had to be escaped. `null_is_absent`: a
    field that is null counts as not there, as in objects that a schema describes.
    """

    __slots__ = ("fields", "json_names", "null_is_absent")

    def __init__(
        self, name: str, fields: Mapping[str, Type], json_names: Mapping[str, str] | None = None
    ) -> None:
        super().__init__("object", name)
        self.fields = fields
        self.json_names = json_names or {}
        self.null_is_absent = False

    def _with(self, **changes: Any) -> Type:
        made = ObjectType(self.name, self.fields, self.json_names)
        made.max_size = changes.get("max_size", self.max_size)
        made.null_is_absent = self.null_is_absent
        return made


BOOL, INT, UINT, DOUBLE = Type("bool"), Type("int"), Type("uint"), Type("double")
STRING, BYTES, NULL, DYN = Type("string"), Type("bytes"), Type("null"), Type("dyn")
TIMESTAMP, DURATION = Type("timestamp"), Type("duration")
ERROR = Type("error")
# The parameters of generic functions.
A, B = Type("param", "A"), Type("param", "B")


def list_of(element: Type) -> Type:
    """Return the type of lists of that type."""
    return Type("list", "", (element,))


def map_of(key: Type, value: Type) -> Type:
    """Return the type of maps of those types."""
    return Type("map", "", (key, value))


def optional_of(value: Type) -> Type:
    """Return the type of values that may be absent."""
    return Type("opaque", "optional_type", (value,))


def opaque(name: str) -> Type:
    """Return a library's own type (`kubernetes.Quantity`)."""
    return Type("opaque", name)


def type_type(of: Type) -> Type:
    """Return the type of a type: what `type(x)` and the word `int` have."""
    return Type("type", "type", (of,))


def is_optional(of: Type) -> bool:
    """True for `optional_type(...)`."""
    return of.name == "optional_type"


LIST, MAP = list_of(DYN), map_of(DYN, DYN)


def is_assignable(expected: Type, actual: Type, bound: dict[str, Type]) -> bool:
    """Say whether a value of type `actual` passes as `expected`; `bound` gathers the type parameters'
    values.
    """
    if expected is actual and not expected.params:
        return True
    if expected.kind == "param":
        return _bind(expected.name, actual, bound)
    if expected.kind in _ANY or actual.kind in _ANY:
        return True
    if actual.kind == "null":
        return expected.kind in _NULLABLE
    if expected.kind == "null":
        return actual.kind in _NULLABLE
    if expected.kind != actual.kind or expected.name != actual.name:
        return False
    if expected.kind == "type":
        return True
    return all(is_assignable(*pair, bound) for pair in zip(expected.params, actual.params, strict=True))


def _bind(name: str, actual: Type, bound: dict[str, Type]) -> bool:
    known = bound.get(name)
    if known is None:
        bound[name] = actual
        return True
    if is_assignable(known, actual, bound) or is_assignable(actual, known, bound):
        bound[name] = most_general(known, actual)
        return True
    return False


def most_general(first: Type, second: Type) -> Type:
    """Return the type that holds values of both of two types that pass as each other."""
    if first is second or second.kind == "null" or first.kind in _ANY:
        return first
    if second.kind in _ANY or first.kind == "null":
        return second
    if not first.params or first.kind == "type":
        return first
    params = tuple(most_general(*pair) for pair in zip(first.params, second.params, strict=True))
    return first if params == first.params else Type(first.kind, first.name, params)


def substitute(of: Type, bound: Mapping[str, Type]) -> Type:
    """Return the type with its parameters replaced; those without a value become dyn."""
    if of.kind == "param":
        return bound.get(of.name, DYN)
    if not of.params:
        return of
    return Type(of.kind, of.name, tuple(substitute(param, bound) for param in of.params))
