"""Reads the log files that CRI runtimes write, for `kubectl logs`. Called by the node's HTTP server.

    2026-01-02T03:04:05.123456789Z stdout F a whole line
    2026-01-02T03:04:05.123456789Z stderr P a part of a line, continued by the next record of the same stream

Following: new data is looked for every moment; the file is opened again when it was rotated (another inode,
or shorter than what was read); the end comes when the container no longer runs and all has been read.
Source: pkg/kubelet/kuberuntime/logs (1.36).
"""

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from api.times import parse_time
from kit import clock

_BLOCK = 64 * 1024
# How long a follower rests when there is nothing new: shorter while the container is chatty.
_REST_FIRST_S, _REST_LIMIT_S = 0.03, 0.4


@dataclass(frozen=True)
class LogOptions:
    """What of a log to send. `tail_lines` and `limit_bytes` None: all of it; `since` is a moment in UTC."""

    follow: bool = False
    timestamps: bool = False
    since: datetime | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None
    # "stdout" or "stderr" alone; "" for both.
    stream: str = ""


@dataclass(frozen=True)
class Record:
    """One record of the file; `text` ends in a newline unless it is a part of a line."""

    time: bytes
    stream: bytes
    text: bytes


def parse_record(line: bytes) -> Record | None:
    """Return the record of a raw line (with or without its newline), None if it is malformed."""
    fields = line.rstrip(b"\n").split(b" ", 3)
    if len(fields) < 3:
        return None
    text = fields[3] if len(fields) == 4 else b""
    partial = fields[2].split(b":")[0] == b"P"
    return Record(fields[0], fields[1], text if partial else text + b"\n")


def tail_offset(file: BinaryIO, lines: int) -> int:
    """Return where the last `lines` raw lines of the file begin."""
    end = file.seek(0, os.SEEK_END)
    if lines <= 0:
        return end
    position, missing = end, lines + 1
    while position > 0:
        start = max(0, position - _BLOCK)
        file.seek(start)
        block = file.read(position - start)
        cut = len(block)
        while (cut := block.rfind(b"\n", 0, cut)) >= 0:
            missing -= 1
            if missing == 0:
                return start + cut + 1
        position = start
    return 0


class Shaper:
    """Turns raw lines into what the client asked for, counting bytes; `done` when the limit is reached."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._left = options.limit_bytes
        self._since = options.since
        # Whether the next record of each stream begins a line.
        self._fresh = {b"stdout": True, b"stderr": True}
        self.done = self._left == 0

    def feed(self, line: bytes) -> bytes:
        record = parse_record(line)
        if record is None or self.done:
            return b""
        if self._options.stream and record.stream != self._options.stream.encode():
            return b""
        if self._since is not None and _moment(record.time) < self._since:
            return b""
        text = record.text
        if self._options.timestamps and self._fresh.get(record.stream, True):
            text = record.time + b" " + text
        self._fresh[record.stream] = record.text.endswith(b"\n")
        if self._left is not None:
            text = text[: self._left]
            self._left -= len(text)
            self.done = self._left <= 0
        return text


def _moment(text: bytes) -> datetime:
    """Return the time of a record; Python keeps microseconds of the runtime's nanoseconds."""
    try:
        return parse_time(text.decode())
    except ValueError:
        return clock.now()


async def read_log(path: Path, options: LogOptions, is_running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the log in pieces of some kilobytes; with `follow`, until `is_running` says no.

    Raises `OSError` if the file cannot be opened.
    """
    shaper = Shaper(options)
    reader = _Reader(path)
    try:
        if options.tail_lines is not None:
            reader.seek(tail_offset(reader.file, options.tail_lines))
        rest = _REST_FIRST_S
        while not shaper.done:
            running = options.follow and is_running()
            got = False
            while lines := reader.lines():
                got = True
                if piece := b"".join(map(shaper.feed, lines)):
                    yield piece
                if shaper.done:
                    return
            if not running:
                return
            reader.follow_rotation()
            rest = _REST_FIRST_S if got else min(_REST_LIMIT_S, rest * 1.5)
            await clock.sleep(rest)
    finally:
        reader.close()


class _Reader:
    """Whole raw lines of a file that grows and may be rotated."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.file: BinaryIO = path.open("rb")
        self._part = b""

    def seek(self, offset: int) -> None:
        self.file.seek(offset)

    def lines(self) -> list[bytes]:
        """Return the next whole lines, [] at the end of the file; an unfinished one is kept for later."""
        while True:
            data = self.file.read(_BLOCK)
            if not data:
                return []
            *lines, self._part = (self._part + data).split(b"\n")
            if lines:
                return lines

    def follow_rotation(self) -> None:
        """At the end of the file: go on with the new one if the log was rotated."""
        try:
            present = self._path.stat()
        except FileNotFoundError:
            return
        mine = os.fstat(self.file.fileno())
        if (present.st_dev, present.st_ino) != (mine.st_dev, mine.st_ino):
            if self.file.tell() < mine.st_size:
                return
            self.file.close()
            self.file, self._part = self._path.open("rb"), b""
        elif present.st_size < self.file.tell():
            self.file.seek(0)
            self._part = b""

    def close(self) -> None:
        self.file.close()


def since_of(now: datetime, seconds: str | None, moment: str | None) -> datetime | None:
    """Return the earliest moment to send, of `sinceSeconds` or `sinceTime`. Raises `ValueError`."""
    if seconds:
        return now - timedelta(seconds=int(seconds))
    return parse_time(moment) if moment else None
