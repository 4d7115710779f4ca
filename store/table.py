"""The SQLite file of the store: its table, and the statements on it. Synchronous; `store/sqlite.py` schedules
them.

Every write appends one row to `log`; a key stands where its youngest row says, unless that is a deletion. So
the log is the history of watches and old lists too, until `sweep` removes what is compacted.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from store.backend import (
    Compacted,
    Event,
    FutureRevision,
    KeyValue,
    NoSpace,
    Page,
    StoreError,
    Unavailable,
)

FIRST_REVISION = 1
# Beyond every key that continues a prefix: no key holds the last code point.
LAST = "\U0010ffff"

SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    created INTEGER NOT NULL,          -- revision of the key's creation
    previous INTEGER NOT NULL,         -- revision of the key's write before this one; 0 on creation
    deleted INTEGER NOT NULL,          -- 1: this write deletes the key, and value is empty
    expires REAL,                      -- UTC seconds at which the key is to be deleted, if any
    value BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS log_key ON log (key, revision, deleted);
CREATE INDEX IF NOT EXISTS log_expires ON log (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('compacted', 0);
INSERT OR IGNORE INTO meta VALUES ('swept', 0);
"""
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    # A commit returns when the log is on the disk: acknowledged means durable.
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA cache_size=-32768",
)

YOUNGEST = (
    "SELECT created, revision, deleted, value, expires FROM log WHERE key = ? ORDER BY revision DESC LIMIT 1"
)
APPEND = "INSERT INTO log (revision, key, created, previous, deleted, expires, value) VALUES (?,?,?,?,?,?,?)"
CURRENT = "SELECT COALESCE(MAX(revision), 1) FROM log"
# SQLite takes the bare column `deleted` from the row of the maximum.
LIVE = (
    "(SELECT key, MAX(revision) AS youngest, deleted FROM log"
    " WHERE key >= ? AND key < ? AND revision <= ? GROUP BY key)"
)
LIST = (
    f"SELECT log.key, value, created, revision FROM {LIVE} AS live JOIN log ON log.revision = youngest"
    " WHERE live.deleted = 0 ORDER BY live.key LIMIT ?"
)
COUNT = f"SELECT COUNT(*) FROM {LIVE} WHERE deleted = 0"
# The plus keeps SQLite from using the index of keys: the order is that of revisions.
HISTORY = (
    "SELECT log.key, log.value, log.revision, log.created, log.deleted, log.previous, before.value"
    " FROM log LEFT JOIN log AS before ON before.revision = log.previous"
    " WHERE log.revision > ? AND log.revision <= ? AND +log.key >= ? AND +log.key < ?"
    " ORDER BY log.revision LIMIT ?"
)
# A row goes when its successor is compacted; a deletion when it is compacted itself. The youngest row always
# stays.
SWEEP_SUPERSEDED = (
    "DELETE FROM log WHERE revision IN"
    " (SELECT previous FROM log WHERE revision > ? AND revision <= ? AND previous > 0)"
)
SWEEP_DELETIONS = "DELETE FROM log WHERE revision >= ? AND revision < ? AND deleted"
EXPIRING = (
    "SELECT key, revision, expires FROM log WHERE expires IS NOT NULL AND NOT EXISTS ("
    "SELECT 1 FROM log AS later WHERE later.key = log.key AND later.revision > log.revision)"
)
# Revisions per transaction of the sweep: bounds how long writes wait for it.
SWEEP_REVISIONS = 1000


