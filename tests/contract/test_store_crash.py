"""What is left when etcd, or a process that holds SQLite, is killed or full: all that was acknowledged."""

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from store.backend import Backend, FutureRevision, NoSpace, Unavailable
from store.open import open_backend
from store.process import EtcdProcess, ensure_certs
from tests.contract.stores import check_order, connect, following, free_port, new_prefix

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]


async def restarted(etcd: EtcdProcess, before: int) -> None:
    async with asyncio.timeout(20):
        while etcd.starts == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await etcd.ready()


async def test_etcd_killed_and_restarted_loses_nothing(etcd: EtcdProcess):
    backend = await connect(etcd)
    prefix = new_prefix()
    acknowledged: dict[str, int] = {}
    unknown: set[str] = set()
    stop = False

    async def write(writer: int) -> None:
        for number in itertools.count():
            if stop:
                return
            key = f"{prefix}{writer}-{number}"
            try:
                acknowledged[key] = await backend.create(key, b"x" * 500)
            except Unavailable as error:
                if error.outcome_unknown:
                    unknown.add(key)

    async def compact() -> None:
        while not stop:
            await asyncio.sleep(0.05)
            with contextlib.suppress(Unavailable):
                await backend.compact(max(1, await backend.current_revision() - 3000))

    start = await backend.current_revision()
    try:
        async with following(backend, prefix, start) as follower, asyncio.timeout(60):
            writers = asyncio.gather(compact(), *(write(number) for number in range(8)))
            for _ in range(3):
                await asyncio.sleep(0.3)
                before = etcd.starts
                etcd.kill()
                await restarted(etcd, before)
            await asyncio.sleep(0.3)
            stop = True
            await writers
            end = await backend.create(prefix + "end", b"")
            await follower.reach(end)
            check_order(follower, start)
        seen = {event.key: event.revision for event in follower.events}
        assert len(acknowledged) > 100
        assert len(seen) == len(follower.events)
        assert acknowledged.items() <= seen.items()
        assert set(seen) - set(acknowledged) - {prefix + "end"} <= unknown
        stored = {kv.key: kv.revision for kv in (await backend.list(prefix)).items}
        assert stored == seen
    finally:
        stop = True
        await backend.close()


async def test_etcd_calls_wait_for_a_restart(etcd: EtcdProcess):
    backend = await connect(etcd)
    try:
        revision = await backend.current_revision()
        before = etcd.starts
        etcd.kill()
        assert await backend.current_revision() >= revision
        await restarted(etcd, before)
    finally:
        await backend.close()


async def test_etcd_that_hangs_fails_calls_in_time_and_watches_go_on(
    etcd: EtcdProcess, monkeypatch: pytest.MonkeyPatch
):
    backend = await connect(etcd)
    prefix = new_prefix()
    try:
        start = await backend.create(prefix + "before", b"")
        async with following(backend, prefix, start) as follower:
            monkeypatch.setattr("store.etcd.CALL_S", 0.5)
            assert etcd.pid is not None
            os.kill(etcd.pid, signal.SIGSTOP)
            try:
                async with asyncio.timeout(5):
                    with pytest.raises(Unavailable) as caught:
                        await backend.create(prefix + "meanwhile", b"")
                    assert caught.value.outcome_unknown
                    with pytest.raises(Unavailable):
                        await backend.get(prefix + "before")
            finally:
                os.kill(etcd.pid, signal.SIGCONT)
            monkeypatch.undo()
            after = await backend.create(prefix + "after", b"")
            await follower.reach(after)
            keys = [event.key.removeprefix(prefix) for event in follower.events]
            assert [key for key in keys if key != "meanwhile"] == ["after"]
            assert await backend.get(prefix + "before") is not None
    finally:
        await backend.close()


