"""The informer against a scripted transport: what it keeps, whom it tells, how it recovers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import looptime  # noqa: F401 - the marker's plugin
import orjson
import pytest

from api.resource import Resource
from api.types.core_v1 import PODS
from client.api import Client
from client.informer import REST_S, Informer, Informers
from client.transport import RawRequest, RawResponse, StreamResponse, Unreachable
from kit import clock
from kit.tasks import Tasks

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


def pod(name: str, version: int, uid: str = "", node: str = "n1") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": uid or name, "resourceVersion": str(version)}
    return {
        "metadata": {**metadata, "managedFields": [{}]},
        "spec": {"nodeName": node, "containers": [{"name": "c"}]},
    }


class Script:
    """A server that answers lists from `pods` and sends what is put into `events`."""

    def __init__(self) -> None:
        self.pods: list[dict[str, Any]] = []
        self.version = 10
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.lists = 0
        self.watched_from: list[str] = []
        self.pages = 0

    async def request(self, request: RawRequest) -> RawResponse:
        self.lists += 1
        start = int(request.query.get("continue", 0))
        end = start + self.pages if self.pages else len(self.pods)
        metadata = {"resourceVersion": str(self.version)}
        if end < len(self.pods):
            metadata["continue"] = str(end)
        return RawResponse(200, {}, orjson.dumps({"metadata": metadata, "items": self.pods[start:end]}))

    @asynccontextmanager
    async def stream(self, request: RawRequest) -> AsyncIterator[StreamResponse]:
        self.watched_from.append(request.query["resourceVersion"])
        yield StreamResponse(200, {}, self._pieces())

    async def _pieces(self) -> AsyncIterator[bytes]:
        while True:
            event = await self.events.get()
            if event is None:
                return
            if isinstance(event, Exception):
                raise event
            raw = orjson.dumps(event) + b"\n"
            # Cut anywhere: framing must not matter.
            yield raw[:7]
            yield raw[7:]

    async def close(self) -> None:
        """Nothing is held."""

    def send(self, kind: str, obj: Any) -> None:
        self.events.put_nowait({"type": kind, "object": obj})


class Watcher:
    def __init__(self, informer: Informer[Any]) -> None:
        self.seen: list[str] = []
        informer.subscribe(self)

    def __call__(self, old: Any, new: Any) -> None:
        kind = "+" if old is None else "-" if new is None else "~"
        self.seen.append(kind + (new or old)["metadata"]["name"])


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    made = Tasks()
    yield made
    await made.close()


async def test_list_then_watch(tasks: Tasks) -> None:
    script = Script()
    script.pods = [pod("a", 1), pod("b", 2), pod("c", 3)]
    script.pages = 2
    informer = Informer(Client(script), PODS)
    informer.index("node", lambda obj: [obj["spec"]["nodeName"]])
    watcher = Watcher(informer)
    tasks.spawn(informer.run(), "informer")
    await informer.synced()
    assert script.lists == 2
    script.send("MODIFIED", pod("a", 11, node="n2"))
    script.send("DELETED", pod("b", 12))
    script.send("ADDED", pod("d", 13))
    script.send("BOOKMARK", {"metadata": {"resourceVersion": "20"}})
    await clock.sleep(0.01)
    assert watcher.seen == ["+a", "+b", "+c", "~a", "-b", "+d"]
    assert [obj["metadata"]["name"] for obj in informer.by("node", "n2")] == ["a"]
    assert informer.revision == 20
    kept = informer.get("default", "a")
    assert kept
    assert "managedFields" not in kept["metadata"]


async def test_equal_parts_are_shared(tasks: Tasks) -> None:
    script = Script()
    script.pods = [pod("a", 1), pod("b", 2), pod("c", 3)]
    informer = Informer(Client(script), PODS)
    tasks.spawn(informer.run(), "informer")
    await informer.synced()
    shared = informer.list()[2]["spec"]["containers"]
    assert informer.list()[1]["spec"]["containers"] is shared
    # What the watch brings is made small when it has come to rest, unless it has been replaced.
    for number in range(250):
        script.send("ADDED", pod(f"d{number}", 11 + number))
    await clock.sleep(1)
    script.send("MODIFIED", pod("d9", 300))
    await clock.sleep(REST_S - 1.5)
    assert informer.get("default", "d1")["spec"]["containers"] is not shared  # type: ignore[index]
    await clock.sleep(1)
    assert informer.get("default", "d249")["spec"]["containers"] is shared  # type: ignore[index]
    assert informer.get("default", "d9")["spec"]["containers"] is not shared  # type: ignore[index]
    await clock.sleep(1)
    assert informer.get("default", "d9")["spec"]["containers"] is shared  # type: ignore[index]


async def test_a_broken_watch_goes_on_where_it_was(tasks: Tasks) -> None:
    script = Script()
    informer = Informer(Client(script), PODS)
    tasks.spawn(informer.run(), "informer")
    await informer.synced()
    script.send("ADDED", pod("a", 11))
    await clock.sleep(0.01)
    script.events.put_nowait(Unreachable("gone"))
    await clock.sleep(1)
    assert (script.lists, script.watched_from) == (1, ["10", "11"])
    assert informer.interruptions == 1


async def test_an_expired_revision_is_listed_anew_without_losing_identity(tasks: Tasks) -> None:
    script = Script()
    script.pods = [pod("a", 1), pod("b", 2), pod("c", 3)]
    informer = Informer(Client(script), PODS)
    tasks.spawn(informer.run(), "informer")
    await informer.synced()
    watcher = Watcher(informer)
    watcher.seen.clear()
    kept = informer.get("default", "a")
    script.pods, script.version = [pod("a", 1), pod("b", 30), pod("c", 31, uid="other")], 40
    script.send("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
    await clock.sleep(1)
    assert watcher.seen == ["~b", "-c", "+c"]
    assert informer.get("default", "a") is kept
    assert (informer.revision, informer.relists) == (40, 1)


async def test_waiting_for_a_revision(tasks: Tasks) -> None:
    script = Script()
    informer = Informer(Client(script), PODS)
    tasks.spawn(informer.run(), "informer")
    await informer.synced()
    reached: list[int] = []
    informer.when(5, lambda: reached.append(5))
    informer.when(12, lambda: reached.append(12))
    assert reached == [5]
    script.send("ADDED", pod("a", 13))
    await clock.sleep(0.01)
    assert reached == [5, 12]


async def test_one_informer_per_selection(tasks: Tasks) -> None:
    script = Script()
    informers = Informers(Client(script))
    pods = informers.of(PODS)
    assert informers.of(PODS) is pods
    assert informers.full(PODS) is pods
    assert informers.of(PODS, field_selector="spec.nodeName=n1") is not pods
    await informers.start(tasks)
    await informers.synced()
    later = informers.of(PODS, "default")
    await later.synced()
    informers.drop(later)
    assert informers.of(PODS, "default") is not later


async def test_a_reader_that_chokes_ends_the_component_instead_of_reading_an_old_copy_for_ever():
    script, tasks = Script(), Tasks()
    script.pods = [pod("a", 5)]
    informers = Informers(Client(script))
    informers.of(PODS).subscribe(lambda old, new: [][0] if old else None)
    await informers.start(tasks)
    await informers.synced()
    waiting = asyncio.ensure_future(tasks.wait())
    script.events.put_nowait({"type": "MODIFIED", "object": pod("a", 11)})
    with pytest.raises(IndexError):
        await waiting
    await tasks.close()


async def test_tokens_of_one_path_share_an_informer() -> None:
    informers = Informers(Client(Script()))
    # As two discoveries make them.
    first, second = (Resource[Any]("example.com", "v1", "widgets", "Widget") for _ in range(2))
    made = informers.of(first)
    assert informers.of(second) is made is informers.full(second)
    assert informers.of(second, metadata_only=True) is not made
