"""Random writers and many watchers on one or more servers, checked against the store's own history.

`test_watching.py` and `test_servers.py` are its short runs, `__main__.py` the long one. What is promised: a
watcher that lists at a revision, and resumes from the last revision that it has seen (on any of the servers)
whenever its connection ends, gets exactly the events that the history has for its selection, in order; a
bookmark never runs ahead of an event; and whoever wrote something finds it in every read that begins later.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession

from store.backend import Backend, StoreError

PREFIX = "/registry/core/configmaps/"
SPACES = ("model-a", "model-b")
COLORS = ("red", "blue", "green", None)
# How long watchers may take to hear of the last writes.
SETTLE_S = 20.0

Labels = dict[str, str]
Seen = tuple[str, str, int]


@dataclass(frozen=True)
class Selection:
    """What a watcher asks for, and the model's own idea of what that means."""

    namespace: str
    query: dict[str, str]
    matches: Callable[[str, Labels], bool]


def _any(_name: str, _labels: Labels) -> bool:
    return True


def _color(labels: Labels) -> str:
    return labels.get("color", "none")


SELECTIONS = (
    Selection("", {}, _any),
    Selection("model-a", {}, _any),
    Selection("", {"labelSelector": "color=red"}, lambda _, have: have.get("color") == "red"),
    Selection("model-b", {"labelSelector": "color!=red"}, lambda _, have: have.get("color") != "red"),
    Selection("", {"labelSelector": "color in (red,blue)"}, lambda _, have: _color(have) in "red blue"),
    Selection("model-a", {"labelSelector": "!color"}, lambda _, have: "color" not in have),
    Selection("model-a", {"fieldSelector": "metadata.name=w0-1"}, lambda name, _: name == "w0-1"),
    Selection("", {"fieldSelector": "metadata.name!=w1-0"}, lambda name, _: name != "w1-0"),
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One entry of the store's history; `labels` None: a deletion."""

    revision: int
    namespace: str
    name: str
    labels: Labels | None


def expected(history: Sequence[Change], selection: Selection, after: int) -> list[Seen]:
    """Return the events (type, namespace/name, revision) that a watch after a revision must give."""
    present: dict[tuple[str, str], Labels] = {}
    events: list[Seen] = []
    for change in history:
        key = (change.namespace, change.name)
        before = present.pop(key, None)
        if change.labels is not None:
            present[key] = change.labels
        if change.revision <= after or selection.namespace not in ("", change.namespace):
            continue
        was = before is not None and selection.matches(change.name, before)
        now = change.labels is not None and selection.matches(change.name, change.labels)
        if was or now:
            kind = ("MODIFIED" if was else "ADDED") if now else "DELETED"
            events.append((kind, f"{change.namespace}/{change.name}", change.revision))
    return events


def difference(seen: Sequence[Seen], wanted: Sequence[Seen]) -> str:
    """Return how a watcher's events differ from the history's, "" if they do not."""
    for number, (one, other) in enumerate(zip(seen, wanted, strict=False)):
        if one != other:
            return f"event {number} is {one}, not {other}"
    if len(seen) != len(wanted):
        rest = [*seen[len(wanted) :], *wanted[len(seen) :]]
        return f"{len(seen)} events, not {len(wanted)}: {rest[:1]}"
    return ""


@dataclass
class Run:
    """One run: what it works with, what it has found."""

    session: ClientSession
    draw: random.Random
    # The servers; the session's own if there is but one.
    urls: Sequence[str] = ("",)
    faults: list[str] = field(default_factory=list)
    acknowledged: int = 0
    reconnects: int = 0
    expired: int = 0
    bookmarks: int = 0
    done: bool = False

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        """Return status and object; 0 if nothing came back."""
        data = orjson.dumps(body) if body is not None else None
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            async with self.session.request(
                method,
                self.draw.choice(self.urls) + path,
                data=data,
                headers={"Content-Type": kind},
                params=query,
            ) as response:
                return response.status, orjson.loads(await response.read())
        except (ClientError, TimeoutError, orjson.JSONDecodeError):
            return 0, {}


class Writer:
    """Changes objects that nobody else changes, and reads its own writes back."""

    def __init__(self, run: Run, number: int) -> None:
        self._run, self._number = run, number
        # (namespace, name) -> what it must be: None after a deletion; left out while unknown.
        self._known: dict[tuple[str, str], int | None] = {}

    async def run(self) -> None:
        run = self._run
        while not run.done:
            key = (run.draw.choice(SPACES), f"w{self._number}-{run.draw.randrange(3)}")
            await self._write(key)
            if run.draw.random() < 0.2:
                await self._read(key)
            await asyncio.sleep(run.draw.random() * 0.01)

    async def _write(self, key: tuple[str, str]) -> None:
        run, path = self._run, f"/api/v1/namespaces/{key[0]}/configmaps"
        color = run.draw.choice(COLORS)
        obj = {"metadata": {"name": key[1], "labels": {"color": color} if color else {}},
               "data": {"x": "y" * run.draw.choice((1, 1, 2000, 20_000))}}  # fmt: skip
        kind = run.draw.random()
        known = self._known.pop(key, None)
        if kind < 0.25:
            status, _ = await run.ask("DELETE", f"{path}/{key[1]}")
            if status in (200, 404):
                self._known[key] = None
                run.acknowledged += 1
                return
        elif kind < 0.6:
            status, told = await run.ask("POST", path, obj)
        else:
            status, told = await run.ask(
                "PATCH", f"{path}/{key[1]}", {"metadata": {"labels": {"color": color}}, "data": obj["data"]}
            )
        if status in (200, 201) and kind >= 0.25:
            self._known[key] = int(told["metadata"]["resourceVersion"])
            run.acknowledged += 1
        elif status in (404, 409) and known is not None:
            self._known[key] = known

    async def _read(self, key: tuple[str, str]) -> None:
        run = self._run
        if key not in self._known:
            return
        wanted, path = self._known[key], f"/api/v1/namespaces/{key[0]}/configmaps"
        if run.draw.random() < 0.5:
            status, told = await run.ask("GET", f"{path}/{key[1]}")
            found = int(told["metadata"]["resourceVersion"]) if status == 200 else None
        else:
            status, told = await run.ask("GET", path)
            versions = [one["metadata"] for one in told.get("items", ())]
            found = next((int(one["resourceVersion"]) for one in versions if one["name"] == key[1]), None)
        if status in (200, 404) and found != wanted:
            run.faults.append(f"stale read of {key}: {found}, written {wanted}")


class Watcher:
    """Lists, watches, is cut off, resumes; `seen` is what it was told since the list at `since`."""

    def __init__(self, run: Run, selection: Selection, habits: random.Random) -> None:
        self._run, self.selection, self._draw = run, selection, habits
        self.since = 0
        self.seen: list[Seen] = []
        # Streams that were left behind when history had expired: (since, events, last revision seen).
        self.earlier: list[tuple[int, list[Seen], int]] = []
        self._at = 0

    @property
    def _path(self) -> str:
        inside = f"/namespaces/{self.selection.namespace}" if self.selection.namespace else ""
        return f"/api/v1{inside}/configmaps"

    async def run(self) -> None:
        await self._begin()
        while True:
            try:
                await self._follow(self._draw.choice((3, 20, 100, 10_000)), self._draw.random() < 0.3)
            except (ClientError, TimeoutError, ValueError):
                await asyncio.sleep(0.05)
            self._run.reconnects += 1

    async def _begin(self) -> None:
        while True:
            query = {**self.selection.query, "limit": "1"}
            status, told = await self._run.ask("GET", self._path, **query)
            if status == 200:
                break
            await asyncio.sleep(0.05)
        if self.since:
            self.earlier.append((self.since, self.seen, self._at))
        self.since = self._at = int(told["metadata"]["resourceVersion"])
        self.seen = []

    async def _follow(self, most: int, slow: bool) -> None:
        query = {
            **self.selection.query,
            "watch": "true",
            "resourceVersion": str(self._at),
            "timeoutSeconds": "30",
            "allowWatchBookmarks": "true",
        }
        url = self._draw.choice(self._run.urls) + self._path
        async with self._run.session.get(url, params=query) as response:
            if response.status == 410:
                self._run.expired += 1
                await self._begin()
                return
            if response.status != 200:
                await asyncio.sleep(0.05)
                return
            async for line in response.content:
                if not line.endswith(b"\n"):
                    return
                if await self._take(orjson.loads(line)):
                    return
                most -= 1
                if most <= 0:
                    return
                # In the end everybody hurries: who is told thousands of events would not be done in time.
                if slow and not self._run.done:
                    await asyncio.sleep(self._draw.random() * 0.05)

    async def _take(self, event: Any) -> bool:
        """Note an event; say whether the stream is over."""
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            self._run.expired += 1
            await self._begin()
            return True
        metadata = obj["metadata"]
        before, self._at = self._at, int(metadata["resourceVersion"])
        if kind == "BOOKMARK":
            self._run.bookmarks += 1
            return False
        if self._at <= before:
            self._run.faults.append(f"an event at {self._at} after one, or a bookmark, at {before}")
        self.seen.append((kind, f"{metadata['namespace']}/{metadata['name']}", self._at))
        return False

    def judge(self, history: Sequence[Change]) -> list[str]:
        """Return what is wrong with what this watcher was told."""
        faults = []
        for since, seen, last in self.earlier:
            wanted = [one for one in expected(history, self.selection, since) if one[2] <= last]
            faults.append(difference(seen, wanted))
        faults.append(difference(self.seen, expected(history, self.selection, self.since)))
        return [f"{self.selection.namespace} {self.selection.query}: {text}" for text in faults if text]


async def record(backend: Backend, since: int, history: list[Change]) -> None:
    """Note the store's history until cancelled."""
    while True:
        try:
            async with aclosing(backend.watch(PREFIX, since)) as batches:
                async for batch in batches:
                    for event in batch.events:
                        _, _, name = event.key.rpartition("/")
                        namespace = event.key.removeprefix(PREFIX).partition("/")[0]
                        labels = None
                        if event.value is not None:
                            labels = orjson.loads(event.value)["metadata"].get("labels") or {}
                        history.append(Change(event.revision, namespace, name, labels))
                    since = batch.revision
        except StoreError:
            await asyncio.sleep(0.1)


async def run_model(
    session: ClientSession,
    backend: Backend,
    seed: int,
    seconds: float,
    *,
    writers: int = 4,
    watchers: int = 20,
    urls: Sequence[str] = ("",),
) -> Run:
    """Let it all happen; return the run with its faults."""
    run = Run(session, random.Random(seed), urls)
    for name in SPACES:
        await run.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    history: list[Change] = []
    since = await backend.current_revision()
    present = await backend.list(PREFIX)
    for item in sorted(present.items, key=lambda one: one.revision):
        namespace, _, name = item.key.removeprefix(PREFIX).partition("/")
        labels = orjson.loads(item.value)["metadata"].get("labels") or {}
        history.append(Change(item.revision, namespace, name, labels))
    tell = asyncio.ensure_future(record(backend, max(since, present.revision), history))
    people = [
        Watcher(run, SELECTIONS[number % len(SELECTIONS)], random.Random(seed * 1000 + number))
        for number in range(watchers)
    ]
    following = [asyncio.ensure_future(one.run()) for one in people]
    writing = [asyncio.ensure_future(Writer(run, number).run()) for number in range(writers)]
    await asyncio.sleep(seconds)
    run.done = True
    await asyncio.gather(*writing)
    with suppress(TimeoutError):
        await _settle(people, history)
    for task in (*following, tell):
        task.cancel()
    await asyncio.wait((*following, tell))
    for one in people:
        run.faults += one.judge(history)
    return run


async def _settle(people: Sequence[Watcher], history: Sequence[Change]) -> None:
    """Wait until every watcher has been told everything, or for so long that it never will."""
    async with asyncio.timeout(SETTLE_S):
        while any(one.judge(history) for one in people):  # noqa: ASYNC110 (nobody tells of events to come)
            await asyncio.sleep(0.2)
    # Time for what is told twice.
    await asyncio.sleep(0.5)
