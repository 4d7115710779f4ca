"""The waist of the store: what every backend does, and the errors that it raises.

A store is an ordered map from keys to values under one increasing revision. Each successful write is one
transaction on one key and takes the next revision. Acknowledged means durable. All backends pass
`tests/contract/test_store.py`.

    StoreError
      KeyExists          create: the key is there (carries it)
      RevisionMismatch   update, delete: the key is at another revision, or gone (carries it or None)
      Compacted          list, watch: the revision asked for is no longer kept (carries the oldest kept)
      FutureRevision     list, watch: the revision asked for has not happened yet
      Unavailable        the store cannot be reached or has lost its quorum; `outcome_unknown` says whether
                         a write may have happened all the same
      TooLarge           the store takes no value of this size
      Unreadable         get: the value is there but cannot be decrypted
      NoSpace            the store refuses writes for lack of space
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One key as it stands. `created` is the revision of its creation, `revision` that of its last write."""

    key: str
    value: bytes
    created: int
    revision: int


@dataclass(frozen=True, slots=True)
class Page:
    """Keys in order at `revision`. `remaining` counts the keys of the prefix after the last one returned."""

    items: list[KeyValue]
    revision: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Event:
    """One write. A deletion has `value` None; `previous` is the key as it stood before, None on creation."""

    key: str
    value: bytes | None
    revision: int
    created: int
    previous: KeyValue | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in revision order, complete up to and including `revision`; none: a progress notice."""

    events: tuple[Event, ...]
    revision: int


class StoreError(Exception):
    retryable: ClassVar[bool] = False


class KeyExists(StoreError):
    def __init__(self, current: KeyValue) -> None:
        super().__init__(f"{current.key} exists at revision {current.revision}")
        self.current = current


class RevisionMismatch(StoreError):
    def __init__(self, key: str, current: KeyValue | None) -> None:
        where = f"is at revision {current.revision}" if current else "does not exist"
        super().__init__(f"{key} {where}")
        self.current = current


class Compacted(StoreError):
    def __init__(self, oldest: int) -> None:
        super().__init__(f"the revision has been compacted; the oldest kept is {oldest}")
        self.oldest = oldest


class FutureRevision(StoreError):
    def __init__(self, current: int) -> None:
        super().__init__(f"the revision is in the future; the current one is {current}")
        self.current = current


class Unavailable(StoreError):
    retryable = True

    def __init__(self, message: str, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class NoSpace(StoreError):
    pass


class Unreadable(StoreError):
    """The key is there, but its value cannot be made out: by a backend that decrypts."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f'unable to transform key "{key}": {reason}')


class TooLarge(StoreError):
    """The store takes no value of this size."""


class Backend(Protocol):
    """A store, for any number of tasks of one event loop. A cancelled call has an unknown outcome."""

    async def get(self, key: str) -> KeyValue | None:
        """Return the key, linearizably: no acknowledged write is missed."""

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        """Return keys that start with `prefix`, in byte order, beyond key `after`, at most `limit` (0: all).

        `revision` 0 reads the present, linearizably. Raises `Compacted`, `FutureRevision`.
        """

    async def create(self, key: str, value: bytes, ttl_s: int = 0) -> int:
        """Write a key that must not exist; return its revision. Raises `KeyExists`.

        With `ttl_s` the key is deleted after so many seconds, or a little later. A write without ends that.
        """

    async def update(self, key: str, value: bytes, revision: int, ttl_s: int = 0) -> int:
        """Overwrite the key if it is at `revision`; return the new one. Raises `RevisionMismatch`."""

    async def delete(self, key: str, revision: int) -> int:
        """Delete the key if it is at `revision`; return the deletion's. Raises `RevisionMismatch`."""

    def watch(self, prefix: str, revision: int) -> AsyncGenerator[Batch, None]:
        """Yield every write under `prefix` after `revision`, in order, without gap or repeat, for ever.

        A lost connection is made good inside. Progress notices (empty batches) come at least every 10 s when
        idle, and soon after `progress` is called. Raises `Compacted` when the history has been compacted
        beyond where the watch stands, `FutureRevision` when `revision` has not happened yet. Close the
        generator to end the watch.
        """

    async def progress(self) -> None:
        """Make every open watch yield, soon, a batch whose revision is at least the present one."""

    async def current_revision(self) -> int:
        """Return the present revision, linearizably; 0 is never returned (an empty store is at 1)."""

    async def compact(self, revision: int) -> None:
        """Forget the history before `revision`. Compacting twice, or to the past, does nothing."""

    async def size_bytes(self) -> int:
        """Return the size of the store's data on disk (in memory for the memory backend)."""

    async def close(self) -> None:
        """Release connections; watches end with `Unavailable`."""
