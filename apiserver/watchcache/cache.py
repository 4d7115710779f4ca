"""The watch cache of one resource: its present objects and its recent history, as bytes. Written by
`feed.py` alone.

Lists come from blocks of joined bytes, selections from label and field indexes that are built when first
asked for.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, Protocol

from api.resource import Key, Obj, Resource
from apiserver.watchcache.blocks import Blocks
from apiserver.watchcache.channel import Channel, Outlet, Pump, Transform, Watcher
from apiserver.watchcache.entry import Entry, FieldsOf
from apiserver.watchcache.layout import Layout, decode
from apiserver.watchcache.ring import ADDED, DELETED, MODIFIED, Ring, RingEvent
from apiserver.watchcache.select import Match, Selection, equal_labels
from kit import clock, log

_log = log.get("apiserver.watchcache")

# Decoded objects kept for `decoded`: enough for the service accounts, namespaces and policies of a busy
# moment.
DECODED = 256
# Label keys indexed at most, so that a client cannot make the cache grow without bound.
INDEXED_LABELS = 16
# What is done in one turn of the event loop: objects decoded for their labels, bytes copied for lists.
INSPECTED_AT_ONCE = 256
JOINED_AT_ONCE = 1 << 20

Index = dict[str, dict[Key, Entry]]


class TooOld(Exception):
    """A watch asked for history that is no longer kept; `oldest` is."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"history starts after {oldest}")
        self.oldest = oldest


class Reached(Protocol):
    """How far a cache has come: `progress.Progress`, or what a lane has done of it."""

    @property
    def revision(self) -> int: ...


