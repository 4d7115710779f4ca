"""The supervisor with trivial programs: what it keeps alive, and what it leaves behind, however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.cluster import control, lock
from cli.cluster.layout import Layout, Settings
from kit import clock

ROOT = Path(__file__).parents[3]
_PROGRAM = """
import os, sys, time
from pathlib import Path
from cli.cluster import lock
from cli.cluster.layout import Layout, Settings
from cli.cluster.processes import Process
from cli.cluster import host, supervisor

def component(name, argv):
    time.sleep(600)

supervisor._GRACE_S = 0.5
host.rejoin = lambda node: None
layout = Layout(Path(sys.argv[1]), Settings(index=15, runtime="hollow"))
lock.take(layout.lock, 5)
supervisor.Supervisor(layout, [
    Process("program", ("sleep", "600")),
    Process("component", (), component="component"),
    Process("stubborn", ("sh", "-c", "trap '' TERM; while :; do sleep 600; done"), node="node-1"),
    Process("short", ("true",)),
], component).run()
"""


@dataclass
class Running:
    layout: Layout
    process: "subprocess.Popen[bytes]"

    def status(self) -> dict[str, dict[str, Any]]:
        answer = control.ask(self.layout.control_socket, "status", timeout_s=5)
        return {row["name"]: row for row in answer["processes"]}


def _until(what: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = clock.monotonic() + seconds
    while not (found := what()):
        assert clock.monotonic() < deadline, "it took too long"
        clock.block(0.02)
    return found


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    # Short, since a socket's path may have 107 bytes.
    layout = Layout(tmp_path, Settings(index=15, runtime="hollow"))
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    found = Running(layout, process)
    try:
        _until(layout.control_socket.is_socket)
        _until(lambda: all(found.status()[name]["pid"] for name in ("program", "component", "stubborn")))
        yield found
    finally:
        process.kill()
        process.wait()


def test_what_ends_is_started_again_after_a_growing_delay(running):
    before = running.status()["program"]["pid"]
    os.kill(before, signal.SIGKILL)
    after = _until(lambda: (row := running.status()["program"])["pid"] not in (0, before) and row)
    assert after["restarts"] == 1
    _until(lambda: running.status()["short"]["restarts"] >= 3)
    assert not _is_alive(before)


def test_a_killed_supervisor_leaves_no_process_and_no_lock(running):
    pids = [row["pid"] for name, row in running.status().items() if name != "short"]
    with pytest.raises(lock.Busy):
        lock.take(running.layout.lock, 0.0)
    running.process.kill()
    running.process.wait()
    _until(lambda: not any(map(_is_alive, pids)))
    os.close(lock.take(running.layout.lock, 5.0))
    with pytest.raises(control.NotRunning):
        running.status()


def test_stop_ends_even_who_ignores_it(running):
    pids = [row["pid"] for name, row in running.status().items() if name != "short"]
    control.ask(running.layout.control_socket, "stop", timeout_s=30)
    assert not any(map(_is_alive, pids))
    assert running.process.wait(10) == 0
    assert not running.layout.control_socket.exists()


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"do": "start-node", "node": "node-9"}, id="unknown-node"),
        pytest.param({"do": "stop-node"}, id="missing-name"),
        pytest.param({"do": "dance"}, id="unknown-request"),
        pytest.param({"do": {}}, id="wrong-type"),
    ],
)
def test_a_bad_request_is_refused_and_harms_nobody(running, request_):
    before = running.status()["program"]["pid"]
    with pytest.raises(control.Refused):
        control.ask(running.layout.control_socket, **request_)
    assert running.status()["program"]["pid"] == before


def test_a_node_that_runs_is_not_started_twice(running):
    before = running.status()["stubborn"]["pid"]
    control.ask(running.layout.control_socket, "start-node", node="node-1")
    assert running.status()["stubborn"]["pid"] == before
