"""The store in one SQLite file: a single machine without etcd. One API server at a time (a lock file sees to
it).

Writes queue up on the event loop and are applied there in one transaction; only the commit, which waits for
the disk, runs in a thread. What arrives meanwhile is the next group. So there is one hand-over per group, not
per statement, and the disk is asked once for many writes.

    idle --submit--> apply the queue --> commit in the thread --> acknowledge, publish --+
      ^                    ^                                                             |
      |                    +---- more queued; between groups: sweep, truncate the WAL <--+
      +-------------------------------- nothing queued <---------------------------------+

Checkpoints copy the write-ahead log into the file from a second connection, beside the writes.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from kit import clock, log
from store import table
from store.backend import (
    Batch,
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyValue,
    Page,
    RevisionMismatch,
    StoreError,
    Unavailable,
)
from store.expiry import Expiries
from store.feed import Feed

T = TypeVar("T")
_log = log.get("store.sqlite")

# Writes in one transaction: bounds how long the event loop is busy with them.
GROUP = 256
# How long a group waits for someone else's lock on the file (a backup, a shell).
BUSY_MS = 5000
LOCK_S = 5.0
REPLAY_EVENTS = 1000
# Bytes written before the log is copied into the file, and the size at which writes stop once to empty it.
CHECKPOINT_BYTES = 8 * 1024 * 1024
TRUNCATE_BYTES = 64 * 1024 * 1024
EXPIRE_AGAIN_S = 10.0


@dataclass(slots=True)
class _Write:
    """A queued write: `apply` runs inside the transaction and returns its event, if it makes one."""

    apply: Callable[[], Event | None]
    done: asyncio.Future[int]
    expires: float | None = None


class SqliteBackend:
    """See `store.backend.Backend`. Make it with `SqliteBackend.open`."""

    def __init__(self, path: Path, lock: IO[bytes]) -> None:
        self._path = path
        self._lock = lock
        self._loop = asyncio.get_running_loop()
        self._writer = table.connect(path)
        self._writer.executescript(table.SCHEMA)
        self._reader = table.connect(path, read_only=True)
        self._scanner = table.connect(path, read_only=True)
        self._checkpointer = table.connect(path)
        self._commits = ThreadPoolExecutor(1, "store-commit")
        self._scans = ThreadPoolExecutor(1, "store-read")
        self._copies = ThreadPoolExecutor(1, "store-checkpoint")
        self._revision = table.current_revision(self._writer)
        self._feed = Feed(self._revision)
        self._expiries = Expiries(self._expire)
        self._queue: list[_Write] = []
        self._busy = False
        self._idle: asyncio.Future[None] | None = None
        self._closed = False
        self._sweeping = True
        self._since_checkpoint = 0
        self._checkpointing: asyncio.Future[object] | None = None

    @classmethod
    async def open(cls, path: Path) -> "SqliteBackend":
        """Open or make the file. Raises `Unavailable` when another process has it or it cannot be opened."""
        lock = await _lock(path)
        try:
            self = cls(path, lock)
        except sqlite3.Error as error:
            lock.close()
            raise table.error_for(error) from error
        now = clock.now().timestamp()
        for key, revision, expires in table.expiring(self._reader):
            self._expiries.add(key, revision, max(0.0, expires - now))
        return self

    # Writes.

    async def create(self, key: str, value: bytes, ttl_s: int = 0) -> int:
        expires = self._expiry_time(ttl_s)
        return await self._submit(partial(self._create, key, value, expires), expires)

    async def update(self, key: str, value: bytes, revision: int, ttl_s: int = 0) -> int:
        expires = self._expiry_time(ttl_s)
        return await self._submit(partial(self._update, key, value, revision, expires), expires)

    async def delete(self, key: str, revision: int) -> int:
        return await self._submit(partial(self._delete, key, revision))

    async def compact(self, revision: int) -> None:
        await self._submit(partial(self._compact, revision))

    def _expiry_time(self, ttl_s: int) -> float | None:
        return clock.now().timestamp() + ttl_s if ttl_s else None

    def _create(self, key: str, value: bytes, expires: float | None) -> Event:
        current, _ = table.youngest(self._writer, key)
        if current is not None:
            raise KeyExists(current)
        self._revision += 1
        event = Event(key, value, self._revision, self._revision, None)
        table.append(self._writer, event, expires)
        return event

    def _update(self, key: str, value: bytes | None, revision: int, expires: float | None) -> Event:
        current, _ = table.youngest(self._writer, key)
        if current is None or current.revision != revision:
            raise RevisionMismatch(key, current)
        self._revision += 1
        event = Event(key, value, self._revision, current.created, current)
        table.append(self._writer, event, expires)
        return event

    def _delete(self, key: str, revision: int) -> Event:
        return self._update(key, None, revision, None)

    def _compact(self, revision: int) -> None:
        if revision > self._revision:
            raise FutureRevision(self._revision)
        if revision > table.meta(self._writer, "compacted"):
            table.set_meta(self._writer, "compacted", revision)
            self._sweeping = True

    def _barrier(self) -> None:
        """Does nothing, after everything before it."""

    def _submit(self, apply: Callable[[], Event | None], expires: float | None = None) -> asyncio.Future[int]:
        done: asyncio.Future[int] = self._loop.create_future()
        if self._closed:
            done.set_exception(Unavailable("the store is closed"))
            return done
        self._queue.append(_Write(apply, done, expires))
        if not self._busy:
            # Soon rather than now: whoever else writes in this turn of the loop joins the group.
            self._busy = True
            self._loop.call_soon(self._next)
        return done

    def _next(self) -> None:
        if self._queue:
            group, self._queue = self._queue[:GROUP], self._queue[GROUP:]
            self._begin(group)
        elif self._sweeping and not self._closed:
            self._in_thread(partial(table.sweep, self._writer), self._swept)
        else:
            self._busy = False
            if self._idle is not None:
                self._idle.set_result(None)

    def _begin(self, group: list[_Write]) -> None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            self._in_thread(self._begin_patiently, partial(self._begun, group))
        else:
            self._apply(group)

    def _begin_patiently(self) -> None:
        self._writer.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        finally:
            self._writer.execute("PRAGMA busy_timeout=0")

    def _begun(self, group: list[_Write], _: None, error: sqlite3.Error | None) -> None:
        if error is None:
            self._apply(group)
        else:
            self._fail(group, table.error_for(error))

    def _apply(self, group: list[_Write]) -> None:
        outcomes: list[Event | StoreError | None] = []
        try:
            for write in group:
                try:
                    outcomes.append(write.apply())
                except StoreError as refusal:
                    outcomes.append(refusal)
        except sqlite3.Error as error:
            self._fail(group, table.error_for(error))
            return
        # Refusals too wait for the commit: they may rest on what this group wrote.
        self._in_thread(self._commit, partial(self._committed, group, outcomes))

    def _commit(self) -> None:
        self._writer.execute("COMMIT")

    def _committed(
        self,
        group: list[_Write],
        outcomes: list[Event | StoreError | None],
        _: None,
        error: sqlite3.Error | None,
    ) -> None:
        if error is not None:
            self._fail(group, table.error_for(error, outcome_unknown=True))
            return
        events = [outcome for outcome in outcomes if isinstance(outcome, Event)]
        self._feed.publish(events, self._revision)
        for write, outcome in zip(group, outcomes, strict=True):
            self._acknowledge(write, outcome)
        self._since_checkpoint += sum(len(event.value or b"") + 200 for event in events)
        self._checkpoint_if_due()
        if self._sweeping:
            self._in_thread(partial(table.sweep, self._writer), self._swept)
        else:
            self._next()

    def _acknowledge(self, write: _Write, outcome: Event | StoreError | None) -> None:
        if isinstance(outcome, Event) and write.expires is not None:
            left = write.expires - clock.now().timestamp()
            self._expiries.add(outcome.key, outcome.revision, max(0.0, left))
        if write.done.done():
            return
        if isinstance(outcome, StoreError):
            write.done.set_exception(outcome)
        else:
            write.done.set_result(outcome.revision if outcome else self._revision)

    def _fail(self, group: list[_Write], error: StoreError) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")
        self._revision = table.current_revision(self._writer)
        _log.warning("writes failed", error=str(error), writes=len(group))
        for write in group:
            if not write.done.done():
                write.done.set_exception(error)
        self._next()

    def _swept(self, more: bool | None, error: sqlite3.Error | None) -> None:
        if error is not None:
            _log.warning("sweep failed", error=str(error))
        self._sweeping = bool(more)
        self._next()

    def _in_thread(
        self, work: Callable[[], T], then: Callable[[T | None, sqlite3.Error | None], None]
    ) -> None:
        """Run `work` on the writer's connection in its thread, then `then(result, error)` on the loop."""

        def run() -> None:
            result: T | None = None
            failure: sqlite3.Error | None = None
            try:
                result = work()
            except sqlite3.Error as error:
                failure = error
            self._loop.call_soon_threadsafe(then, result, failure)

        self._commits.submit(run)

    def _expire(self, key: str, revision: int) -> None:
        def again(done: asyncio.Future[int]) -> None:
            error = done.exception()
            if error is not None and not isinstance(error, RevisionMismatch) and not self._closed:
                self._expiries.add(key, revision, EXPIRE_AGAIN_S)

        self._submit(partial(self._delete, key, revision)).add_done_callback(again)

    # The write-ahead log.

    def _checkpoint_if_due(self) -> None:
        if self._since_checkpoint < CHECKPOINT_BYTES or self._checkpointing is not None:
            return
        self._since_checkpoint = 0
        self._checkpointing = self._loop.run_in_executor(self._copies, self._checkpoint)
        self._checkpointing.add_done_callback(self._checkpointed)

    def _checkpoint(self) -> None:
        try:
            self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if _size(self._wal) > TRUNCATE_BYTES:
                # Takes the write lock for a moment; the next group waits for it in its thread.
                self._checkpointer.execute(f"PRAGMA busy_timeout={BUSY_MS}")
                self._checkpointer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            _log.warning("checkpoint failed", error=str(error))

    def _checkpointed(self, _: asyncio.Future[object]) -> None:
        self._checkpointing = None

    @property
    def _wal(self) -> Path:
        return self._path.with_name(self._path.name + "-wal")

    # Reads.

    async def get(self, key: str) -> KeyValue | None:
        return self._read(partial(table.youngest, self._reader, key))[0]

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        return await self._scan(partial(table.read_page, self._scanner, prefix, limit, after, revision))

    async def current_revision(self) -> int:
        return self._read(partial(table.current_revision, self._reader))

    def _read(self, work: Callable[[], T]) -> T:
        """Read on the event loop: what takes microseconds is not worth a thread."""
        self._check_open()
        try:
            return work()
        except sqlite3.Error as error:
            raise table.error_for(error) from error

    async def _scan(self, work: Callable[[], T]) -> T:
        self._check_open()
        try:
            return await self._loop.run_in_executor(self._scans, work)
        except sqlite3.Error as error:
            raise table.error_for(error) from error

    async def size_bytes(self) -> int:
        return _size(self._path) + _size(self._wal)

    # Watches.

    async def watch(self, prefix: str, revision: int) -> AsyncGenerator[Batch, None]:
        self._check_open()
        if revision > self._feed.revision:
            await self._submit(self._barrier)
            if revision > self._feed.revision:
                raise FutureRevision(self._feed.revision)
        if max(1, revision) < (oldest := self._read(partial(table.meta, self._reader, "compacted"))):
            raise Compacted(oldest)
        follow = self._feed.follow(prefix, max(1, revision), self._replay)
        try:
            async for batch in follow:
                yield batch
        finally:
            await follow.aclose()

    async def _replay(self, prefix: str, revision: int) -> AsyncGenerator[Batch, None]:
        while revision < self._feed.oldest:
            upto = self._feed.revision
            read = partial(table.read_history, self._scanner, prefix, revision, upto, REPLAY_EVENTS)
            events = await self._scan(read)
            revision = events[-1].revision if len(events) == REPLAY_EVENTS else upto
            yield Batch(tuple(events), revision)

    async def progress(self) -> None:
        await self._submit(self._barrier)
        self._feed.notify()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._expiries.close()
        if self._busy:
            self._idle = self._loop.create_future()
            await self._idle
        if self._checkpointing is not None:
            await asyncio.wait([self._checkpointing])
        self._feed.close(Unavailable("the store is closed"))
        for executor in (self._commits, self._scans, self._copies):
            executor.shutdown()
        for connection in (self._reader, self._scanner, self._checkpointer, self._writer):
            connection.close()
        self._lock.close()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _open_lock(path: Path) -> IO[bytes]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # The database takes its mode from the umask; it holds secrets.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return os.fdopen(fd, "wb")


async def _lock(path: Path) -> IO[bytes]:
    """Return the locked lock file; a predecessor that is just ending is waited for."""
    try:
        lock = _open_lock(path)
    except OSError as error:
        raise Unavailable(f"cannot open {path}: {error}") from error
    deadline = clock.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if clock.monotonic() > deadline:
                lock.close()
                raise Unavailable(f"{path} is in use by another process") from error
            await clock.sleep(0.05)
        else:
            return lock
