"""The store's words in etcd's: requests built, answers and errors read. Pure; `store/etcd.py` sends and
receives.

Spec: etcd api/etcdserverpb/rpc.proto, api/v3rpc/rpctypes/error.go (3.4 to 3.6).
"""

from collections.abc import Iterable

from proto.gen.etcd import kv_pb2, rpc_pb2
from store.backend import Event, KeyValue, NoSpace, StoreError, TooLarge, Unavailable

# etcd's own words, the only thing that tells these errors apart.
COMPACTED = "etcdserver: mvcc: required revision has been compacted"
FUTURE = "etcdserver: mvcc: required revision is a future revision"
NO_SPACE = "etcdserver: mvcc: database space exceeded"
NO_LEASE = "etcdserver: requested lease not found"
# Refusals that come before anything was proposed, so a write has certainly not happened.
NOT_STARTED = (
    "etcdserver: no leader",
    "etcdserver: not capable",
    "etcdserver: too many requests",
    "failed to connect to all addresses",
    "Name resolution",
    "DNS resolution failed",
)
TRANSIENT = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "ABORTED", "INTERNAL")

# As both ends of a range: every key there is.
EVERYTHING = b"\0"


class GapInHistory(Exception):
    """Events are missing before `revision`: they have been compacted away."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"events before revision {revision} are missing")
        self.revision = revision


def encode_key(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def decode_key(key: bytes) -> str:
    # A foreign key that is no UTF-8 must not stop the stream of events.
    return key.decode("utf-8", "surrogateescape")


def end_of(prefix: bytes) -> bytes:
    """Return the first key after all that start with `prefix`, as `range_end`."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes((trimmed[-1] + 1,)) if trimmed else EVERYTHING


def key_value(kv: kv_pb2.KeyValue) -> KeyValue:
    return KeyValue(decode_key(kv.key), kv.value, kv.create_revision, kv.mod_revision)


def range_of(prefix: str, after: bytes, limit: int, revision: int) -> rpc_pb2.RangeRequest:
    """Return the request for keys of `prefix` from beyond `after`; b"" starts at the first."""
    start = encode_key(prefix)
    end = end_of(start)
    first = max(start or EVERYTHING, after + b"\0" if after else b"")
    return rpc_pb2.RangeRequest(key=first, range_end=end, limit=limit, revision=revision)


def probe_of(revision: int) -> rpc_pb2.RangeRequest:
    """Return the cheapest request that fails if `revision` is no longer kept."""
    return rpc_pb2.RangeRequest(key=EVERYTHING, count_only=True, revision=max(1, revision))


def _guarded(key: bytes, revision: int, operation: rpc_pb2.RequestOp) -> rpc_pb2.TxnRequest:
    compare = rpc_pb2.Compare(target=rpc_pb2.Compare.MOD, key=key, mod_revision=revision)
    current = rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=key))
    return rpc_pb2.TxnRequest(compare=(compare,), success=(operation,), failure=(current,))


def put_if(key: bytes, value: bytes, revision: int, lease: int) -> rpc_pb2.TxnRequest:
    """Return the transaction that writes if the key is at `revision` (0: absent), and else reads the key."""
    put = rpc_pb2.PutRequest(key=key, value=value, lease=lease, prev_kv=revision > 0)
    return _guarded(key, revision, rpc_pb2.RequestOp(request_put=put))


def delete_if(key: bytes, revision: int) -> rpc_pb2.TxnRequest:
    """Return the transaction that deletes the key if it is at `revision`, and else reads it."""
    delete = rpc_pb2.DeleteRangeRequest(key=key, prev_kv=True)
    return _guarded(key, revision, rpc_pb2.RequestOp(request_delete_range=delete))


def found_instead(response: rpc_pb2.TxnResponse) -> KeyValue | None:
    """Return the key as it stood when the guard failed."""
    kvs = response.responses[0].response_range.kvs
    return key_value(kvs[0]) if kvs else None


def event_of(key: str, value: bytes | None, response: rpc_pb2.TxnResponse) -> Event:
    """Return the event of a transaction of `put_if`, or of `delete_if` (value None), that succeeded."""
    revision, answer = response.header.revision, response.responses[0]
    if value is None:
        before = answer.response_delete_range.prev_kvs[0]
    elif answer.response_put.HasField("prev_kv"):
        before = answer.response_put.prev_kv
    else:
        return Event(key, value, revision, revision, None)
    previous = KeyValue(key, before.value, before.create_revision, before.mod_revision)
    return Event(key, value, revision, previous.created, previous)


def watch_everything(start: int) -> rpc_pb2.WatchRequest:
    """Return the request for every event from revision `start` on, of all keys."""
    create = rpc_pb2.WatchCreateRequest(
        key=EVERYTHING, range_end=EVERYTHING, start_revision=start, prev_kv=True, fragment=True
    )
    return rpc_pb2.WatchRequest(create_request=create)


def disarm(alarm: rpc_pb2.AlarmMember) -> rpc_pb2.AlarmRequest:
    """Return the request that ends an alarm; etcd wants to be told whose."""
    action = rpc_pb2.AlarmRequest.DEACTIVATE
    return rpc_pb2.AlarmRequest(action=action, memberID=alarm.memberID, alarm=alarm.alarm)


class Assembler:
    """Turns watch responses on all keys into whole revisions, and notices if one is missing.

    In etcd every revision changes at least one key, so a watch on all keys sees each revision: a jump means
    that history was compacted (or that the server lost events, which must look the same to us).
    """

    def __init__(self, start: int) -> None:
        self.next = start
        self._held: list[Event] = []

    def take(self, response: rpc_pb2.WatchResponse) -> list[Event]:
        """Return the events that are complete now, in order. Raises `GapInHistory`."""
        events = self._held + [self._read(event) for event in response.events]
        self._held = []
        if response.fragment and events:
            # The rest of the last revision is still to come.
            last = events[-1].revision
            self._held = [event for event in events if event.revision == last]
            events = events[: -len(self._held)]
        self._check(events)
        return events

    def _read(self, event: kv_pb2.Event) -> Event:
        kv = event.kv
        revision = kv.mod_revision
        deleted = event.type == kv_pb2.Event.DELETE
        if not deleted and kv.create_revision == revision:
            return Event(decode_key(kv.key), kv.value, revision, revision, None)
        if not event.HasField("prev_kv"):
            raise GapInHistory(revision)
        before = event.prev_kv
        key = decode_key(kv.key)
        created = before.create_revision
        previous = KeyValue(key, before.value, created, before.mod_revision)
        return Event(key, None if deleted else kv.value, revision, created, previous)

    def _check(self, events: Iterable[Event]) -> None:
        expected = self.next
        for event in events:
            if event.revision > expected:
                raise GapInHistory(event.revision)
            expected = event.revision + 1
        self.next = expected


# etcd's own limit (--max-request-bytes), and gRPC's, which is a little above it.
TOO_LARGE = ("request is too large", "message larger than max")


def error_for(code: str, details: str) -> StoreError:
    """Return the store's error for a failed call; `code` is gRPC's name of the status.

    `Compacted` and `FutureRevision` carry more than the answer says: the caller makes those.
    """
    if NO_SPACE in details:
        return NoSpace(details)
    if any(words in details for words in TOO_LARGE):
        return TooLarge(details)
    if any(words in details for words in NOT_STARTED):
        return Unavailable(details, outcome_unknown=False)
    if code in TRANSIENT:
        return Unavailable(f"{code}: {details}", outcome_unknown=True)
    return StoreError(f"{code}: {details}")
