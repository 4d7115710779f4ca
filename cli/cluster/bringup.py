"""`pelamis up`, `stop`, `start`, `down` as steps. Each may be repeated; what is there is kept."""

import contextlib
import os
import shutil
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from cli.cluster import claims, containerd, control, host, lock, pki
from cli.cluster.addons import compute_addons
from cli.cluster.layout import Layout, Settings
from cli.cluster.processes import compute_processes
from cli.cluster.supervisor import Supervisor, daemonize
from cli.images.base import build_base
from kit import clock, files, log, tls
from store.process import build_command, ensure_certs, find_etcd

_API_SERVER = "the API server"
# The object is there already.
_CONFLICT = 409
# At most so often is said how far it is.
_SAY_EVERY_S = 1.0
_NODES_AT_ONCE = 500
# How long a command waits for another one that is at work in the same directory.
_LOCK_S = 30.0
# The longest path that a unix socket can have (sun_path, without the final zero).
_LONGEST_SOCKET = 107
_log = log.get("supervisor")
Say = Callable[[str], None]


class BringUpError(Exception):
    """The cluster cannot be brought up or down; the message says why and what to do."""


def load(folder: Path) -> Layout:
    """Return the cluster of a directory. Raises `BringUpError` if there is none."""
    try:
        return Layout(folder, Settings.from_json((folder / "cluster.json").read_bytes()))
    except FileNotFoundError as error:
        raise BringUpError(
            f"there is no cluster in {folder}; `pelamis up --dir {folder}` makes one"
        ) from error


def is_running(layout: Layout) -> bool:
    try:
        control.ask(layout.control_socket, "status", timeout_s=5)
    except control.NotRunning:
        return False
    except control.Refused:
        # It is busy: with ending the cluster, say.
        return True
    return True


def check_host(layout: Layout) -> None:
    """Raise `BringUpError` if this machine lacks what the settings need, saying what to install."""
    _check_socket_paths(layout)
    if layout.settings.runtime == "hollow":
        return
    if os.geteuid() != 0:
        raise BringUpError("containers need root: run as root, or use `pelamis up --runtime hollow`")
    needed = {
        "containerd": "containerd",
        "runc": "runc",
        "ip": "iproute2",
        "nft": "nftables",
        "nsenter": "util-linux",
    }
    missing = [package for program, package in needed.items() if shutil.which(program) is None]
    if not any((folder / "bridge").exists() for folder in containerd.CNI_PLUGIN_DIRS):
        missing.append("containernetworking-plugins")
    if not Path("/bin/busybox").exists():
        missing.append("busybox-static")
    if missing:
        raise BringUpError(f"this machine lacks {', '.join(missing)}: apt-get install {' '.join(missing)}")


def _check_socket_paths(layout: Layout) -> None:
    """containerd adds a socket `.ttrpc` beside its own."""
    paths = [str(layout.control_socket)]
    if layout.settings.runtime != "hollow":
        paths += [f"{node.containerd_socket}.ttrpc" for node in layout.nodes()]
    excess = max(len(os.fsencode(path)) for path in paths) - _LONGEST_SOCKET
    if excess > 0:
        raise BringUpError(
            f"{layout.dir} is {excess} bytes too long for the sockets in it; use a shorter --dir"
        )


def resolve_store(store: str) -> str:
    """Return what `auto` means on this machine: etcd where it is installed, otherwise SQLite."""
    if store == "auto":
        return "etcd" if find_etcd() else "sqlite"
    if store == "etcd" and not find_etcd():
        raise BringUpError("etcd is not installed: apt-get install etcd-server, or use --store sqlite")
    return store


def up(layout: Layout, say: Say, run_component: Callable[[str, tuple[str, ...]], None]) -> None:
    """Start the cluster in the background and wait until it is ready. Raises `BringUpError`."""
    check_host(layout)
    layout.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        fd = lock.take(layout.lock, _LOCK_S)
    except lock.Busy as error:
        raise BringUpError(str(error)) from error
    try:
        _start(layout, say, run_component)
    finally:
        # The supervisor holds the lock from here on.
        os.close(fd)
    try:
        if _has_real_nodes(layout):
            containerd.load_base_images(layout, _base_archive(layout))
    except containerd.ImportFailed:
        _check_alive(layout)
        raise
    wait_ready(layout, say)


