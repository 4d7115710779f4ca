"""Watch: what comes first (present objects or past events), then live events, bookmarks, and an end.

    RV unset, "0", sendInitialEvents  ->  ADDED for every present object, then live
    RV N                              ->  the events after N, then live; too old: an ERROR event with 410

Spec: k8s.io/apiserver/pkg/storage/cacher Cacher.Watch (1.36); KEP-3157 for sendInitialEvents.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from api import field
from api.errors import BadRequest, Expired, InternalError, invalid
from api.resource import Obj
from apiserver.http.message import FrameSink, Request, Sink, Stream
from apiserver.http.negotiate import Form
from apiserver.rest import render
from apiserver.rest.hub import Collection, Hub
from apiserver.rest.list import reach, selection_of
from apiserver.rest.options import boolean, int64
from apiserver.watchcache.cache import TooOld
from apiserver.watchcache.channel import Transform, Watcher
from apiserver.watchcache.entry import Entry
from apiserver.watchcache.layout import decode
from apiserver.watchcache.ring import ADDED, frame
from kit import clock, rand
from store.versions import InvalidResourceVersion, parse_resource_version

# Watches that do not say how long end after this long, up to twice that; the client comes back.
# Spec: --min-request-timeout 1800 (1.36).
LEAST_S = 1800.0
# No watch lasts longer, whatever it says: event loops cannot count on for ever.
MOST_S = 365 * 86400.0
# How often a watcher that wants bookmarks gets one.
BOOKMARK_S = 60.0
# Frames joined before the first write waits for the client.
BATCH_BYTES = 256 << 10

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class WatchOptions:
    """The query of a watch, checked. `revision` 0: from the present state."""

    revision: int
    consistent: bool
    initial: bool
    bookmarks: bool
    # The client wants to be told where the initial events end.
    mark_end: bool
    timeout_s: float


class SinkOutlet:
    """The pump's view of a sink: frames go straight to a connection that speaks HTTP, as lines to any
    other."""

    def __init__(self, sink: Sink, stop: asyncio.Event) -> None:
        self._sink = sink
        self._framed = sink if isinstance(sink, FrameSink) else None
        self._stop = stop

    def pending_bytes(self) -> int:
        return self._framed.pending_bytes() if self._framed is not None else 0

    def send(self, frames: bytes) -> None:
        if not frames:
            return
        if self._framed is not None:
            self._framed.write_frames(frames)
            return
        for line in _payloads(frames):
            self._sink.write(line)

    def end(self) -> None:
        self._stop.set()


def _payloads(frames: bytes) -> Iterable[bytes]:
    position = 0
    while position < len(frames):
        end = frames.index(b"\r\n", position)
        size = int(frames[position:end], 16)
        yield frames[end + 2 : end + 2 + size]
        position = end + 4 + size


async def handle_watch(hub: Hub, collection: Collection, request: Request) -> Stream:
    """Answer a watch request."""
    form = render.form_of(request, ("Table", "PartialObjectMetadata"))
    options = options_of(request)
    selection, match = selection_of(collection, request)
    if options.revision:
        await reach(hub, options.revision)
    elif options.consistent:
        await hub.fresh()
    collection = hub.present(collection)
    if collection.lane is not None and not await collection.lane.complete():
        raise collection.lane.failure or InternalError("the objects cannot be converted")
    transform, name = transform_of(collection, form, request, hub)
    if not match.everything:
        await collection.cache.prepare(match)

    async def run(sink: Sink) -> None:
        if collection.cache.left:
            # Served no more, or by another cache: the client comes again.
            return
        stop = asyncio.Event()
        outlet = SinkOutlet(sink, stop)
        watcher = collection.cache.subscribe(selection, match, name, transform, outlet)
        try:
            frames = _first(collection, watcher, options, transform)
            end = _bookmark(collection, end=True) if options.mark_end else b""
            await _write(sink, outlet, frames)
            outlet.send(end)
            watcher.start()
            await _live(collection, watcher, outlet, stop, options)
        except TooOld as error:
            outlet.send(frame("ERROR", orjson.dumps(_too_old(options.revision, error.oldest).to_status())))
        finally:
            watcher.close()

    media = "application/json" if form.media == "application/json" else form.media
    content_type = f"{media};stream=watch" if form.view else media
    return Stream(run, content_type=content_type)


def options_of(request: Request) -> WatchOptions:
    """Return the checked query of a watch. Raises `BadRequest`, `Invalid`."""
    text = request.param("resourceVersion")
    try:
        revision = parse_resource_version(text)
    except InvalidResourceVersion as error:
        raise BadRequest(str(error)) from error
    timeout = int64(request.param("timeoutSeconds"))
    bookmarks = boolean(request, "allowWatchBookmarks")
    sends = "sendInitialEvents" in request.query
    _check(sends, request.param("resourceVersionMatch"), request.param("continue"))
    initial = boolean(request, "sendInitialEvents") if sends else revision == 0
    return WatchOptions(
        revision,
        consistent=text == "",
        initial=initial,
        bookmarks=bookmarks,
        mark_end=sends and initial and bookmarks,
        timeout_s=min(float(timeout), MOST_S) if timeout > 0 else LEAST_S * (1.0 + rand.fraction()),
    )


def _check(sends: bool, how: str, token: str) -> None:
    """Spec: apis/meta/internalversion/validation validateWatchOptions (1.36)."""
    path = field.Path("resourceVersionMatch")
    faults = []
    if sends and how != "NotOlderThan":
        text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        faults.append(field.forbidden(path, text))
    if how and not sends:
        text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        faults.append(field.forbidden(path, text))
    if how and how != "NotOlderThan":
        faults.append(field.not_supported(path, how, ["NotOlderThan"]))
    if how and token:
        faults.append(field.forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
    if faults:
        raise invalid("meta.k8s.io", "ListOptions", "", faults)


def transform_of(
    collection: Collection, form: Form, request: Request, hub: Hub
) -> tuple[Transform | None, str]:
    """Return what makes event objects of stored bytes, and a name under which equal ones are shared."""
    if form.plain or (not form.view and form.media == "application/json"):
        return None, ""
    include = render.include_of(request)

    def transform(data: bytes) -> bytes:
        view = render.viewed(form, collection.resource, decode(data), include, hub.now())
        return render.encode(Form(view=form.view, version=form.version), view)

    return transform, f"{form.view}/{form.version}/{include}"


def _first(
    collection: Collection, watcher: Watcher, options: WatchOptions, transform: Transform | None
) -> Iterable[bytes]:
    """Return the frames that come before live ones. Nothing may be awaited between subscription and this.

    What is present is noted now, but framed when its turn comes: it may be much.
    """
    if not options.initial:
        return collection.cache.history(watcher, options.revision) if options.revision else ()
    match = watcher.channel.match
    everything = match.everything
    entries = list(collection.cache.scan(match.namespace)) if everything else _selected(collection, watcher)
    return (frame(ADDED, transform(entry.data) if transform else entry.data) for entry in entries)


def _selected(collection: Collection, watcher: Watcher) -> list[Entry]:
    return collection.cache.select(watcher.channel.selection, watcher.channel.match)


async def _write(sink: Sink, outlet: SinkOutlet, frames: Iterable[bytes]) -> None:
    batch: list[bytes] = []
    size = 0
    for one in frames:
        batch.append(one)
        size += len(one)
        if size > BATCH_BYTES:
            outlet.send(b"".join(batch))
            batch, size = [], 0
            await sink.drain()
            # Others get their turn, however fast this client reads.
            await clock.sleep(0)
    if batch:
        outlet.send(b"".join(batch))


async def _live(
    collection: Collection, watcher: Watcher, outlet: SinkOutlet, stop: asyncio.Event, options: WatchOptions
) -> None:
    """Stay until the time is over, the watcher was too slow, or the client has gone (then this is
    cancelled)."""
    end = clock.monotonic() + options.timeout_s
    while (left := end - clock.monotonic()) > 0:
        wait = min(left, BOOKMARK_S) if options.bookmarks else left
        try:
            async with asyncio.timeout(wait):
                await stop.wait()
                return
        except TimeoutError:
            if options.bookmarks and watcher.caught_up:
                outlet.send(_bookmark(collection))


def _bookmark(collection: Collection, end: bool = False) -> bytes:
    metadata: Obj = {"resourceVersion": str(collection.cache.revision), "creationTimestamp": None}
    if end:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    resource = collection.resource
    obj = {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": metadata}
    return frame("BOOKMARK", orjson.dumps(obj))


def _too_old(revision: int, oldest: int) -> Expired:
    return Expired(f"too old resource version: {revision} ({oldest})")
