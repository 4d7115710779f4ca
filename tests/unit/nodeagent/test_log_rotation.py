"""Rotation of container logs: which files stay, and that a follower misses nothing."""

import gzip
import os
from datetime import UTC, datetime

import pytest

from kit import clock
from nodeagent.cri.errors import CRIError
from nodeagent.log_rotation import LogRotator, Rotation, plan_rotation
from nodeagent.logs import LogOptions, read_log
from nodeagent.pod.directory import PodDirectory
from nodeagent.pod.observed import ContainerObserved, PodObserved, State

LINE = "2026-01-02T03:04:05.000000000Z stdout F {}\n"


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        pytest.param(["0.log"], Rotation((), ()), id="first-time"),
        pytest.param(["0.log", "0.log.2"], Rotation((), ("0.log.2",)), id="the-one-before-is-packed"),
        pytest.param(
            ["0.log", "0.log.1.gz", "0.log.2.gz", "0.log.3"],
            Rotation((), ("0.log.3",)),
            id="as-many-as-there-may-be",
        ),
        pytest.param(
            ["0.log", "0.log.1.gz", "0.log.2.gz", "0.log.3.gz", "0.log.4"],
            Rotation(("0.log.1.gz",), ("0.log.4",)),
            id="the-oldest-goes",
        ),
        pytest.param(["0.log", "0.log.1.tmp"], Rotation(("0.log.1.tmp",), ()), id="unfinished-packing"),
        pytest.param(["10.log", "10.log.1"], Rotation((), ()), id="another-attempts-logs"),
    ],
)
def test_plan(present, expected):
    assert plan_rotation("0.log", present) == expected


class Runtime:
    """Writes to the file that it has open, until told to reopen."""

    def __init__(self, path):
        self.path, self.fails = path, False
        self.file = path.open("a")

    def write(self, text):
        self.file.write(LINE.format(text))
        self.file.flush()

    async def reopen_container_log(self, container_id):
        if self.fails:
            raise CRIError("no")
        self.file.close()
        self.file = self.path.open("a")


@pytest.fixture
def container(tmp_path):
    path = tmp_path / "0.log"
    pods = PodDirectory()
    pods.put({"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": {}})
    running = ContainerObserved("id", "c", State.RUNNING, log_path=str(path))
    pods.observe("u", PodObserved((), (running,)))
    runtime = Runtime(path)
    yield runtime, LogRotator(runtime, pods, max_bytes=100, max_files=3)
    runtime.file.close()


async def test_a_follower_misses_nothing(container):
    runtime, rotator = container
    alive, seen = [True], []
    following = read_log(runtime.path, LogOptions(follow=True), lambda: alive[0])
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(12):
        runtime.write(number)
        seen.append((await anext(following)).strip())
        moment = moment.replace(hour=number)
        with clock.use(clock.ManualClock(moment)):
            await rotator.look()
    runtime.write("last")
    alive[0] = False
    seen += [piece.strip() async for piece in following]
    assert seen == [b"%d" % number for number in range(12)] + [b"last"]
    files = sorted(os.listdir(runtime.path.parent))
    assert len(files) == 3
    assert files[0] == "0.log"
    assert files[1].endswith(".gz")
    packed = gzip.decompress(runtime.path.with_name(files[1]).read_bytes()).decode()
    assert packed == "".join(LINE.format(number) for number in (6, 7, 8))


async def test_a_runtime_that_refuses_keeps_its_log(container):
    runtime, rotator = container
    runtime.fails = True
    for number in range(5):
        runtime.write(number)
    await rotator.look()
    assert os.listdir(runtime.path.parent) == ["0.log"]
