"""`pelamis up`, `stop`, `start`, `down` as steps. Each may be repeated; what is there is kept."""

import contextlib
import fcntl
import os
import shutil
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from cli.cluster import containerd, control, host, pki
from cli.cluster.addons import compute_addons
from cli.cluster.layout import MAX_CLUSTERS, Layout, Settings
from cli.cluster.processes import compute_processes
from cli.cluster.supervisor import Supervisor, daemonize
from cli.images.base import build_base
from kit import clock, files, log, tls
from store.process import build_command, ensure_certs, find_etcd

_INDEXES = Path("/run/pelamis")
_API_SERVER = "the API server"
# The object is there already.
_CONFLICT = 409
# How long a cluster may take from claiming its index to writing its settings.
_CLAIM_S = 60.0
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
    except (control.NotRunning, OSError):
        return False
    return True


def check_host(settings: Settings) -> None:
    """Raise `BringUpError` if this machine lacks what the settings need, saying what to install."""
    if settings.runtime == "hollow":
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


def resolve_store(store: str) -> str:
    """Return what `auto` means on this machine: etcd where it is installed, otherwise SQLite."""
    if store == "auto":
        return "etcd" if find_etcd() else "sqlite"
    if store == "etcd" and not find_etcd():
        raise BringUpError("etcd is not installed: apt-get install etcd-server, or use --store sqlite")
    return store


def claim_index(folder: Path, root: Path = _INDEXES) -> int:
    """Return the index of the cluster in `folder`: the one it holds, or the lowest that no living directory
    holds.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        holders = {number: _holder(root / str(number)) for number in range(MAX_CLUSTERS)}
        for number, holder in holders.items():
            if holder == str(folder):
                return number
        for number, holder in holders.items():
            if not holder or _is_abandoned(root / str(number), Path(holder)):
                (root / str(number)).write_text(str(folder))
                return number
    raise BringUpError(f"{MAX_CLUSTERS} clusters exist already; `pelamis down --purge` one of them")


def _is_abandoned(claim: Path, folder: Path) -> bool:
    """Tell whether the cluster of a claim is gone. One that has just claimed has written nothing else yet."""
    age_s = clock.now().timestamp() - claim.stat().st_mtime
    return age_s > _CLAIM_S and not (folder / "cluster.json").exists()


def release_index(folder: Path, root: Path = _INDEXES) -> None:
    for number in range(MAX_CLUSTERS):
        if _holder(root / str(number)) == str(folder):
            (root / str(number)).unlink()


def _holder(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def up(layout: Layout, say: Say, run_component: Callable[[str, tuple[str, ...]], None]) -> None:
    """Start the cluster in the background and wait until it is ready. Raises `BringUpError`."""
    check_host(layout.settings)
    _check_port(layout)
    files.write_atomic(layout.dir / "cluster.json", layout.settings.to_json())
    pki.write_pki(layout)
    real_nodes = layout.settings.runtime != "hollow" and layout.settings.nodes > 0
    if real_nodes:
        say(f"nodes: {layout.settings.nodes} network namespaces on bridge {layout.bridge}")
        host.set_up(layout)
        for node in layout.nodes():
            node.containerd_socket.unlink(missing_ok=True)
            containerd.prepare(node)
    _detach(layout, run_component)
    if real_nodes:
        archive = _base_archive(layout)
        containerd.load_base_images(layout, archive)
    wait_ready(layout, say)


def _detach(layout: Layout, run_component: Callable[[str, tuple[str, ...]], None]) -> None:
    store = _etcd_command(layout) if layout.settings.store == "etcd" else ()
    sys.stdout.flush()
    layout.logs.mkdir(parents=True, exist_ok=True)
    if daemonize(layout.logs / "supervisor.log"):
        log.setup()
        try:
            Supervisor(layout, compute_processes(layout, store), run_component).run()
        finally:
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


def _check_port(layout: Layout) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", layout.settings.port))
        except OSError as error:
            text = f"port {layout.settings.port} is taken; stop what uses it or choose another with --port"
            raise BringUpError(text) from error


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
    probe, deadline = Probe(layout), clock.monotonic() + seconds
    said: set[str] = set()
    addons = compute_addons(layout) if layout.settings.runtime != "hollow" and layout.settings.nodes else []
    while True:
        lacking = _lacking(layout, probe)
        while addons and lacking != _API_SERVER:
            probe.ensure(*addons.pop())
        if not lacking:
            return
        if lacking not in said and (said.add(lacking) or len(said) > 1):  # type: ignore[func-returns-value]
            say(f"waiting for {lacking}")
        if clock.monotonic() > deadline:
            raise BringUpError(f"{lacking} not ready after {seconds:.0f} s; see the logs in {layout.logs}")
        clock.block(0.02)


def _lacking(layout: Layout, probe: Probe) -> str:
    if "apiserver" not in layout.settings.components:
        return ""
    if probe.get("/readyz") != "ok":
        return _API_SERVER
    if not layout.settings.nodes:
        return ""
    ready = sum(_is_ready(node) for node in (probe.get("/api/v1/nodes") or {}).get("items", []))
    return "" if ready >= layout.settings.nodes else f"nodes ({ready} of {layout.settings.nodes} ready)"


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    tainted = any(taint["key"] == "node.kubernetes.io/not-ready" for taint in node["spec"].get("taints", []))
    return not tainted and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def stop(layout: Layout) -> None:
    """End every process and container; keep all data."""
    with contextlib.suppress(control.NotRunning):
        control.ask(layout.control_socket, "stop")
    if layout.settings.runtime != "hollow":
        host.kill_containers(layout.cgroup_root, layout.nodes())
        host.unmount_below(layout.dir / "nodes")


def down(layout: Layout, purge: bool) -> None:
    """Stop, and remove what the cluster made on this machine; with `purge` its directory too."""
    stop(layout)
    if layout.settings.runtime != "hollow":
        host.tear_down(layout)
    for name in ("nodes", "store", "run"):
        shutil.rmtree(layout.dir / name, ignore_errors=True)
    (layout.dir / "cluster.json").unlink(missing_ok=True)
    release_index(layout.dir)
    if purge:
        shutil.rmtree(layout.dir, ignore_errors=True)
