"""`hostPath` volumes. Source: pkg/volume/hostpath (1.36)."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from api.resource import Obj
from nodeagent.volumes.plugin import Host, View, VolumeError

_CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "directory"),
    "File": (stat.S_ISREG, "file"),
    "FileOrCreate": (stat.S_ISREG, "file"),
    "Socket": (stat.S_ISSOCK, "socket file"),
    "CharDevice": (stat.S_ISCHR, "character device"),
    "BlockDevice": (stat.S_ISBLK, "block device"),
}


def layout(volume: Obj, view: View) -> Host:
    del view
    return Host(volume["hostPath"]["path"], volume["hostPath"].get("type") or "")


def check(host: Host) -> None:
    """Create the path if its type says so, then require the type. Raises `VolumeError`."""
    if not host.type:
        return
    path = Path(host.path)
    if host.type == "DirectoryOrCreate" and not path.exists():
        path.mkdir(parents=True, mode=0o755)
    if host.type == "FileOrCreate" and not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
    if host.type not in _CHECKS:
        raise VolumeError(f"hostPath type check failed: {host.type} is an invalid volume type")
    is_right, name = _CHECKS[host.type]
    if not path.exists() or not is_right(path.stat().st_mode):
        raise VolumeError(f"hostPath type check failed: {host.path} is not a {name}")
