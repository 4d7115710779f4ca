import asyncio
import sqlite3
from pathlib import Path

import pytest

from store import sqlite as sqlite_module
from store import table
from store.backend import NoSpace, Unavailable
from store.sqlite import SqliteBackend


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def test_a_full_disk_refuses_and_recovers(path):
    backend = await SqliteBackend.open(path)
    pages = backend._writer.execute("PRAGMA page_count").fetchone()[0]
    backend._writer.execute(f"PRAGMA max_page_count={pages + 50}")
    before = await backend.create("/small", b"")
    with pytest.raises(NoSpace):
        await backend.create("/large", b"x" * 1_000_000)
    assert await backend.get("/large") is None
    assert await backend.current_revision() == before
    backend._writer.execute("PRAGMA max_page_count=1000000")
    assert await backend.create("/large", b"x" * 1_000_000) == before + 1
    await backend.close()


async def test_a_full_disk_fails_the_group_and_its_refusals(path):
    backend = await SqliteBackend.open(path)
    pages = backend._writer.execute("PRAGMA page_count").fetchone()[0]
    backend._writer.execute(f"PRAGMA max_page_count={pages + 50}")
    outcomes = await asyncio.gather(
        backend.create("/a", b""),
        backend.create("/a", b""),
        backend.create("/b", b"x" * 1_000_000),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [NoSpace] * 3
    assert await backend.get("/a") is None
    await backend.close()


async def test_a_lock_held_by_another_is_waited_for(path):
    backend = await SqliteBackend.open(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.get_running_loop().create_task(backend.create("/a", b""))
    await asyncio.sleep(0.05)
    assert not writing.done()
    assert await backend.get("/a") is None
    other.execute("COMMIT")
    assert await writing == 2
    other.close()
    await backend.close()


async def test_a_lock_held_too_long_is_an_error(path, monkeypatch):
    monkeypatch.setattr(sqlite_module, "BUSY_MS", 20)
    backend = await SqliteBackend.open(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked") as caught:
        await backend.create("/a", b"")
    assert not caught.value.outcome_unknown
    other.execute("ROLLBACK")
    other.close()
    assert await backend.create("/a", b"") == 2
    await backend.close()


async def test_a_file_that_is_no_database(path):
    path.write_bytes(b"not a database, and long enough to be seen as such" * 100)
    with pytest.raises(Exception, match="not a database"):
        await SqliteBackend.open(path)


async def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot open"):
        await SqliteBackend.open(tmp_path / "file" / "store.db")


async def test_the_file_is_private(path):
    backend = await SqliteBackend.open(path)
    await backend.create("/a", b"")
    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    await backend.close()


async def test_the_sweep_keeps_one_row_per_living_key(path):
    backend = await SqliteBackend.open(path)
    await backend.create("/quiet", b"")
    for round_ in range(3):
        revision = await backend.create("/busy", b"0")
        for number in range(20):
            revision = await backend.update("/busy", b"%d" % number, revision)
        await backend.compact(revision)
        if round_ < 2:
            revision = await backend.delete("/busy", revision)
    await backend.close()
    connection = table.connect(path)
    assert connection.execute("SELECT key FROM log ORDER BY key").fetchall() == [("/busy",), ("/quiet",)]
    connection.close()


async def test_the_log_is_copied_and_cut(path, monkeypatch):
    monkeypatch.setattr(sqlite_module, "CHECKPOINT_BYTES", 1_000_000)
    monkeypatch.setattr(sqlite_module, "TRUNCATE_BYTES", 2_000_000)
    backend = await SqliteBackend.open(path)
    for group in range(20):
        await asyncio.gather(*(backend.create(f"/{group}-{n}", b"x" * 10_000) for n in range(100)))
    if backend._checkpointing is not None:
        await asyncio.wait([backend._checkpointing])
    assert backend._wal.stat().st_size < 12_000_000
    assert len((await backend.list("/")).items) == 2000
    await backend.close()
    assert not backend._wal.exists()
