"""Performs one layout in one directory. Edge, blocking.

The manager runs these functions in a thread; all may be repeated.
"""

import os
import shutil
import subprocess
from pathlib import Path

from nodeagent.volumes import atomic, mounts
from nodeagent.volumes.plugin import Files, Host, Layout, Remote, Scratch, VolumeError
from nodeagent.volumes.plugins import hostpath

# mount(8) of a network file system may hang on a dead server.
_MOUNT_TIMEOUT_S = 60


def perform(layout: Layout, directory: Path, gid: int | None) -> Path:
    """Make `directory` what the layout says; return where the volume is. Raises `VolumeError`."""
    try:
        match layout:
            case Files():
                _files(layout, directory, gid)
                return directory
            case Scratch():
                _scratch(layout, directory, gid)
                return directory
            case Host():
                hostpath.check(layout)
                return Path(layout.path)
            case Remote():
                _remote(layout, directory)
                return directory
    except OSError as error:
        raise VolumeError(str(error)) from error


def remove(directory: Path) -> None:
    """Unmount whatever is below, then delete the directory. Idempotent. Raises `OSError`."""
    if not directory.exists():
        return
    mounts.unmount_all(directory)
    if left := mounts.mount_points(directory):
        raise OSError(f"still mounted: {left[0]}")
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        raise OSError(f"cannot remove {directory}")


def _files(layout: Files, directory: Path, gid: int | None) -> None:
    fresh = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    if layout.memory and not mounts.is_mount_point(directory):
        mounts.mount_tmpfs(directory, "mode=0777")
    elif fresh:
        directory.chmod(0o777)
    if gid is not None:
        os.chown(directory, -1, gid)
        directory.chmod(0o2777)
    atomic.write_files(directory, layout.files, gid)


def _scratch(layout: Scratch, directory: Path, gid: int | None) -> None:
    fresh = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    if layout.memory and not mounts.is_mount_point(directory):
        size = f",size={layout.size_bytes}" if layout.size_bytes else ""
        mounts.mount_tmpfs(directory, f"mode=0777{size}")
        fresh = True
    if fresh:
        if gid is not None:
            os.chown(directory, -1, gid)
        directory.chmod(0o777 if gid is None else 0o2777)


def _remote(layout: Remote, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if mounts.is_mount_point(directory):
        return
    command = ["mount", "-t", layout.kind]
    if layout.options:
        command += ["-o", ",".join(layout.options)]
    command += [layout.source, str(directory)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_MOUNT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise VolumeError(f"mount of {layout.source} timed out") from error
    if done.returncode != 0:
        raise VolumeError(f"mount failed: exit status {done.returncode}: {done.stderr.strip()}")
