"""Events: what components tell users about objects. Fire and forget, counted instead of repeated.

    recorder = Recorder(client, "replicaset-controller", tasks)
    recorder.event(rs, "Normal", "SuccessfulCreate", "Created pod: web-1")

    event -> too many about this object? dropped
          -> over 10 alike (but for the message) in 10 minutes? one "(combined from similar events)"
          -> the same as one sent before? its count is patched; otherwise it is created

Source: k8s.io/client-go/tools/record EventCorrelator (1.36).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

from api.errors import NotFound, StatusError
from api.types.core_v1 import EVENTS
from client.api import Client
from client.transport import Unreachable
from kit import clock, log
from kit.tasks import Tasks

# Source: client-go/tools/record/events_cache.go.
CACHE_ENTRIES = 4096
SIMILAR_MAX = 10
SIMILAR_WITHIN_S = 600.0
SPAM_BURST = 25
SPAM_REFILL_S = 300.0
# Events that wait to be sent; more are dropped: an event is never worth a stalled controller.
QUEUE_MAX = 1000
# How long the first of them waits: what it tells of is being written at that moment, and goes first.
PRECEDENCE_S = 0.02
MESSAGE_MAX = 1024
_COMBINED = "(combined from similar events): "
_log = log.get("client.events")

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Note:
    """One event as reported: about whom, and what."""

    involved: tuple[tuple[str, str], ...]
    type: str
    reason: str
    message: str

    @property
    def about(self) -> dict[str, str]:
        return dict(self.involved)


class Sent(NamedTuple):
    """An event object on the server that may be counted up."""

    name: str
    namespace: str
    times: int
    first: str


class _Recent(OrderedDict[K, V], Generic[K, V]):
    """A mapping that forgets what was used longest ago."""

    def put(self, key: K, value: V) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > CACHE_ENTRIES:
            self.popitem(last=False)


class Correlator:
    """Decides what becomes of a note. Time is given in seconds by the caller."""

    def __init__(self) -> None:
        self._buckets: _Recent[tuple[tuple[str, str], ...], tuple[float, float]] = _Recent()
        self._similar: _Recent[tuple[Any, ...], tuple[float, frozenset[str]]] = _Recent()

    def admit(self, note: Note, now_s: float) -> Note | None:
        """Return the note to send: the same, a combined one, or None if there are too many."""
        if not self._within_rate(note, now_s):
            return None
        key = (note.involved, note.type, note.reason)
        since, messages = self._similar.get(key, (now_s, frozenset[str]()))
        if now_s - since > SIMILAR_WITHIN_S:
            since, messages = now_s, frozenset[str]()
        if len(messages) < SIMILAR_MAX:
            messages |= {note.message}
        self._similar.put(key, (now_s, messages))
        if len(messages) >= SIMILAR_MAX:
            return replace(note, message=_COMBINED + note.message)
        return note

    def _within_rate(self, note: Note, now_s: float) -> bool:
        tokens, last = self._buckets.get(note.involved, (float(SPAM_BURST), now_s))
        tokens = min(float(SPAM_BURST), tokens + (now_s - last) / SPAM_REFILL_S)
        allowed = tokens >= 1.0
        self._buckets.put(note.involved, (tokens - 1.0 if allowed else tokens, now_s))
        return allowed


class Recorder:
    """Sends events on behalf of one component. `event` returns at once."""

    def __init__(self, client: Client, component: str, tasks: Tasks, host: str = "") -> None:
        self._client = client
        self._component = component
        self._host = host
        self._tasks = tasks
        self._correlator = Correlator()
        self._sent: _Recent[tuple[Any, ...], Sent] = _Recent()
        self._queue: asyncio.Queue[Note] = asyncio.Queue(QUEUE_MAX)
        self._sending: asyncio.Task[None] | None = None
        self.dropped = 0

    def event(self, obj: Mapping[str, Any], event_type: str, reason: str, message: str) -> None:
        """Report something about `obj`: an object with `apiVersion` and `kind`, or a reference."""
        note = self._correlator.admit(
            Note(_reference(obj), event_type, reason, message[:MESSAGE_MAX]), clock.monotonic()
        )
        if note is None or self._queue.full():
            self.dropped += 1
            return
        self._queue.put_nowait(note)
        if self._sending is None or self._sending.done():
            self._sending = self._tasks.spawn(self._send_all(), f"events of {self._component}")

    async def flush(self) -> None:
        """Wait until everything reported so far has been sent or given up."""
        if self._sending is not None and not self._sending.done():
            await asyncio.wait([self._sending])

    async def _send_all(self) -> None:
        await clock.sleep(PRECEDENCE_S)
        while not self._queue.empty():
            note = self._queue.get_nowait()
            try:
                await self._send(note)
            except (StatusError, Unreachable) as error:
                _log.debug("event not sent", reason=note.reason, error=str(error))

    async def _send(self, note: Note) -> None:
        message = _COMBINED if note.message.startswith(_COMBINED) else note.message
        key = (note.involved, note.type, note.reason, message)
        now = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        if sent := self._sent.get(key):
            counted = sent._replace(times=sent.times + 1)
            patch = {"count": counted.times, "lastTimestamp": now, "message": note.message}
            try:
                await self._client.patch(EVENTS, sent.name, sent.namespace, patch, kind="strategic")
                self._sent.put(key, counted)
                return
            except NotFound:
                pass
        body = self._new(note, now)
        namespace = body["metadata"]["namespace"]
        await self._client.create(EVENTS, body, namespace)
        self._sent.put(key, Sent(body["metadata"]["name"], namespace, 1, now))

    def _new(self, note: Note, now: str) -> dict[str, Any]:
        about = note.about
        nanos = int(clock.now().timestamp() * 1e6) * 1000 + len(self._sent) % 1000
        source = {"component": self._component, "host": self._host}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{about['name']}.{nanos:x}",
                "namespace": about.get("namespace") or "default",
            },
            "involvedObject": about,
            "type": note.type,
            "reason": note.reason,
            "message": note.message,
            "source": {key: value for key, value in source.items() if value},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }


def _reference(obj: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    metadata = obj.get("metadata", obj)
    fields = {
        "kind": obj.get("kind", ""),
        "namespace": metadata.get("namespace", ""),
        "name": metadata.get("name", ""),
        "uid": metadata.get("uid", ""),
        "apiVersion": obj.get("apiVersion", ""),
        "fieldPath": obj.get("fieldPath", "") if "metadata" not in obj else "",
    }
    return tuple((key, str(value)) for key, value in fields.items() if value)
