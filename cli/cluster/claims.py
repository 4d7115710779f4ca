"""Which cluster of this machine has which index (0-15). Claims are lost at a reboot and made anew by `up`."""

import fcntl
import os
import socket
import tempfile
from pathlib import Path

from cli.cluster.layout import MAX_CLUSTERS, etcd_port
from kit import clock

# How long a cluster may take from claiming its index to writing its settings.
_CLAIM_S = 60.0


class NoIndex(Exception):
    """No index is free, or another cluster has the one that is wanted; the message says what to do."""


def default_root() -> Path:
    """Return where claims are: one place for root; a place of their own for users, whose nodes are hollow."""
    if os.geteuid() == 0:
        return Path("/run/pelamis")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"pelamis-{os.geteuid()}"


def claim(folder: Path, root: Path, wanted: int | None = None) -> int:
    """Return the index of the cluster in `folder`: the one it holds, `wanted` if given, or the lowest that no
    living directory holds. Raises `NoIndex`.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for number in range(MAX_CLUSTERS):
            if _holder(root / str(number)) == str(folder) and wanted in (None, number):
                return number
        for number in range(MAX_CLUSTERS) if wanted is None else (wanted,):
            if _is_free(root / str(number)) and (wanted is not None or _are_ports_free(number)):
                (root / str(number)).write_text(str(folder))
                return number
    if wanted is None:
        raise NoIndex(f"{MAX_CLUSTERS} clusters exist already; `pelamis down --purge` one of them")
    other = _holder(root / str(wanted))
    raise NoIndex(f"the cluster in {other} uses the same networks; `pelamis down` one of the two")


def release(folder: Path, root: Path) -> None:
    for number in range(MAX_CLUSTERS):
        if _holder(root / str(number)) == str(folder):
            (root / str(number)).unlink()


def _is_free(claim_file: Path) -> bool:
    """Tell whether no living cluster has a claim. One that has just claimed has written nothing else yet."""
    holder = _holder(claim_file)
    if not holder:
        return True
    age_s = clock.now().timestamp() - claim_file.stat().st_mtime
    return age_s > _CLAIM_S and not (Path(holder) / "cluster.json").exists()


def _are_ports_free(number: int) -> bool:
    """Tell whether nobody, say another user's cluster, listens where etcd would."""
    return all(can_bind(etcd_port(number) + offset) for offset in (0, 1))


def can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _holder(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
