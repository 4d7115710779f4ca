"""Looking objects up by something else than their name: volumes by class, attachments by node.

An `Index` is defined once, as a constant beside the decision that needs it; `Objects.find` answers by it. It
is built when it is first asked and follows every change and assumption from then on.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from api.resource import Key, Resource
from scheduler.changes import Changes

V = TypeVar("V")
_NOTHING: Mapping[Key, Any] = {}


@dataclass(frozen=True, eq=False)
class Index(Generic[V]):
    """`groups` names the groups that an object is in; `view` is what is kept of it: computed once per change,
    from the object alone.
    """

    resource: Resource[Any]
    groups: Callable[[Any], Iterable[Hashable]]
    view: Callable[[Any], V]


class Indexed(Generic[V]):
    """The objects of one resource in the groups of one index. Owned by `Objects`."""

    def __init__(self, index: Index[V]) -> None:
        self._index = index
        self._groups: dict[Hashable, dict[Key, V]] = {}
        self._places: dict[Key, tuple[Hashable, ...]] = {}
        # Groups that have changed.
        self.touched: Changes[Hashable] = Changes()

    def find(self, group: Hashable) -> Mapping[Key, V]:
        return self._groups.get(group, _NOTHING)

    def put(self, key: Key, obj: Any | None) -> None:
        """Note an object as it is now; None if it is gone."""
        for group in self._places.pop(key, ()):
            members = self._groups[group]
            del members[key]
            if not members:
                del self._groups[group]
            self.touched.add(group)
        if obj is None:
            return
        view = self._index.view(obj)
        places = self._places[key] = tuple(dict.fromkeys(self._index.groups(obj)))
        for group in places:
            self._groups.setdefault(group, {})[key] = view
            self.touched.add(group)
