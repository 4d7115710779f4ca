"""What the suites of the store share: a store under test, and a follower of one of its watches."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from store.backend import Backend, Batch, Event, KeyValue
from store.open import open_backend
from store.process import EtcdProcess

_numbers = itertools.count(1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_prefix() -> str:
    """Return a prefix that no other test of this session uses."""
    return f"/registry/core/t{next(_numbers)}/"


@dataclass
class Store:
    """A backend under test, a prefix of the test's own, and how to open the same data once more."""

    kind: str
    backend: Backend
    prefix: str
    open: Callable[[], Awaitable[Backend]]
    etcd: EtcdProcess | None

    def key(self, name: str) -> str:
        return self.prefix + name


async def connect(process: EtcdProcess) -> Backend:
    assert process.certs is not None
    certs = process.certs
    return await open_backend(process.url, ca=certs.ca, cert=certs.cert, key=certs.key)


@dataclass
class Follower:
    """Collects what a watch yields."""

    batches: list[Batch]
    task: asyncio.Task[None]

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch.events]

    @property
    def revision(self) -> int:
        return self.batches[-1].revision if self.batches else 0

    async def until(self, done: Callable[["Follower"], bool], timeout_s: float = 10.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not done(self):
                if self.task.done():
                    self.task.result()
                    raise AssertionError("the watch ended")
                await asyncio.sleep(0.005)

    async def reach(self, revision: int) -> None:
        await self.until(lambda follower: follower.revision >= revision)


@asynccontextmanager
async def following(backend: Backend, prefix: str, revision: int) -> AsyncIterator[Follower]:
    batches: list[Batch] = []

    async def collect() -> None:
        async with aclosing(backend.watch(prefix, revision)) as watch:
            async for batch in watch:
                # One by one: the test looks at them while they come.
                batches.append(batch)  # noqa: PERF401

    follower = Follower(batches, asyncio.get_running_loop().create_task(collect()))
    try:
        yield follower
    finally:
        follower.task.cancel()
        await asyncio.wait([follower.task])


def check_order(follower: Follower, start: int) -> None:
    """Revisions rise, nothing repeats, and every batch is complete up to its own revision."""
    last = start
    for batch in follower.batches:
        for event in batch.events:
            assert last < event.revision <= batch.revision
            last = event.revision
        assert batch.revision >= last
        last = batch.revision


async def first_error(backend: Backend, prefix: str, revision: int) -> Exception:
    """Return what a watch raises."""
    async with asyncio.timeout(10), aclosing(backend.watch(prefix, revision)) as watch:
        try:
            async for _ in watch:
                pass
        except Exception as error:
            return error
    raise AssertionError("the watch ended without an error")


async def fill(store: Store, names: list[str]) -> int:
    revision = 0
    for name in names:
        revision = await store.backend.create(store.key(name), name.encode())
    return revision


def names_of(store: Store, items: list[KeyValue]) -> list[str]:
    return [kv.key.removeprefix(store.prefix) for kv in items]


async def churn(store: Store, key: str, times: int) -> list[int]:
    revisions = [await store.backend.create(key, b"0")]
    for number in range(1, times):
        revisions.append(await store.backend.update(key, b"%d" % number, revisions[-1]))
    return revisions
