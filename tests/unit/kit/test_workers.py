"""Worker processes: started, started again, ended with their parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_PROGRAM = """
import os, pathlib, sys, time
from kit.workers import run_workers
folder = pathlib.Path(sys.argv[1])
def work(number):
    (folder / f"{number}.{os.getpid()}").touch()
    time.sleep(60)
run_workers(2, work)
print("all ended", flush=True)
"""


@pytest.fixture
def parent(tmp_path):
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def eventually(found, patience_s=20.0):
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.02)
    raise AssertionError("not in time")


def pids(folder, number):
    return [int(path.suffix[1:]) for path in folder.glob(f"{number}.*")]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_worker_is_replaced_and_a_signal_ends_all(parent, tmp_path):
    eventually(lambda: pids(tmp_path, 0) and pids(tmp_path, 1))
    (first,) = pids(tmp_path, 0)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: len(pids(tmp_path, 0)) == 2)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(20) == 0
    assert parent.stdout.read() == "all ended\n"
    assert not any(is_alive(pid) for number in (0, 1) for pid in pids(tmp_path, number))


def test_workers_die_with_their_parent(parent, tmp_path):
    eventually(lambda: pids(tmp_path, 0) and pids(tmp_path, 1))
    parent.kill()
    parent.wait(20)
    eventually(lambda: not any(is_alive(pid) for number in (0, 1) for pid in pids(tmp_path, number)))
