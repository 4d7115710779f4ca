"""One object as the watch cache holds it: its bytes, and what selectors ask about, worked out when first
asked."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from api.resource import Key, Obj
from apiserver.watchcache.layout import decode

# The selectable fields of an object: {"metadata.name": ..., "spec.nodeName": ...}
FieldsOf: TypeAlias = Callable[[Obj], dict[str, str]]

_NO_LABELS: Mapping[str, str] = {}
# Labels by what is in them: most objects have theirs in common with others.
_SHARED: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
_MOST_SHARED = 8192


def shared_labels(labels: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return equal labels that others have, too. They must not be changed."""
    if not labels:
        return _NO_LABELS
    if len(_SHARED) >= _MOST_SHARED:
        _SHARED.clear()
    return _SHARED.setdefault(tuple(labels.items()), labels)


class Entry:
    """An object at a revision. Never changed once made, except for the lazily filled labels and fields."""

    __slots__ = ("_fields", "_fields_of", "_labels", "data", "key", "revision")

    def __init__(
        self,
        key: Key,
        revision: int,
        data: bytes,
        fields_of: FieldsOf,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self.key = key
        self.revision = revision
        # Wire form, shared by GET, LIST and every watch event.
        self.data = data
        self._fields_of = fields_of
        self._labels = labels
        self._fields = fields

    @property
    def labels(self) -> Mapping[str, str]:
        if self._labels is None:
            self._inspect()
        return self._labels or _NO_LABELS

    @property
    def fields(self) -> Mapping[str, str]:
        if self._fields is None:
            self._inspect()
        return self._fields or {}

    def inspect(self) -> None:
        """Work out labels and fields now, if they are not known."""
        if self._labels is None or self._fields is None:
            self._inspect()

    def _inspect(self) -> None:
        obj = decode(self.data)
        self._labels = shared_labels(obj["metadata"].get("labels"))
        self._fields = self._fields_of(obj)

    def moved(self, revision: int, data: bytes) -> "Entry":
        """Return the same object at another revision: how a deletion is told."""
        return Entry(self.key, revision, data, self._fields_of, self._labels, self._fields)