async def test_etcd_cannot_be_used_without_a_certificate(etcd: EtcdProcess, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("store.etcd.CALL_S", 1.0)
    assert etcd.certs is not None
    with pytest.raises(Unavailable):
        async with asyncio.timeout(20):
            await open_backend(etcd.url, ca=etcd.certs.ca)


async def test_etcd_over_its_socket(etcd: EtcdProcess):
    assert etcd.socket_url is not None
    assert etcd.data_dir.stat().st_mode & 0o777 == 0o700
    backend = await open_backend(etcd.socket_url)
    try:
        prefix = new_prefix()
        async with following(backend, prefix, await backend.current_revision()) as follower:
            await follower.reach(await backend.create(prefix + "a", b""))
            before = etcd.starts
            etcd.kill()
            await restarted(etcd, before)
            await follower.reach(await backend.create(prefix + "b", b""))
            assert [event.key for event in follower.events] == [prefix + "a", prefix + "b"]
    finally:
        await backend.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from store.sqlite import SqliteBackend

async def write(backend, writer):
    number = 0
    while True:
        key = f"/registry/core/t/{writer}-{number}"
        revision = await backend.create(key, b"x" * 3000)
        print(key, revision, flush=True)
        number += 1

async def main():
    backend = await SqliteBackend.open(Path(sys.argv[1]))
    await asyncio.gather(*(write(backend, n) for n in range(20)))

asyncio.run(main())
"""


def write_until_killed(path: Path, round_: int) -> dict[str, int]:
    """Run a writer of its own process, kill it in the middle, and return what it said was acknowledged."""
    command = [sys.executable, "-c", WRITER.replace("/t/", f"/t/{round_}-"), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        lines = list(itertools.islice(process.stdout, 400))
        process.send_signal(signal.SIGKILL)
        lines += [line for line in process.stdout if line.endswith("\n")]
    return {key: int(revision) for key, revision in (line.split() for line in lines)}


async def test_sqlite_killed_in_the_middle_keeps_what_it_acknowledged(tmp_path: Path):
    path = tmp_path / "store.db"
    acknowledged: dict[str, int] = {}
    for round_ in range(3):
        acknowledged |= await asyncio.to_thread(write_until_killed, path, round_)
    backend = await open_backend(f"sqlite:{path}")
    try:
        page = await backend.list("/registry/core/t/")
        stored = {kv.key: kv.revision for kv in page.items}
        assert len(acknowledged) >= 1200
        assert acknowledged.items() <= stored.items()
        assert sorted(stored.values()) == list(range(2, page.revision + 1))
    finally:
        await backend.close()


async def test_sqlite_survives_reopening(tmp_path: Path):
    path = tmp_path / "store.db"
    backend = await open_backend(f"sqlite:{path}")
    first = await backend.create("/a", b"1")
    second = await backend.create("/b", b"2", ttl_s=1)
    last = await backend.delete("/a", first)
    await backend.close()
    backend = await open_backend(f"sqlite:{path}")
    try:
        assert await backend.current_revision() == last
        assert [kv.revision for kv in (await backend.list("/")).items] == [second]
        async with following(backend, "/", 1) as follower:
            await follower.until(lambda follower: len(follower.events) == 4)
            assert [event.value for event in follower.events] == [b"1", b"2", None, None]
    finally:
        await backend.close()


async def test_sqlite_is_for_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("store.sqlite.LOCK_S", 0.1)
    backend = await open_backend(f"sqlite:{tmp_path / 'store.db'}")
    try:
        with pytest.raises(Unavailable, match="in use by another process"):
            await open_backend(f"sqlite:{tmp_path / 'store.db'}")
    finally:
        await backend.close()


@asynccontextmanager
async def own_etcd(directory: Path, **options) -> AsyncIterator[EtcdProcess]:
    """An etcd for one test, because the test ruins it."""
    certs = ensure_certs(directory / "pki")
    process = EtcdProcess(directory / "data", free_port(), free_port(), certs, **options)
    await process.start()
    try:
        await process.ready()
        yield process
    finally:
        await process.stop()


async def test_etcd_that_went_back_in_time_ends_watches(tmp_path: Path):
    async with own_etcd(tmp_path) as process:
        backend = await connect(process)
        try:
            revision = await backend.create("/registry/a", b"")
            for _ in range(20):
                revision = await backend.update("/registry/a", b"", revision)
            async with following(backend, "/registry/", 1) as follower:
                await follower.reach(revision)
                await process.stop()
                shutil.rmtree(process.data_dir)
                await process.start()
                await process.ready()
                await asyncio.wait([follower.task], timeout=10)
                assert isinstance(follower.task.exception(), FutureRevision)
            async with following(backend, "/registry/", 1) as follower:
                created = await backend.create("/registry/b", b"")
                await follower.reach(created)
                assert [event.key for event in follower.events] == ["/registry/b"]
        finally:
            await backend.close()


async def test_etcd_that_is_full_refuses_writes_and_recovers(tmp_path: Path):
    async with own_etcd(tmp_path, quota_bytes=16 * 1024 * 1024) as process:
        backend = await connect(process)
        try:
            revisions: dict[str, int] = {}
            for number in range(40):
                key = f"/registry/{number}"
                revisions[key] = await create_if_space(backend, key)
                if not revisions[key]:
                    del revisions[key]
                    break
            assert 5 < len(revisions) < 40
            assert await backend.get("/registry/0") is not None
            for key, revision in revisions.items():
                last = await backend.delete(key, revision)
            await backend.compact(last)
            async with asyncio.timeout(30):
                while not (created := await create_if_space(backend, "/registry/again")):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert created > last
        finally:
            await backend.close()


async def create_if_space(backend: Backend, key: str) -> int:
    try:
        return await backend.create(key, os.urandom(1024 * 1024))
    except NoSpace:
        return 0


async def test_etcd_with_a_member_that_is_down(etcd: EtcdProcess):
    assert etcd.certs is not None
    url = etcd.url.replace("https://", f"https://127.0.0.1:{free_port()},")
    backend = await open_backend(url, ca=etcd.certs.ca, cert=etcd.certs.cert, key=etcd.certs.key)
    try:
        prefix = new_prefix()
        start = await backend.current_revision()
        async with following(backend, prefix, start) as follower:
            await follower.reach(await backend.create(prefix + "a", b""))
    finally:
        await backend.close()


async def test_etcd_ends_the_one_a_killed_supervisor_left(tmp_path: Path):
    async with own_etcd(tmp_path) as first:
        backend = await connect(first)
        revision = await backend.create("/registry/a", b"")
        await backend.close()
        second = EtcdProcess(first.data_dir, free_port(), free_port(), first.certs)
        first._stopping = True  # as if its supervisor were dead
        await second.start()
        try:
            await second.ready()
            assert second.pid != first.pid
            backend = await connect(second)
            assert await backend.current_revision() == revision
            await backend.close()
        finally:
            await second.stop()
