"""The store in etcd v3 (3.4 to 3.6), over gRPC.

One stream watches **all** keys and feeds every watch of this process. So an event is sent and decoded once
however many watches there are; every revision is seen, so a missing one is noticed; and how far the watches
are needs no progress request (which etcd before 3.4.25 and 3.5.8 answers too early: etcd issue 15220).
`progress` asks for the present revision and waits until everything up to it is published.

Our own writes are published when they are acknowledged, as soon as all revisions before theirs are: the
answer tells all that the stream will tell. Under load the stream, of which one message is read at a time, may
be a second behind.

    connect -> watch from feed.revision + 1 -> events -> feed
       ^            | compacted, or the store went back in time: all watches end, the feed begins anew
       +---<--------+ connection lost, server killed, stream silent although the store moved on: resume
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc
import grpc.aio

from kit import clock, log
from kit.tasks import Tasks
from proto.gen.etcd import rpc_pb2
from store import wire
from store.backend import (
    Batch,
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyValue,
    NoSpace,
    Page,
    RevisionMismatch,
    StoreError,
    Unavailable,
)
from store.channels import Channels, ClientTLS, Member
from store.feed import NOTICE_S, Feed
from store.leases import Leases

T = TypeVar("T")
_log = log.get("store.etcd")

# A call fails after this long, connecting included; etcd itself gives up after about 7 s without a quorum.
CALL_S = 8.0
# Between attempts of a call that certainly did nothing.
RETRY_S = 0.05
# Keys per request of a list: bounds what one answer costs the event loop.
PAGE_KEYS = 500
# When etcd is full: defragment if less than this share of its file is in use; between two attempts; for one.
DEFRAGMENT_SHARE = 0.9
RELIEF_S = 5.0
DEFRAGMENT_S = 60.0
# Refuse at once, rather than after seconds, when the member has lost its leader.
HAS_LEADER = grpc.aio.Metadata(("hasleader", "true"))


class _StreamEnded(Exception):
    """The server ended a watch stream without an error."""


# What a broken stream raises: an answer, a closed channel, or a write to a call that has ended meanwhile.
LOST = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError, _StreamEnded)


class EtcdBackend:
    """See `store.backend.Backend`. Make it with `EtcdBackend.open`."""

    def __init__(self, channels: Channels, revision: int) -> None:
        self._channels = channels
        self._feed = Feed(revision)
        # Acknowledged writes of ours, by revision, before which others are not known yet.
        self._early: dict[int, Event] = {}
        self._leases = Leases(self._grant)
        self._tasks = Tasks()
        self._stream: Any = None
        self._heard = 0
        self._oldest = 0
        self._relief: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def open(cls, targets: Sequence[str], tls: ClientTLS | None = None) -> "EtcdBackend":
        """Connect to `host:port` targets. Raises `Unavailable` when none answers."""
        channels = Channels(targets, tls)
        self = cls(channels, 0)
        try:
            self._feed = Feed(await self.current_revision())
        except BaseException:
            await channels.close()
            raise
        self._tasks.spawn(self._keep_streaming(), "etcd-watch").add_done_callback(self._stopped_streaming)
        self._tasks.spawn(self._watch_over(), "etcd-watch-check")
        return self

    # Calls.

    async def _call(self, service: str, method: str, request: Any, write: bool = False) -> Any:
        """Call and return the answer; repeat, within `CALL_S`, what certainly did nothing."""
        deadline = clock.monotonic() + CALL_S
        while True:
            if self._closed:
                raise Unavailable("the store is closed")
            member = self._channels.only or await self._channels.pick(CALL_S / 2)
            left = max(RETRY_S, deadline - clock.monotonic())
            try:
                with_deadline = getattr(getattr(member, service), method)
                return await with_deadline(request, timeout=left, metadata=HAS_LEADER, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                failure = wire.error_for(error.code().name, error.details() or "")
                if isinstance(failure, Unavailable):
                    self._channels.avoid(member)
                    harmless = not write or not failure.outcome_unknown
                    if harmless and clock.monotonic() + RETRY_S < deadline:
                        await clock.sleep(RETRY_S)
                        continue
                elif isinstance(failure, NoSpace) and self._relief is None:
                    self._relief = self._tasks.spawn(self._relieve(), "etcd-no-space")
                raise failure from error
            except grpc.aio.UsageError as error:
                raise Unavailable(str(error)) from error
            except asyncio.CancelledError:
                self._raise_if_closed()
                raise

    def _raise_if_closed(self) -> None:
        # Closing a channel cancels its calls; that must not look as if the caller's task was cancelled.
        task = asyncio.current_task()
        if self._closed and task is not None and not task.cancelling():
            raise Unavailable("the store is closed", outcome_unknown=True) from None

    async def _range(self, request: rpc_pb2.RangeRequest) -> rpc_pb2.RangeResponse:
        try:
            response: rpc_pb2.RangeResponse = await self._call("kv", "Range", request)
            return response
        except StoreError as error:
            if wire.COMPACTED in str(error):
                raise Compacted(await self._find_oldest()) from error
            if wire.FUTURE in str(error):
                raise FutureRevision(await self.current_revision()) from error
            raise

    async def get(self, key: str) -> KeyValue | None:
        response = await self._range(rpc_pb2.RangeRequest(key=wire.encode_key(key)))
        return wire.key_value(response.kvs[0]) if response.kvs else None

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        items: list[KeyValue] = []
        last = wire.encode_key(after)
        while True:
            wanted = min(PAGE_KEYS, limit - len(items)) if limit else PAGE_KEYS
            response = await self._range(wire.range_of(prefix, last, wanted, revision))
            revision = revision or response.header.revision
            items.extend(map(wire.key_value, response.kvs))
            if not response.more or (limit and len(items) >= limit):
                return Page(items, revision, response.count - len(response.kvs))
            last = response.kvs[-1].key

    async def create(self, key: str, value: bytes, ttl_s: int = 0) -> int:
        response = await self._put(key, value, 0, ttl_s)
        if response.succeeded:
            return self._done(wire.event_of(key, value, response))
        current = wire.found_instead(response)
        if current is None:
            raise StoreError(f"{key}: the store says both that it exists and that it does not")
        raise KeyExists(current)

    async def update(self, key: str, value: bytes, revision: int, ttl_s: int = 0) -> int:
        if revision <= 0:
            raise RevisionMismatch(key, await self.get(key))
        response = await self._put(key, value, revision, ttl_s)
        if response.succeeded:
            return self._done(wire.event_of(key, value, response))
        raise RevisionMismatch(key, wire.found_instead(response))

    async def _put(self, key: str, value: bytes, revision: int, ttl_s: int) -> rpc_pb2.TxnResponse:
        raw = wire.encode_key(key)
        if not ttl_s:
            return await self._txn(wire.put_if(raw, value, revision, 0))
        lease = await self._leases.lease_for(ttl_s)
        try:
            return await self._txn(wire.put_if(raw, value, revision, lease))
        except StoreError as error:
            if wire.NO_LEASE not in str(error):
                raise
            self._leases.forget(lease)
            return await self._txn(wire.put_if(raw, value, revision, await self._leases.lease_for(ttl_s)))

    async def _txn(self, request: rpc_pb2.TxnRequest) -> rpc_pb2.TxnResponse:
        response: rpc_pb2.TxnResponse = await self._call("kv", "Txn", request, write=True)
        return response

    def _done(self, event: Event) -> int:
        """Take note of a write of ours that is acknowledged; return its revision."""
        if event.revision > self._feed.revision:
            self._early[event.revision] = event
            self._publish(())
        return event.revision

    async def _grant(self, ttl_s: int) -> int:
        response: rpc_pb2.LeaseGrantResponse = await self._call(
            "lease", "LeaseGrant", rpc_pb2.LeaseGrantRequest(TTL=ttl_s)
        )
        return response.ID

    async def delete(self, key: str, revision: int) -> int:
        if revision <= 0:
            raise RevisionMismatch(key, await self.get(key))
        response = await self._txn(wire.delete_if(wire.encode_key(key), revision))
        if response.succeeded:
            return self._done(wire.event_of(key, None, response))
        raise RevisionMismatch(key, wire.found_instead(response))

    async def current_revision(self) -> int:
        request = rpc_pb2.RangeRequest(key=wire.EVERYTHING, count_only=True)
        response: rpc_pb2.RangeResponse = await self._call("kv", "Range", request)
        return response.header.revision

    async def compact(self, revision: int) -> None:
        try:
            await self._call("kv", "Compact", rpc_pb2.CompactionRequest(revision=revision))
        except StoreError as error:
            if wire.FUTURE in str(error):
                raise FutureRevision(await self.current_revision()) from error
            if wire.COMPACTED not in str(error):
                raise
        self._oldest = max(self._oldest, revision)

    async def size_bytes(self) -> int:
        response: rpc_pb2.StatusResponse = await self._call("maintenance", "Status", rpc_pb2.StatusRequest())
        return response.dbSize

    async def _relieve(self) -> None:
        """Give space back that compaction has freed, and end etcd's alarm: it lasts until somebody does.

        Should there be no space after all, etcd raises the alarm again at the next write.
        """
        try:
            for member in self._channels.members:
                status = await self._maintain(member, "Status", rpc_pb2.StatusRequest())
                if status.dbSizeInUse < status.dbSize * DEFRAGMENT_SHARE:
                    _log.warning("defragmenting etcd", size=status.dbSize, in_use=status.dbSizeInUse)
                    await self._maintain(member, "Defragment", rpc_pb2.DefragmentRequest())
            raised = await self._call("maintenance", "Alarm", rpc_pb2.AlarmRequest(alarm=rpc_pb2.NOSPACE))
            for alarm in raised.alarms:
                await self._call("maintenance", "Alarm", wire.disarm(alarm))
        except (grpc.aio.AioRpcError, StoreError) as error:
            _log.warning("etcd stays full", error=repr(error)[:300])
        finally:
            await clock.sleep(RELIEF_S)
            self._relief = None

    async def _maintain(self, member: Member, method: str, request: Any) -> Any:
        return await getattr(member.maintenance, method)(request, timeout=DEFRAGMENT_S, metadata=HAS_LEADER)

    # Watches.

    async def watch(self, prefix: str, revision: int) -> AsyncGenerator[Batch, None]:
        if revision > self._feed.revision:
            current = await self._patiently(self.current_revision)
            if revision > current:
                raise FutureRevision(current)
        elif revision < self._feed.revision:
            # The feed may still hold what the store has forgotten: every API server must answer alike.
            probe = wire.probe_of(revision)
            await self._patiently(lambda: self._range(probe))
        follow = self._feed.follow(prefix, max(1, revision), self._replay)
        try:
            async for batch in follow:
                yield batch
        finally:
            await follow.aclose()

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until the store answers: a watch outlives the store's absence."""
        while True:
            try:
                return await call()
            except Unavailable as error:
                if self._closed:
                    raise
                _log.info("store unavailable", error=str(error))
                await clock.sleep(RETRY_S)

    @asynccontextmanager
    async def _open_stream(self, start: int) -> AsyncIterator[tuple[Any, Member]]:
        member = self._channels.only or await self._channels.pick(CALL_S)
        call = member.watch.Watch(metadata=HAS_LEADER, wait_for_ready=True)
        try:
            await call.write(wire.watch_everything(start))
            yield call, member
        except grpc.aio.AioRpcError:
            self._channels.avoid(member)
            raise
        finally:
            call.cancel()

    async def _replay(self, prefix: str, revision: int) -> AsyncGenerator[Batch, None]:
        """Yield what happened after `revision`, by a stream of its own, up to what the feed keeps."""
        while revision < self._feed.oldest:
            try:
                async with self._open_stream(revision + 1) as (call, _):
                    assembler = wire.Assembler(revision + 1)
                    while revision < self._feed.oldest:
                        events = assembler.take(_checked(await call.read()))
                        if assembler.next - 1 > revision:
                            revision = assembler.next - 1
                            yield Batch(tuple(e for e in events if e.key.startswith(prefix)), revision)
            except wire.GapInHistory as gap:
                raise Compacted(gap.revision) from gap
            except LOST:
                await clock.sleep(RETRY_S)
            except asyncio.CancelledError:
                self._raise_if_closed()
                raise

    async def _keep_streaming(self) -> None:
        """Feed the watches, for ever."""
        delay = RETRY_S
        while True:
            before = self._heard
            try:
                await self._stream_once()
            except wire.GapInHistory as gap:
                await self._begin_anew(Compacted(gap.revision))
                # At once: the longer the wait, the more is compacted meanwhile.
                continue
            except (*LOST, StoreError) as error:
                _log.info("watch stream lost", error=repr(error)[:300], revision=self._feed.revision)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
            delay = RETRY_S if self._heard > before else min(1.0, delay * 2)
            await clock.sleep(delay)

    def _stopped_streaming(self, task: asyncio.Task[None]) -> None:
        # Nobody expects this; but then watches must fail, not wait for ever.
        if not task.cancelled() and (error := task.exception()) is not None:
            self._feed.close(Unavailable(f"the watch stream failed: {error!r}"))

    async def _stream_once(self) -> None:
        start = self._feed.revision + 1
        assembler = wire.Assembler(start)
        async with self._open_stream(start) as (call, _):
            self._stream = call
            try:
                while True:
                    response = _checked(await call.read())
                    self._heard += 1
                    if response.events:
                        self._publish(assembler.take(response))
                    elif response.created and response.header.revision < start - 1:
                        await self._check_going_back(start - 1)
            finally:
                self._stream = None

    def _publish(self, events: Sequence[Event]) -> None:
        """Publish what the stream told, and what is known of the revisions that follow."""
        reached = self._feed.revision
        fresh = [event for event in events if event.revision > reached]
        for event in events:
            self._early.pop(event.revision, None)
        reached = fresh[-1].revision if fresh else reached
        while (following := self._early.pop(reached + 1, None)) is not None:
            fresh.append(following)
            reached += 1
        if fresh:
            self._feed.publish(fresh, reached)

    async def _check_going_back(self, seen: int) -> None:
        # A member that lags is ahead again in a moment; a store restored from a backup is not.
        if (current := await self._patiently(self.current_revision)) < seen:
            _log.warning("the store went back in time", seen=seen, current=current)
            self._early.clear()
            self._feed.restart(current, FutureRevision(current))
            raise _StreamEnded("the store went back in time")

    async def _begin_anew(self, error: Compacted) -> None:
        _log.warning("watch history lost: watches start over", oldest=error.oldest)
        current = await self._patiently(self.current_revision)
        self._early.clear()
        self._feed.restart(current, error)

    async def _watch_over(self) -> None:
        """End a stream that stays silent although the store has moved on."""
        while True:
            heard = self._heard
            await clock.sleep(NOTICE_S)
            if self._heard != heard or self._stream is None:
                continue
            try:
                async with asyncio.timeout(NOTICE_S):
                    await self._feed.reached(await self.current_revision())
            except (TimeoutError, StoreError):
                if self._stream is not None:
                    _log.warning("watch stream silent: reconnecting", revision=self._feed.revision)
                    self._stream.cancel()

    async def progress(self) -> None:
        await self._feed.reached(await self.current_revision())
        self._feed.notify()

    async def _find_oldest(self) -> int:
        """Return the oldest revision kept, which etcd tells only to a watch that starts before it."""
        try:
            async with asyncio.timeout(2.0), self._open_stream(1) as (call, _):
                while True:
                    _checked(await call.read())
        except wire.GapInHistory as gap:
            self._oldest = max(self._oldest, gap.revision)
        except (TimeoutError, *LOST):
            pass
        return self._oldest

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._tasks.close()
        self._feed.close(Unavailable("the store is closed"))
        await self._channels.close()


def _checked(response: Any) -> rpc_pb2.WatchResponse:
    """Return the response if the watch goes on. Raises `GapInHistory` and `_StreamEnded`."""
    if not isinstance(response, rpc_pb2.WatchResponse):
        raise _StreamEnded("end of stream")
    if response.canceled:
        if response.compact_revision:
            raise wire.GapInHistory(response.compact_revision)
        raise _StreamEnded(response.cancel_reason)
    return response
