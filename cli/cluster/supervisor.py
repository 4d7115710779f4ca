"""Keeps the processes of a local cluster alive: one small process without threads or event loop, so that it
can fork.

Components are forked from here, after all modules have been imported once: a child is there within
milliseconds and shares the memory of the code. A process that ends is started again after a delay that
doubles from 0.1 s to 5 s, and falls back when it has lived for 10 s. The processes do not outlive the
supervisor, even if it is killed: the kernel kills them then, and `pelamis up` starts a new set. Containers
belong to their shims and run on.

    wanted, not running --start--> running --exit--> waiting --delay over--> running
    running --stop-node--> off --start-node--> running
"""

import contextlib
import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from cli.cluster import host, logfiles
from cli.cluster.layout import Layout, Node
from cli.cluster.processes import Process
from kit import clock, log

_log = log.get("supervisor")
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0
_GOOD_LIFE_S = 10.0
# How long processes may take to end by themselves before they are killed.
_GRACE_S = 8.0
# How often the log files are measured.
_LOGS_S = 60.0
# prctl: the signal that a process gets when its parent dies.
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Child:
    """What the supervisor knows of one process. `due` is when it is started again, None while it runs or is
    off.
    """

    process: Process
    pid: int = 0
    since: float = 0.0
    restarts: int = 0
    delay_s: float = _FIRST_DELAY_S
    due: float | None = 0.0
    off: bool = False


