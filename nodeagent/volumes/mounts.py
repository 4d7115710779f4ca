"""mount(2), umount2(2) and the mount table. Edge: needs CAP_SYS_ADMIN.

Called by the volume manager and its set-up."""

import ctypes
import os
import re
from pathlib import Path

_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC = 1, 32, 4096, 16384
_MNT_DETACH, _UMOUNT_NOFOLLOW = 2, 8
_OCTAL = re.compile(r"\\([0-7]{3})")
_libc = ctypes.CDLL(None, use_errno=True)


def mount_tmpfs(target: Path, options: str = "") -> None:
    """Mount a tmpfs at `target`; `options` as in mount(8), e.g. `size=64m,mode=0777`. Raises `OSError`."""
    _mount("tmpfs", target, "tmpfs", 0, options)


def bind(source: Path, target: Path, readonly: bool = False) -> None:
    """Make `source` appear at `target`, which exists and is of the same type. Raises `OSError`."""
    _mount(str(source), target, "", _MS_BIND | _MS_REC, "")
    if readonly:
        _mount("", target, "", _MS_BIND | _MS_REMOUNT | _MS_RDONLY, "")


def unmount(target: Path) -> None:
    """Unmount `target`, lazily if it is busy; nothing mounted is no error. Raises `OSError`."""
    for flags in (_UMOUNT_NOFOLLOW, _UMOUNT_NOFOLLOW | _MNT_DETACH):
        if _libc.umount2(os.fsencode(target), flags) == 0:
            return
        code = ctypes.get_errno()
        if code in (22, 2):  # EINVAL: not a mount point; ENOENT
            return
    raise OSError(code, os.strerror(code), str(target))


def mount_points(under: Path) -> list[Path]:
    """Return the mount points at or below `under`, deepest first."""
    root = os.path.realpath(under)
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), line.split(" ", 5)[4])
            if point == root or point.startswith(root + "/"):
                found.append(Path(point))
    return found[::-1]


def is_mount_point(path: Path) -> bool:
    """Return whether something is mounted exactly at `path`."""
    real = Path(os.path.realpath(path))
    return real in mount_points(real)


def unmount_all(under: Path) -> None:
    """Unmount everything at or below `under`. Raises `OSError`."""
    for point in mount_points(under):
        unmount(point)


def _mount(source: str, target: Path, kind: str, flags: int, options: str) -> None:
    done = _libc.mount(
        source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    if done != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"mount {kind or 'bind'}: {os.strerror(code)}", str(target))
