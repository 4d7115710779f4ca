"""The lock of a cluster's directory: one command changes a cluster at a time, and one supervisor runs it.

`up` takes it and hands it to the supervisor, whose forked components hold it too: whoever gets the lock knows
that none of them lives. The kernel drops it when they die, however they die.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from kit import clock

_POLL_S = 0.02


class Busy(Exception):
    """Another command, or a running cluster, holds the lock."""


def take(path: Path, seconds: float) -> int:
    """Return the file descriptor that holds the lock; closing it in every process gives the lock back.

    Raises `Busy` after `seconds`.
    """
    deadline = clock.monotonic() + seconds
    while True:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _lock(fd) and _is_current(fd, path):
            return fd
        os.close(fd)
        if clock.monotonic() > deadline:
            raise Busy(f"another pelamis command is at work in {path.parent.parent}")
        clock.block(_POLL_S)


@contextlib.contextmanager
def held(path: Path, seconds: float) -> Iterator[None]:
    fd = take(path, seconds)
    try:
        yield
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_current(fd: int, path: Path) -> bool:
    """Tell whether the locked file is still the one at `path`: `down` removes it."""
    try:
        return os.fstat(fd).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
