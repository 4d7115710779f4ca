"""One informer for all nodes of a process: each node has its share of the objects. Used by `fleet.py`."""

from collections.abc import Callable
from typing import Any

from client.informer import Informer


class Share:
    """One node's part; a `Feed`. Objects that are there before anybody subscribes are told to each
    subscriber.
    """

    __slots__ = ("_functions", "_informer", "_known")

    def __init__(self, informer: Informer[Any]) -> None:
        self._informer = informer
        self._functions: list[Callable[[Any, Any], None]] = []
        self._known: dict[str, Any] = {}

    def subscribe(self, function: Callable[[Any, Any], None]) -> None:
        self._functions.append(function)
        for obj in list(self._known.values()):
            function(None, obj)

    def unsubscribe_all(self) -> None:
        """Tell nobody any more: the agent has been stopped."""
        self._functions.clear()

    async def synced(self) -> None:
        await self._informer.synced()

    def tell(self, old: Any, new: Any) -> None:
        """Pass a change on."""
        current = new if new is not None else old
        uid = current["metadata"].get("uid", "")
        if new is None:
            self._known.pop(uid, None)
        else:
            self._known[uid] = new
        for function in self._functions:
            function(old, new)


class Shares:
    """Deals the changes of one informer out to nodes; `node_of` says whose an object is."""

    def __init__(self, informer: Informer[Any], node_of: Callable[[Any], str]) -> None:
        self._informer = informer
        self._node_of = node_of
        self._by_node: dict[str, Share] = {}
        informer.subscribe(self._changed)

    def of(self, node: str) -> Share:
        return self._by_node.setdefault(node, Share(self._informer))

    def _changed(self, old: Any, new: Any) -> None:
        if share := self._by_node.get(self._node_of(new if new is not None else old)):
            # A pod that has just been bound is new to its node.
            before = old if old is not None and self._node_of(old) else None
            share.tell(before, new)