class Supervisor:
    """`run_component(component, argv)` is what a forked child calls; it never returns to the supervisor's
    loop.
    """

    def __init__(
        self, layout: Layout, processes: list[Process], run_component: Callable[[str, tuple[str, ...]], None]
    ) -> None:
        self._layout = layout
        self._run_component = run_component
        self._children = {process.name: Child(process) for process in processes}
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._pid = os.getpid()
        self._logs_due = clock.monotonic() + _LOGS_S
        self._listener = self._listen()
        self._wakeup = self._watch_signals()

    def run(self) -> None:
        """Start everything and keep it running until told to stop."""
        while not self._stopping:
            self._start_due()
            self._tend_logs()
            for key, _ in self._selector.select(self._timeout()):
                key.data()
        self._end_all(list(self._children.values()))
        self._layout.control_socket.unlink(missing_ok=True)

    # -- processes

    def _start_due(self) -> None:
        now = clock.monotonic()
        for child in self._children.values():
            if child.due is not None and child.due <= now and not child.off:
                self._start(child)

    def _tend_logs(self) -> None:
        if clock.monotonic() >= self._logs_due:
            self._logs_due = clock.monotonic() + _LOGS_S
            logfiles.rotate(self._layout.logs)

    def _timeout(self) -> float:
        due = [child.due for child in self._children.values() if child.due is not None and not child.off]
        return max(0.0, min([*due, self._logs_due]) - clock.monotonic())

    def _start(self, child: Child) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            child.due = clock.monotonic() + _LONGEST_DELAY_S
            _log.error("cannot fork", process=child.process.name, error=str(error))
            return
        if pid == 0:
            self._become(child.process)
        child.pid, child.since, child.due = pid, clock.monotonic(), None
        _log.info("started", process=child.process.name, pid=pid)

    def _become(self, process: Process) -> None:
        """In the child: leave the supervisor's world behind and turn into the process. Never returns."""
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            self._die_with_parent()
            self._selector.close()
            self._listener.close()
            os.setsid()
            _redirect(self._layout.logs / f"{process.name}.log")
            if process.netns:
                host.enter_netns(process.netns)
            if process.component:
                self._run_component(process.component, process.argv)
                os._exit(0)
            clean = {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
            os.execvpe(process.argv[0], process.argv, {**clean, **process.environment})
        except BaseException as error:  # noqa: BLE001 - a child must never fall back into the supervisor's loop
            if not isinstance(error, SystemExit):
                _log.exception("process failed", process=process.name)
            code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
            sys.stderr.flush()
            os._exit(code)

    def _die_with_parent(self) -> None:
        if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0 or os.getppid() != self._pid:
            os._exit(1)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self._children.values():
                if child.pid == pid:
                    self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        now = clock.monotonic()
        lived_s = now - child.since
        child.pid = 0
        if self._stopping or child.off:
            return
        child.restarts += 1
        if lived_s > _GOOD_LIFE_S:
            child.delay_s = _FIRST_DELAY_S
        child.due = now + child.delay_s
        _log.warning(
            "ended",
            process=child.process.name,
            code=code,
            lived_s=round(lived_s, 1),
            again_in_s=child.delay_s,
        )
        child.delay_s = min(_LONGEST_DELAY_S, child.delay_s * 2)

    def _end_all(self, children: list[Child]) -> None:
        """Stop children in reverse order of starting: agents before the API server, the API server before
        the store.
        """
        for child in reversed(children):
            self._signal(child, signal.SIGTERM)
            if child.process.name in ("apiserver", "etcd"):
                self._wait([child], _GRACE_S)
        self._wait(children, _GRACE_S)

    def _wait(self, children: list[Child], seconds: float) -> None:
        deadline = clock.monotonic() + seconds
        while any(child.pid for child in children):
            if clock.monotonic() > deadline:
                for child in children:
                    self._signal(child, signal.SIGKILL)
                deadline += 3600
            self._reap()
            clock.block(0.01)

    def _signal(self, child: Child, number: int) -> None:
        if child.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)

    # -- control

    def _listen(self) -> socket.socket:
        path = self._layout.control_socket
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Under its name the socket appears when it answers, not before.
        unready = path.with_suffix(".new")
        unready.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(unready))
        unready.chmod(0o600)
        listener.listen(16)
        unready.replace(path)
        self._selector.register(listener, selectors.EVENT_READ, self._serve)
        return listener

    def _watch_signals(self) -> int:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop())
        self._selector.register(reader, selectors.EVENT_READ, self._reap)
        return reader

    def _stop(self) -> None:
        self._stopping = True

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(5)
            try:
                request = orjson.loads(connection.makefile("rb").readline(65536))
                answer = self._answer(request)
            except (OSError, ValueError, KeyError, TypeError, host.HostError) as error:
                answer = {"error": str(error) or type(error).__name__}
            with contextlib.suppress(OSError):
                connection.sendall(orjson.dumps(answer) + b"\n")

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "status":
                return {"pid": os.getpid(), "processes": [self._describe(c) for c in self._children.values()]}
            case "stop":
                self._stop()
                self._end_all(list(self._children.values()))
                return {}
            case "stop-node":
                return self._stop_node(request["node"])
            case "start-node":
                return self._start_node(request["node"])
        return {"error": f"unknown request {request['do']!r}"}

    def _describe(self, child: Child) -> dict[str, Any]:
        state = "off" if child.off else "running" if child.pid else "waiting"
        age_s = round(clock.monotonic() - child.since, 1) if child.pid else 0
        return {
            "name": child.process.name,
            "node": child.process.node,
            "pid": child.pid,
            "state": state,
            "restarts": child.restarts,
            "age_s": age_s,
            "argv": child.process.argv,
        }

    def _node_children(self, name: str) -> list[Child]:
        children = [child for child in self._children.values() if child.process.node == name]
        if not children:
            raise ValueError(f"there is no node {name!r} of its own processes here")
        return children

    def _node(self, name: str) -> Node:
        return next(node for node in self._layout.nodes() if node.name == name)

    def _stop_node(self, name: str) -> dict[str, Any]:
        children = self._node_children(name)
        node = self._node(name)
        host.cut(node)
        for child in children:
            child.off, child.due = True, None
            self._signal(child, signal.SIGKILL)
        self._wait(children, _GRACE_S)
        host.kill_containers(f"{self._layout.cgroup_root}/{name}", [node])
        return {}

    def _start_node(self, name: str) -> dict[str, Any]:
        children = self._node_children(name)
        host.rejoin(self._node(name))
        for child in children:
            if child.off:
                child.off, child.due = False, clock.monotonic()
        return {}


def _redirect(path: Path) -> None:
    """Send standard output and error to `path` (appended), and close standard input."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)


def daemonize(log_file: Path) -> bool:
    """Fork into the background. Returns True in the new process, False in the caller's."""
    if os.fork():
        os.wait()
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    _redirect(log_file)
    return True


def run_program(argv: list[str], netns: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program to its end, in a network namespace if given, and return what it printed."""
    where = ["nsenter", f"--net=/run/netns/{netns}"] if netns else []
    return subprocess.run([*where, *argv], capture_output=True, text=True, check=False)