def _check_alive(layout: Layout) -> None:
    if not is_running(layout):
        raise BringUpError(f"the cluster has ended meanwhile; see {layout.logs}/supervisor.log")


def _has_real_nodes(layout: Layout) -> bool:
    return layout.settings.runtime != "hollow" and layout.settings.nodes > 0


def _start(layout: Layout, say: Say, run_component: Callable[[str, tuple[str, ...]], None]) -> None:
    _check_ports(layout)
    _make_folders(layout)
    files.write_atomic(layout.dir / "cluster.json", layout.settings.to_json())
    pki.write_pki(layout)
    if _has_real_nodes(layout):
        say(f"nodes: {layout.settings.nodes} network namespaces on bridge {layout.bridge}")
        host.set_up(layout)
        for node in layout.nodes():
            node.containerd_socket.unlink(missing_ok=True)
            containerd.prepare(node)
    _detach(layout, run_component)


def _make_folders(layout: Layout) -> None:
    """Keys, the store and the pods' secrets are below: nobody else may look."""
    for name in ("pki", "store", "nodes", "run", "logs"):
        (layout.dir / name).mkdir(exist_ok=True)
        (layout.dir / name).chmod(0o700)


def _detach(layout: Layout, run_component: Callable[[str, tuple[str, ...]], None]) -> None:
    store = _etcd_command(layout) if layout.settings.store == "etcd" else ()
    sys.stdout.flush()
    layout.control_socket.unlink(missing_ok=True)
    if daemonize(layout.logs / "supervisor.log"):
        log.setup()
        try:
            Supervisor(layout, compute_processes(layout, store), run_component).run()
        except BaseException:  # noqa: BLE001 - the new process must never go on as the command
            _log.exception("supervisor failed")
            os._exit(1)
        os._exit(0)
    deadline = clock.monotonic() + 10
    while not layout.control_socket.is_socket():
        if clock.monotonic() > deadline:
            raise BringUpError(f"the supervisor did not start; see {layout.logs}/supervisor.log")
        clock.block(0.005)


def _etcd_command(layout: Layout) -> tuple[str, ...]:
    data = layout.dir / "store" / "etcd"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = layout.etcd_port
    return tuple(build_command("etcd", data, port, port + 1, ensure_certs(layout.pki / "etcd")))


def _check_ports(layout: Layout) -> None:
    if not claims.can_bind(layout.settings.port):
        text = f"port {layout.settings.port} is taken; stop what uses it or choose another with --port"
        raise BringUpError(text)
    if layout.settings.store == "etcd" and not claims.can_bind(layout.etcd_port):
        raise BringUpError(f"port {layout.etcd_port}, which etcd needs, is taken; stop what uses it")


def _base_archive(layout: Layout) -> Path:
    path = layout.dir / "images" / "base.tar"
    if not path.exists():
        files.write_atomic(path, build_base())
    return path


class Probe:
    """Asks the API server as the administrator, without a client library: bring-up must start fast."""

    def __init__(self, layout: Layout) -> None:
        self._server = layout.server
        self._tls = tls.client_context(
            layout.pki / "ca.crt", layout.pki / "admin.crt", layout.pki / "admin.key"
        )

    def get(self, path: str) -> Any:
        """Return the JSON (or text) of `path`; None if the server cannot answer yet."""
        try:
            body = self._send(urllib.request.Request(self._server + path))
        except (urllib.error.URLError, ssl.SSLError, OSError):
            return None
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            return body.decode()

    def ensure(self, path: str, obj: Any) -> None:
        """Create an object; one that is there is left alone. Raises `BringUpError`."""
        request = urllib.request.Request(self._server + path, orjson.dumps(obj), method="POST")
        request.add_header("Content-Type", "application/json")
        try:
            self._send(request)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            if error.code != _CONFLICT:
                raise BringUpError(
                    f"cannot create {obj['kind']} {obj['metadata']['name']}: {text}"
                ) from error

    def _send(self, request: urllib.request.Request) -> bytes:
        with urllib.request.urlopen(request, context=self._tls, timeout=5) as answer:
            body: bytes = answer.read()
            return body


