"""Keeps the log files of a cluster from growing for ever. Called by the supervisor once a minute."""

import contextlib
import os
import shutil
from pathlib import Path

LIMIT_BYTES = 20 << 20


def rotate(folder: Path, limit_bytes: int = LIMIT_BYTES) -> list[Path]:
    """Move the text of every log that has outgrown the limit to `<name>.log.1`; return those logs.

    The writers keep their open file, so the text is copied and the file cut: they append (O_APPEND) at its
    new end. A line written in between may be lost. On a full disk the old text is dropped, which frees space.
    """
    cut: list[Path] = []
    for path in sorted(folder.glob("*.log")):
        with contextlib.suppress(OSError):
            if path.stat().st_size > limit_bytes:
                _keep(path, path.with_name(path.name + ".1"))
                os.truncate(path, 0)
                cut.append(path)
    return cut


def _keep(path: Path, target: Path) -> None:
    try:
        shutil.copyfile(path, target)
        target.chmod(0o640)
    except OSError:
        target.unlink(missing_ok=True)
