"""The file of the audit log: a JSON line per event, rotated by size, old files dropped by number and age.

Several processes may write to one path: whoever finds the file full moves it away, the others notice.
"""

import contextlib
import fcntl
import io
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from kit import clock

# How many lines may go to a file that another process has moved away.
_CHECK_LINES = 64


class AuditLog:
    """Writes events. `max_days` 0: files are not dropped for their age. Raises `OSError` if it cannot be
    opened."""

    def __init__(self, path: Path, max_bytes: int = 100 << 20, backups: int = 10, max_days: int = 30) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._max_days = max_days
        self._file = self._open()
        self._size = self._file.tell()
        self._lines = 0

    def write(self, event: dict[str, Any]) -> None:
        line = orjson.dumps(event, default=str, option=orjson.OPT_APPEND_NEWLINE)
        self._lines += 1
        if self._size + len(line) > self._max_bytes or self._lines % _CHECK_LINES == 0:
            self._renew(len(line))
        self._file.write(line)
        self._size += len(line)

    def close(self) -> None:
        self._file.close()

    def _open(self) -> io.FileIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a line is in the kernel's hands before the next request, whatever ends this process.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return io.FileIO(descriptor, "a")

    def _renew(self, coming: int) -> None:
        """Move a full file away, or follow if another process did; know the size that all have written."""
        lock = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._is_current():
                self._file.close()
                self._file = self._open()
            self._size = os.fstat(self._file.fileno()).st_size
            if self._size and self._size + coming > self._max_bytes:
                self._rotate()
        finally:
            os.close(lock)

    def _is_current(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno()))
        return False

    def _rotate(self) -> None:
        self._file.close()
        oldest = clock.now() - timedelta(days=self._max_days)
        for number in range(self._backups - 1, 0, -1):
            older = self._numbered(number)
            if not older.exists():
                continue
            if self._max_days and older.stat().st_mtime < oldest.timestamp():
                older.unlink()
            else:
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        self._file = self._open()
        self._size = 0

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
