"""How fast the store is: `python -m bench.store [--backends memory,sqlite,etcd] [--scale 1.0]`.

One JSON line per figure and backend: durable creates one after the other and 100 in flight, reads, CPU per
operation (of this process, and of etcd's), and events per second through a watch. Data goes to a temporary
directory; etcd is started for the occasion, as `pelamis up` does, and spoken to over its socket (`--tls`:
over TLS).
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import uvloop

from store.backend import Backend
from store.open import open_backend
from store.process import EtcdProcess, ensure_certs, find_etcd

VALUE = os.urandom(3900)  # a stored pod
IN_FLIGHT = 100
WATCHERS = 60  # one per resource, as the API server's watch caches are
TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Meter:
    """Wall time and CPU of a stretch of work; `server` is the process id of etcd, if any."""

    def __init__(self, server: int | None) -> None:
        self._server = server
        self._start = (time.perf_counter(), time.process_time(), self._server_s())

    def _server_s(self) -> float:
        if self._server is None:
            return 0.0
        fields = Path(f"/proc/{self._server}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def figures(self, count: int) -> dict[str, float]:
        wall, cpu, server = self._start
        out = {
            "per_s": round(count / (time.perf_counter() - wall)),
            "cpu_us": round((time.process_time() - cpu) / count * 1e6, 1),
        }
        if self._server is not None:
            out["server_cpu_us"] = round((self._server_s() - server) / count * 1e6, 1)
        return out


async def in_flight(count: int, call: Callable[[int], Awaitable[object]]) -> None:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await call(number)

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


class Bench:
    def __init__(self, name: str, backend: Backend, server: int | None, scale: float) -> None:
        self.name, self.backend, self.server, self.scale = name, backend, server, scale

    def report(self, figure: str, meter: Meter, count: int) -> None:
        line = {"bench": "store", "backend": self.name, "figure": figure, "count": count}
        print(json.dumps(line | meter.figures(count)), flush=True)

    async def sequential(self) -> None:
        count = int(2000 * self.scale)
        meter = Meter(self.server)
        for number in range(count):
            await self.backend.create(f"/registry/core/seq/{number}", VALUE)
        self.report("create one after the other", meter, count)

    async def concurrent(self) -> None:
        count = int(10000 * self.scale)
        meter = Meter(self.server)
        await in_flight(count, lambda n: self.backend.create(f"/registry/core/par/{n}", VALUE))
        self.report(f"create, {IN_FLIGHT} in flight", meter, count)
        revisions = [kv.revision for kv in (await self.backend.list("/registry/core/par/")).items]
        keys = [kv.key for kv in (await self.backend.list("/registry/core/par/")).items]
        meter = Meter(self.server)
        await in_flight(count, lambda n: self.backend.update(keys[n], VALUE, revisions[n]))
        self.report(f"update, {IN_FLIGHT} in flight", meter, count)

    async def reads(self) -> None:
        count = int(5000 * self.scale)
        meter = Meter(self.server)
        await in_flight(count, lambda n: self.backend.get(f"/registry/core/par/{n}"))
        self.report(f"get, {IN_FLIGHT} in flight", meter, count)
        meter = Meter(self.server)
        page = await self.backend.list("/registry/core/par/")
        self.report("list, keys", meter, len(page.items))

    async def watched(self, live: bool) -> None:
        """Events of one resource to one of many watches, while they are written or from the past."""
        count = int(10000 * self.scale)
        prefix = f"/registry/core/watched{int(live)}/"
        start = await self.backend.current_revision()

        async def write() -> None:
            await in_flight(count, lambda n: self.backend.create(f"{prefix}{n}", VALUE))

        async with asyncio.TaskGroup() as group:
            idle = [
                group.create_task(_drain(self.backend, f"/registry/core/r{n}/", start))
                for n in range(WATCHERS)
            ]
            if not live:
                await write()
            meter = Meter(self.server)
            writing = group.create_task(write()) if live else None
            await _take(self.backend, prefix, start, count)
            self.report(
                "watch, while written (writes included)" if live else "watch, from the past", meter, count
            )
            if writing is not None:
                await writing
            for task in idle:
                task.cancel()


async def _drain(backend: Backend, prefix: str, revision: int) -> None:
    async with aclosing(backend.watch(prefix, revision)) as watch:
        async for _ in watch:
            pass


async def _take(backend: Backend, prefix: str, revision: int, count: int) -> None:
    seen = 0
    async with aclosing(backend.watch(prefix, revision)) as watch:
        async for batch in watch:
            seen += len(batch.events)
            if seen >= count:
                return


@asynccontextmanager
async def opened(name: str, directory: Path, over_tls: bool) -> AsyncIterator[tuple[Backend, int | None]]:
    process: EtcdProcess | None = None
    if name == "etcd":
        certs = ensure_certs(directory / "pki")
        process = EtcdProcess(directory / "etcd", free_port(), free_port(), certs)
        begun = time.perf_counter()
        await process.start()
        await process.ready()
        ready_s = round(time.perf_counter() - begun, 3)
        print(json.dumps({"bench": "store", "backend": name, "figure": "start to ready", "s": ready_s}))
        url = process.url if over_tls or process.socket_url is None else process.socket_url
        backend = await open_backend(url, ca=certs.ca, cert=certs.cert, key=certs.key)
    else:
        backend = await open_backend("memory:" if name == "memory" else f"sqlite:{directory / 'store.db'}")
    try:
        yield backend, process.pid if process else None
    finally:
        await backend.close()
        if process is not None:
            await process.stop()


async def run(names: list[str], scale: float, over_tls: bool) -> None:
    for name in names:
        with tempfile.TemporaryDirectory(prefix="bench-store-") as directory:
            async with opened(name, Path(directory), over_tls) as (backend, server):
                bench = Bench(name, backend, server, scale)
                await bench.sequential()
                await bench.concurrent()
                await bench.reads()
                await bench.watched(live=True)
                await bench.watched(live=False)


def main() -> int:
    parser = argparse.ArgumentParser(description="Benchmark the store's backends.")
    parser.add_argument("--backends", default="memory,sqlite,etcd")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--tls", action="store_true", help="speak TLS with etcd, over the loopback interface")
    args = parser.parse_args()
    names = args.backends.split(",")
    if "etcd" in names and find_etcd() is None:
        sys.exit("no etcd is installed: leave it out with --backends")
    uvloop.run(run(names, args.scale, args.tls))
    return 0


if __name__ == "__main__":
    sys.exit(main())
