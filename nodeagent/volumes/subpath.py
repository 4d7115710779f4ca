"""One file or folder of a volume, mounted by itself (`subPath`), safe from symlinks of containers.

The sub-path is resolved, opened step by step without following links, and bound from the open file: what is
checked is what is mounted.
Source: pkg/volume/util/subpath/subpath_linux.go (1.36).
"""

import os
import stat
from pathlib import Path, PurePosixPath

from nodeagent.volumes import mounts

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class SubPathError(Exception):
    """The sub-path cannot be mounted."""


def check(subpath: str) -> None:
    """Refuse absolute paths and steps upwards. Raises `SubPathError`."""
    if subpath.startswith("/"):
        raise SubPathError(f"error SubPath `{subpath}` must not be an absolute path")
    if ".." in PurePosixPath(subpath).parts:
        raise SubPathError(f"unable to provision SubPath `{subpath}`: must not contain '..'")


def bind(volume: Path, subpath: str, target: Path) -> None:
    """Mount `volume/subpath` at `target`, which is made; a missing sub-path becomes a folder. Idempotent.

    Raises `SubPathError` and `OSError`.
    """
    root = Path(os.path.realpath(volume))
    real = Path(os.path.realpath(root / subpath))
    if real != root and root not in real.parents:
        raise SubPathError(f"subpath {subpath!r} leads out of the volume")
    fd = _open(root, real.relative_to(root).parts)
    try:
        _bind_open(fd, target)
    finally:
        os.close(fd)


def _open(root: Path, parts: tuple[str, ...]) -> int:
    """Return an O_PATH descriptor of the path, creating missing folders with the volume's own mode."""
    mode = stat.S_IMODE(root.stat().st_mode)
    fd = os.open(root, _STEP)
    for part in parts:
        try:
            try:
                below = os.open(part, _STEP, dir_fd=fd)
            except FileNotFoundError:
                os.mkdir(part, dir_fd=fd)
                below = os.open(part, _STEP, dir_fd=fd)
                os.chmod(f"/proc/self/fd/{below}", mode)
        finally:
            os.close(fd)
        fd = below
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            os.close(fd)
            raise SubPathError("subpath changed while it was being mounted")
    return fd


def _bind_open(fd: int, target: Path) -> None:
    wanted = os.fstat(fd)
    if mounts.is_mount_point(target):
        present = target.stat()
        if (present.st_dev, present.st_ino) == (wanted.st_dev, wanted.st_ino):
            return
        mounts.unmount(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISDIR(wanted.st_mode):
        if target.is_file():
            target.unlink()
        target.mkdir(exist_ok=True)
    else:
        if target.is_dir():
            target.rmdir()
        target.touch()
    mounts.bind(Path(f"/proc/self/fd/{fd}"), target)
