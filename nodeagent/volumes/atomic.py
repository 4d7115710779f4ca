"""Writes a set of files into a volume so that readers see all of it change at once.

    volume/..2026_11_21_07_04_06.123456      the files as of one moment
    volume/..data    -> ..2026_11_21_07_04_06.123456       swapped by one rename
    volume/key       -> ..data/key                         what containers open

Called by the file-like volume plugins. Source: pkg/volume/util/atomic_writer.go (1.36).
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kit import clock

_DATA, _NEXT = "..data", "..data_tmp"


@dataclass(frozen=True)
class FileContent:
    """One file: its bytes, permission bits, and owner (None: root)."""

    data: bytes
    mode: int
    uid: int | None = None


def write_files(root: Path, files: Mapping[str, FileContent], gid: int | None = None) -> bool:
    """Make `root` show exactly `files` (relative path to content); return whether anything changed.

    With `gid` (fsGroup) the files belong to that group and are readable by it. Idempotent; after a crash the
    next call repairs. Raises `OSError`.
    """
    wanted = {path: _for_group(content) for path, content in files.items()} if gid is not None else files
    old = root / _DATA
    if _is_same(old, wanted):
        _link(root, wanted)
        return False
    stamp = clock.now().strftime("..%Y_%m_%d_%H_%M_%S.%f")
    fresh = root / stamp
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for path, content in wanted.items():
        _write(fresh, path, content)
    if gid is not None:
        _give_to_group(fresh, gid)
    fresh.chmod(0o755 if gid is None else 0o2755)
    previous = old.readlink() if old.is_symlink() else None
    (root / _NEXT).unlink(missing_ok=True)
    (root / _NEXT).symlink_to(stamp)
    _link(root, wanted)
    (root / _NEXT).replace(old)
    _remove_stale(root, wanted)
    if previous is not None and str(previous) != stamp:
        shutil.rmtree(root / previous, ignore_errors=True)
    return True


def _for_group(content: FileContent) -> FileContent:
    return FileContent(content.data, content.mode | 0o440, content.uid)


def _is_same(data: Path, files: Mapping[str, FileContent]) -> bool:
    if not data.is_dir():
        return False
    present = {str(path.relative_to(data)) for path in data.rglob("*") if not path.is_dir()}
    return present == set(files) and all(_has(data / path, content) for path, content in files.items())


def _has(path: Path, content: FileContent) -> bool:
    status = path.stat()
    return (
        status.st_size == len(content.data)
        and status.st_mode & 0o777 == content.mode & 0o777
        and path.read_bytes() == content.data
    )


def _write(root: Path, path: str, content: FileContent) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.data)
    target.chmod(content.mode)
    if content.uid is not None:
        os.chown(target, content.uid, -1)


def _give_to_group(root: Path, gid: int) -> None:
    for path in (root, *root.rglob("*")):
        os.chown(path, -1, gid)
        if path.is_dir():
            path.chmod(0o2755)


def _tops(files: Mapping[str, FileContent]) -> set[str]:
    return {path.split("/", 1)[0] for path in files}


def _link(root: Path, files: Mapping[str, FileContent]) -> None:
    for name in _tops(files):
        link = root / name
        if not link.is_symlink():
            link.symlink_to(f"{_DATA}/{name}")


def _remove_stale(root: Path, files: Mapping[str, FileContent]) -> None:
    tops = _tops(files)
    for entry in os.scandir(root):
        if not entry.name.startswith("..") and entry.name not in tops:
            Path(entry.path).unlink(missing_ok=True)