class Cache:
    """All objects of a resource."""

    def __init__(
        self,
        resource: Resource[Any],
        fields_of: FieldsOf,
        indexed_fields: Iterable[str],
        pump: Pump,
        progress: Reached,
    ) -> None:
        self.resource = resource
        self.layout = Layout(resource)
        self.fields_of = fields_of
        self._progress = progress
        # Revision of the last change of any object of this resource.
        self.changed = 0
        self.ring = Ring(0)
        # Nothing comes in any more: the feed has been left. New watches end at once.
        self.left = False
        self._pump = pump
        self._entries: dict[Key, Entry] = {}
        # True once anybody has asked by labels or fields: from then on every entry knows its own.
        self._inspecting = False
        # Keys in the store whose values are no objects of this resource, or cannot be decrypted.
        self.unreadable: set[Key] = set()
        self._spaces: dict[str, Blocks] = {}
        self._ordered_spaces: list[str] | None = []
        self._labels: dict[str, Index] = {}
        self._fields: dict[str, Index | None] = dict.fromkeys(indexed_fields)
        self._decoded: OrderedDict[Key, tuple[int, Obj]] = OrderedDict()
        # Told of every object: (key, entry or None when it is gone). Called at once, in order; must be fast.
        self.listeners: list[Callable[[Key, Entry | None], None]] = []
        self._channels: dict[tuple[Selection, str], Channel] = {}
        # The same channels by what they can be told apart by: field and value, object name, else namespace
        # ("" = all).
        self._by_field: dict[str, dict[str, dict[Channel, None]]] = {path: {} for path in self._fields}
        self._by_space: dict[str, dict[Channel, None]] = {}
        self._by_name: dict[str, dict[Channel, None]] = {}

    # Reading.

    @property
    def revision(self) -> int:
        """The store's revision up to which the cache is complete."""
        return self._progress.revision

    def get(self, key: Key) -> Entry | None:
        return self._entries.get(key)

    def find(self, namespace: str, name: str) -> Obj | None:
        """Return an object, decoded anew; in a thread, too."""
        entry = self._entries.get(Key(namespace, name))
        return decode(entry.data) if entry is not None else None

    def __len__(self) -> int:
        return len(self._entries)

    def decoded(self, entry: Entry) -> Obj:
        """Return the object of an entry; shared, so it must not be changed."""
        found = self._decoded.get(entry.key)
        if found is not None and found[0] == entry.revision:
            self._decoded.move_to_end(entry.key)
            return found[1]
        obj = decode(entry.data)
        self._decoded[entry.key] = (entry.revision, obj)
        if len(self._decoded) > DECODED:
            self._decoded.popitem(last=False)
        return obj

    def spaces(self, namespace: str) -> list[Blocks]:
        """Return the blocks of a namespace, or of all of them in the order of the store's keys."""
        return [blocks for _, blocks in self._spaces_from(namespace, None)]

    def count(self, namespace: str, after: Key | None = None) -> int:
        """Return how many entries `scan` yields, without looking at them."""
        return sum(
            blocks.size if after is None or name != after.namespace else blocks.count_after(after.name)
            for name, blocks in self._spaces_from(namespace, after)
        )

    def scan(self, namespace: str, after: Key | None = None) -> Iterator[Entry]:
        """Yield the entries of a namespace (all: "") in the order of keys, those beyond `after`."""
        for name, blocks in self._spaces_from(namespace, after):
            yield from blocks if after is None or name != after.namespace else blocks.after(after.name)

    def _spaces_from(self, namespace: str, after: Key | None) -> Iterator[tuple[str, Blocks]]:
        """Yield the namespaces in which what is beyond `after` lies, in the order of keys."""
        if self._ordered_spaces is None:
            self._ordered_spaces = sorted(self._spaces, key=_space_order)
        names = self._ordered_spaces
        if namespace:
            names = [namespace] if namespace in self._spaces else []
        first = (
            bisect_left(names, _space_order(after.namespace), key=_space_order) if after is not None else 0
        )
        for name in islice(names, first, None):
            yield name, self._spaces[name]

    async def prepare(self, match: Match) -> None:
        """Do in turns, between which others are served, what `select` or a list of all would do at once.

        Labels and fields are worked out, blocks are joined: once for everything that is there, since what
        comes later is looked at when it comes.
        """
        if match.everything:
            await self._join(match.namespace)
        elif not self._inspecting:
            self._inspecting = True
            for number, entry in enumerate(list(self._entries.values()), 1):
                entry.inspect()
                if not number % INSPECTED_AT_ONCE:
                    await clock.sleep(0)

    async def _join(self, namespace: str) -> None:
        joined = 0
        for space in self.spaces(namespace):
            for block in list(space.blocks):
                if block.body is None:
                    joined += len(block.joined())
                    if joined > JOINED_AT_ONCE:
                        joined = 0
                        await clock.sleep(0)

    def select(
        self, selection: Selection, match: Match, after: Key | None = None, most: int | None = None
    ) -> list[Entry]:
        """Return the matching entries in the order of keys, those beyond `after`, at most so many."""
        if match.name and (selection.namespace or not self.resource.namespaced):
            entry = self._entries.get(Key(selection.namespace, match.name))
            beyond = entry is not None and (after is None or _order(entry.key) > _order(after))
            return [entry] if entry is not None and beyond and match(entry) else []
        candidates = self._indexed(selection, match)
        if candidates is None or (most is not None and len(candidates) > len(self) // 2):
            return list(islice(filter(match, self.scan(selection.namespace, after)), most))
        found = [entry for entry in candidates.values() if match(entry)]
        if after is not None:
            bound = _order(after)
            found = [entry for entry in found if _order(entry.key) > bound]
        found.sort(key=lambda entry: _order(entry.key))
        return found[:most]

    def _indexed(self, selection: Selection, match: Match) -> dict[Key, Entry] | None:
        for path, value in match.field_terms().items():
            if path in self._fields:
                return self._field_index(path).get(value, {})
        for label, value in equal_labels(selection.labels_text).items():
            index = self._label_index(label)
            if index is not None:
                return index.get(value, {})
        return None

    def _field_index(self, path: str) -> Index:
        index = self._fields[path]
        if index is None:
            index = self._fields[path] = {}
            for entry in self._entries.values():
                index.setdefault(entry.fields.get(path, ""), {})[entry.key] = entry
        return index

    def _label_index(self, label: str) -> Index | None:
        index = self._labels.get(label)
        if index is None and len(self._labels) < INDEXED_LABELS:
            index = self._labels[label] = {}
            for entry in self._entries.values():
                if (value := entry.labels.get(label)) is not None:
                    index.setdefault(value, {})[entry.key] = entry
        return index

    # Writing: by the feed.

    def load(self, items: Iterable[tuple[Key, int, bytes]], revision: int) -> None:
        """Fill the empty cache with what the store holds, and has held since `revision`."""
        for key, changed, value in items:
            data = self._served(key, changed, value)
            if data is None:
                continue
            entry = Entry(key, changed, data, self.fields_of)
            self._put(entry, None)
            for listener in self.listeners:
                listener(key, entry)
        self.ring = Ring(revision)
        self.changed = revision
        self.left = False

    def put(
        self, key: Key, revision: int, value: bytes, known: tuple[Mapping[str, str], Mapping[str, str]] | None
    ) -> None:
        """Take in a write. `known`: labels and fields of the object, if the writer was this process."""
        data = self._served(key, revision, value)
        if data is None:
            self._take_out(key)
            return
        labels, fields = known or (None, None)
        entry = Entry(key, revision, data, self.fields_of, labels, fields)
        if self._inspecting:
            entry.inspect()
        before = self._entries.get(key)
        self._put(entry, before)
        self._tell(RingEvent(MODIFIED if before else ADDED, entry, before))

    def _served(self, key: Key, revision: int, value: bytes) -> bytes | None:
        """Return the wire bytes of a store value; None, and remember that, if it is no object.

        What cannot be made out (sealed with a lost key, damaged) is set aside without an event: to tell of a
        deletion would set controllers to work.
        """
        try:
            data = self.layout.serve(value, revision)
        except ValueError as error:
            _log.error("unreadable object", resource=self.resource.group_resource, key=str(key),
                       error=str(error))  # fmt: skip
            self.unreadable.add(key)
            return None
        if self.unreadable:
            self.unreadable.discard(key)
        return data

    def remove(self, key: Key, revision: int) -> None:
        """Take in a deletion."""
        self.unreadable.discard(key)
        before = self._take_out(key)
        if before is not None:
            gone = before.moved(revision, self.layout.at(before.data, revision))
            self._tell(RingEvent(DELETED, gone, before))

    def _take_out(self, key: Key) -> Entry | None:
        before = self._entries.pop(key, None)
        if before is None:
            return None
        blocks = self._spaces[key.namespace]
        blocks.remove(key.name)
        if not blocks.size:
            del self._spaces[key.namespace]
            self._ordered_spaces = None
        self._reindex(None, before)
        self._decoded.pop(key, None)
        return before

    def clear(self, revision: int) -> None:
        """Forget everything and end all watches, before `load`: what is known does not lead to what is."""
        for channel in list(self._channels.values()):
            channel.end()
        for key in self.keys():
            self.remove(key, revision)
        self.unreadable.clear()
        # What is loaded next has not been looked at.
        self._inspecting = False

    def drop(self) -> None:
        """Forget everything at once and end all watches: nobody who listens is told."""
        for channel in list(self._channels.values()):
            channel.end()
        self._entries, self._spaces, self._ordered_spaces = {}, {}, []
        self._labels, self._fields = {}, dict.fromkeys(self._fields)
        self._decoded.clear()
        self.unreadable.clear()
        self.ring = Ring(0)

    def keys(self) -> list[Key]:
        return list(self._entries)

    def _put(self, entry: Entry, before: Entry | None) -> None:
        self._entries[entry.key] = entry
        blocks = self._spaces.get(entry.key.namespace)
        if blocks is None:
            blocks = self._spaces[entry.key.namespace] = Blocks()
            self._ordered_spaces = None
        blocks.put(entry)
        self._reindex(entry, before)

    def _reindex(self, entry: Entry | None, before: Entry | None) -> None:
        for path, index in self._fields.items():
            if index is not None:
                _move(index, entry, before, partial(_field, path))
        for label, index in self._labels.items():
            _move(index, entry, before, partial(_label, label))

    def _tell(self, event: RingEvent) -> None:
        self.changed = event.revision
        self.ring.append(event)
        for listener in self.listeners:
            listener(event.entry.key, event.entry if event.kind != DELETED else None)
        for channel in self._concerned(event):
            channel.accept(event)

    # Watching.

    def subscribe(
        self, selection: Selection, match: Match, form: str, transform: Transform | None, outlet: Outlet
    ) -> Watcher:
        """Return a new watcher that will get, once live, every event after now. `form` names `transform`."""
        channel = self._channels.get((selection, form))
        if channel is None:
            channel = self._channels[selection, form] = Channel(
                selection, match, transform, self.layout, self._pump
            )
            shelf, name = self._shelf(channel)
            shelf.setdefault(name, {})[channel] = None
            channel.emptied = lambda: self._close(selection, form)
        watcher = Watcher(channel, outlet)
        channel.watchers[watcher] = None
        if self.left:
            outlet.end()
        return watcher

    def history(self, watcher: Watcher, revision: int) -> Iterable[bytes]:
        """Return the frames of the events after `revision` that the watcher would have had. Raises
        `TooOld`.

        The events are noted now, but framed when their turn comes: it may be much, for many watchers at once.
        """
        if revision < self.ring.start:
            raise TooOld(self.ring.start)
        events = list(self.ring.after(revision))
        return filter(None, map(watcher.channel.framed, events))

    @property
    def watchers(self) -> int:
        return sum(len(channel.watchers) for channel in self._channels.values())

    def _close(self, selection: Selection, form: str) -> None:
        channel = self._channels.pop((selection, form), None)
        if channel is not None:
            shelf, name = self._shelf(channel)
            shelf[name].pop(channel, None)
            if not shelf[name]:
                del shelf[name]

    def _shelf(self, channel: Channel) -> tuple[dict[str, dict[Channel, None]], str]:
        for path, value in channel.match.field_terms().items():
            if path in self._by_field:
                return self._by_field[path], value
        if channel.match.name:
            return self._by_name, channel.match.name
        return self._by_space, channel.match.namespace

    def _concerned(self, event: RingEvent) -> list[Channel]:
        found = list(self._by_space.get("", ()))
        if event.entry.key.namespace:
            found.extend(self._by_space.get(event.entry.key.namespace, ()))
        if self._by_name:
            found.extend(self._by_name.get(event.entry.key.name, ()))
        for path, shelf in self._by_field.items():
            if shelf:
                values = {event.entry.fields.get(path, "")}
                if event.before is not None:
                    values.add(event.before.fields.get(path, ""))
                for value in values:
                    found.extend(shelf.get(value, ()))
        return found


def _space_order(namespace: str) -> str:
    return namespace + "/"


def _order(key: Key) -> tuple[str, str]:
    return _space_order(key.namespace), key.name


def _field(path: str, one: Entry) -> str:
    return one.fields.get(path, "")


def _label(name: str, one: Entry) -> str | None:
    return one.labels.get(name)


def _move(
    index: Index, entry: Entry | None, before: Entry | None, value_of: Callable[[Entry], str | None]
) -> None:
    if before is not None and (old := value_of(before)) is not None:
        found = index.get(old)
        if found is not None:
            found.pop(before.key, None)
            if not found:
                del index[old]
    if entry is not None and (new := value_of(entry)) is not None:
        index.setdefault(new, {})[entry.key] = entry