def wait_ready(layout: Layout, say: Say, seconds: float = 90.0) -> None:
    """Wait for /readyz and for every node to be Ready. Raises `BringUpError` naming what is not, and the log
    to read.
    """
    probe, deadline = Probe(layout), clock.monotonic() + seconds + layout.settings.nodes / 20
    said: set[str] = set()
    said_at = clock.monotonic()
    addons = compute_addons(layout) if layout.settings.runtime != "hollow" and layout.settings.nodes else []
    while True:
        _check_alive(layout)
        asked = clock.monotonic()
        lacking = _lacking(layout, probe)
        while addons and lacking != _API_SERVER:
            probe.ensure(*addons.pop())
        if not lacking:
            return
        if lacking not in said and (not said or clock.monotonic() > said_at + _SAY_EVERY_S):
            if said:
                say(f"waiting for {lacking}")
                said_at = clock.monotonic()
            said.add(lacking)
        if clock.monotonic() > deadline:
            raise BringUpError(f"{lacking} not ready after {seconds:.0f} s; see the logs in {layout.logs}")
        # Thousands of nodes are much to ask for: most of the time is theirs to become ready.
        clock.block(max(0.02, layout.settings.nodes / 20_000, 4 * (clock.monotonic() - asked)))


def _lacking(layout: Layout, probe: Probe) -> str:
    if "apiserver" not in layout.settings.components:
        return ""
    if probe.get("/readyz") != "ok":
        return _API_SERVER
    wanted = layout.settings.nodes
    if not wanted:
        return ""
    if (there := _count_registered(probe)) < wanted:
        return f"nodes ({there} of {wanted} registered)"
    ready, whole = _count_ready(probe)
    if ready >= wanted:
        return ""
    return f"nodes ({'' if whole else 'at least '}{ready} of {wanted} ready)"


def _count_registered(probe: Probe) -> int:
    page = probe.get("/api/v1/nodes?limit=1") or {}
    remaining: int = (page.get("metadata") or {}).get("remainingItemCount", 0)
    return len(page.get("items", ())) + remaining


def _count_ready(probe: Probe) -> tuple[int, bool]:
    """Return how many nodes are ready, and whether all were looked at: after one page with others none is."""
    ready, token = 0, ""
    while True:
        page = probe.get(f"/api/v1/nodes?limit={_NODES_AT_ONCE}&continue={token}") or {}
        nodes = page.get("items", [])
        here = sum(map(_is_ready, nodes))
        ready += here
        token = (page.get("metadata") or {}).get("continue", "")
        if not token or here < len(nodes):
            return ready, not token


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    tainted = any(taint["key"] == "node.kubernetes.io/not-ready" for taint in node["spec"].get("taints", []))
    return not tainted and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def stop(layout: Layout) -> None:
    """End every process and container; keep all data. Raises `BringUpError`."""
    with _ended(layout):
        _end_containers(layout)


@contextlib.contextmanager
def _ended(layout: Layout) -> Iterator[None]:
    """End the supervisor with its processes, and keep others from starting one within the block.

    A cluster that is just being started is ended as soon as its supervisor is there.
    """
    deadline = clock.monotonic() + _LOCK_S
    while True:
        with contextlib.suppress(control.NotRunning, control.Refused):
            control.ask(layout.control_socket, "stop")
        try:
            fd = lock.take(layout.lock, 0.5)
            break
        except lock.Busy as error:
            if clock.monotonic() > deadline:
                raise BringUpError(str(error)) from error
    try:
        yield
    finally:
        os.close(fd)


def _end_containers(layout: Layout) -> None:
    if layout.settings.runtime != "hollow":
        host.kill_containers(layout.cgroup_root, layout.nodes())
        host.unmount_below(layout.dir / "nodes")


def down(layout: Layout, purge: bool) -> None:
    """Stop, and remove what the cluster made on this machine; with `purge` its directory too."""
    with _ended(layout):
        _end_containers(layout)
        if layout.settings.runtime != "hollow":
            host.tear_down(layout)
        for name in ("nodes", "store", "run"):
            shutil.rmtree(layout.dir / name, ignore_errors=True)
        (layout.dir / "cluster.json").unlink(missing_ok=True)
        claims.release(layout.dir, claims.default_root())
        if purge:
            shutil.rmtree(layout.dir, ignore_errors=True)