def connect(path: Path, read_only: bool = False) -> sqlite3.Connection:
    """Return a connection in autocommit mode that any thread may use, one at a time."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.0)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    if read_only:
        connection.execute("PRAGMA query_only=ON")
    return connection


def error_for(error: sqlite3.Error, outcome_unknown: bool = False) -> StoreError:
    """Return the store's error for SQLite's; `outcome_unknown` if it came from a commit."""
    name = getattr(error, "sqlite_errorname", "") or ""
    text = f"{name}: {error}" if name else str(error)
    if name.startswith("SQLITE_FULL"):
        return NoSpace(text)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN")):
        return Unavailable(text)
    if name.startswith("SQLITE_IOERR"):
        return Unavailable(text, outcome_unknown)
    return StoreError(text)


def youngest(connection: sqlite3.Connection, key: str) -> tuple[KeyValue | None, float | None]:
    """Return the key as it stands, and when it expires."""
    row = connection.execute(YOUNGEST, (key,)).fetchone()
    if row is None or row[2]:
        return None, None
    return KeyValue(key, row[3], row[0], row[1]), row[4]


def append(connection: sqlite3.Connection, event: Event, expires: float | None) -> None:
    previous = event.previous.revision if event.previous else 0
    deleted = event.value is None
    row = (event.revision, event.key, event.created, previous, deleted, expires, event.value or b"")
    connection.execute(APPEND, row)


def current_revision(connection: sqlite3.Connection) -> int:
    """Return the revision of the last write; the sweep never removes its row."""
    return int(connection.execute(CURRENT).fetchone()[0])


def meta(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])


def set_meta(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("UPDATE meta SET value = ? WHERE name = ?", (value, name))


def check_revision(connection: sqlite3.Connection, revision: int) -> int:
    """Return the revision to read at (0: the present one). Raises `Compacted`, `FutureRevision`."""
    current = current_revision(connection)
    if revision > current:
        raise FutureRevision(current)
    if revision and revision < (oldest := meta(connection, "compacted")):
        raise Compacted(oldest)
    return revision or current


def read_page(connection: sqlite3.Connection, prefix: str, limit: int, after: str, revision: int) -> Page:
    """Return a page from one snapshot. See `Backend.list`."""
    connection.execute("BEGIN")
    try:
        at = check_revision(connection, revision)
        first = after + "\0" if after >= prefix and after else prefix
        rows = connection.execute(LIST, (first, prefix + LAST, at, limit or -1))
        items = [KeyValue(*row) for row in rows]
        remaining = 0
        if limit and len(items) == limit:
            remaining = connection.execute(COUNT, (items[-1].key + "\0", prefix + LAST, at)).fetchone()[0]
        return Page(items, at, remaining)
    finally:
        connection.execute("COMMIT")


def read_history(
    connection: sqlite3.Connection, prefix: str, after: int, upto: int, limit: int
) -> list[Event]:
    """Return at most `limit` events of `prefix` in (after, upto]. Raises `Compacted`, `FutureRevision`."""
    connection.execute("BEGIN")
    try:
        check_revision(connection, max(after, 1))
        rows = connection.execute(HISTORY, (after, upto, prefix, prefix + LAST, limit))
        return list(_events(rows))
    finally:
        connection.execute("COMMIT")


def _events(rows: sqlite3.Cursor) -> Iterator[Event]:
    for key, value, revision, created, deleted, previous, before in rows:
        # A deletion's row keeps the creation of what it deleted, and so does every later write of the key.
        old = KeyValue(key, before, created, previous) if previous else None
        yield Event(key, None if deleted else value, revision, created, old)


def sweep(connection: sqlite3.Connection) -> bool:
    """Remove some of what is compacted; return whether more is left. Its own transaction."""
    swept, upto = meta(connection, "swept"), meta(connection, "compacted")
    if swept >= upto:
        return False
    until = min(upto, swept + SWEEP_REVISIONS)
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(SWEEP_SUPERSEDED, (swept, until))
        connection.execute(SWEEP_DELETIONS, (swept, until))
        set_meta(connection, "swept", until)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return until < upto


def expiring(connection: sqlite3.Connection) -> list[tuple[str, int, float]]:
    """Return key, revision and time of everything that is to expire."""
    return [(row[0], row[1], row[2]) for row in connection.execute(EXPIRING)]
