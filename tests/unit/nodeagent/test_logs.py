"""Container logs: records, tails, limits, following."""

import asyncio
import io
from datetime import UTC, datetime

import pytest

from kit import clock
from nodeagent.logs import LogOptions, Record, parse_record, read_log, since_of, tail_offset

T = "2026-01-02T03:04:0{}.123456789Z"


def line(text, second=0, stream="stdout", tag="F"):
    return f"{T.format(second)} {stream} {tag} {text}\n"


def written(tmp_path, *lines):
    path = tmp_path / "0.log"
    path.write_text("".join(lines))
    return path


async def collect(path, running=lambda: False, **options):
    return b"".join([piece async for piece in read_log(path, LogOptions(**options), running)])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b"t stdout F hello  w", Record(b"t", b"stdout", b"hello  w\n"), id="full"),
        pytest.param(b"t stderr P part", Record(b"t", b"stderr", b"part"), id="partial"),
        pytest.param(b"t stdout F \n", Record(b"t", b"stdout", b"\n"), id="empty-line"),
        pytest.param(b"t stdout F:x y", Record(b"t", b"stdout", b"y\n"), id="several-tags"),
        pytest.param(b"garbage", None, id="malformed"),
    ],
)
def test_parse_record(raw, expected):
    assert parse_record(raw) == expected


@pytest.mark.parametrize(
    ("text", "lines", "expected"),
    [
        pytest.param("a\nb\nc\n", 2, "b\nc\n", id="two"),
        pytest.param("a\nb\nc\n", 9, "a\nb\nc\n", id="more-than-there-are"),
        pytest.param("a\nb\n", 0, "", id="none"),
        pytest.param("", 3, "", id="empty"),
        pytest.param("x" * 70000 + "\n" + "y" * 70000 + "\n", 1, "y" * 70000 + "\n", id="long-lines"),
    ],
)
def test_tail_offset(text, lines, expected):
    file = io.BytesIO(text.encode())
    assert text[tail_offset(file, lines) :] == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, "one\nleft right\noops\n", id="all"),
        pytest.param({"tail_lines": 1}, "oops\n", id="tail"),
        pytest.param({"limit_bytes": 1}, "o", id="limit"),
        pytest.param({"limit_bytes": 6}, "one\nle", id="limit-in-the-middle"),
        pytest.param({"stream": "stderr"}, "oops\n", id="one-stream"),
        pytest.param({"since": datetime(2026, 1, 2, 3, 4, 3, tzinfo=UTC)}, "oops\n", id="since"),
        pytest.param(
            {"timestamps": True},
            f"{T.format(0)} one\n{T.format(1)} left right\n{T.format(3)} oops\n",
            id="timestamps-once-per-line",
        ),
    ],
)
async def test_read(tmp_path, options, expected):
    path = written(
        tmp_path, line("one"), line("left ", 1, tag="P"), line("right", 2), line("oops", 3, "stderr")
    )
    assert await collect(path, **options) == expected.encode()


async def test_follow_ends_with_the_container(tmp_path):
    path = written(tmp_path, line("one"))
    alive = [True]

    async def writer():
        await clock.sleep(0.1)
        with path.open("a") as out:
            out.write(line("two")[:20])
        await clock.sleep(0.1)
        with path.open("a") as out:
            out.write(line("two")[20:])
        await clock.sleep(0.1)
        with path.open("a") as out:
            out.write(line("last"))
        alive[0] = False

    async with asyncio.TaskGroup() as group:
        group.create_task(writer())
        reading = group.create_task(collect(path, lambda: alive[0], follow=True))
    assert reading.result() == b"one\ntwo\nlast\n"


async def test_follow_over_a_rotation(tmp_path):
    path = written(tmp_path, line("one"))
    alive = [True]

    async def writer():
        await clock.sleep(0.1)
        path.rename(tmp_path / "0.log.1")
        await clock.sleep(0.1)
        path.write_text(line("two"))
        await clock.sleep(0.5)
        alive[0] = False

    async with asyncio.TaskGroup() as group:
        group.create_task(writer())
        reading = group.create_task(collect(path, lambda: alive[0], follow=True))
    assert reading.result() == b"one\ntwo\n"


def test_since():
    now = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert since_of(now, "60", None) == datetime(2026, 1, 1, tzinfo=UTC)
    assert since_of(now, None, "2026-01-01T00:00:00Z") == datetime(2026, 1, 1, tzinfo=UTC)
    assert since_of(now, None, None) is None
