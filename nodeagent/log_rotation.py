"""Keeps container logs small: a log that has grown too long is set aside, and the runtime begins a new one.

    0.log                         what the runtime writes, what `kubectl logs` reads
    0.log.20260102-030405         the one before; followers read it to its end
    0.log.20260102-020304.gz      older ones, packed; the oldest are deleted

Run once per node by the agent. Source: pkg/kubelet/logs/container_log_manager.go (1.36).
"""

import asyncio
import gzip
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kit import clock, log
from nodeagent.cri.errors import CRIError
from nodeagent.pod.directory import PodDirectory

_log = log.get("nodeagent.log_rotation")
# Source: kubelet defaults containerLogMaxSize, containerLogMaxFiles, containerLogMonitorInterval.
MAX_BYTES, MAX_FILES, EVERY_S = 10 << 20, 5, 10.0


class LogOwner(Protocol):
    """What this needs of a runtime."""

    async def reopen_container_log(self, container_id: str) -> None:
        """Make the runtime open the log's path anew. Raises `CRIError`."""


@dataclass(frozen=True)
class Rotation:
    """What to do with the files beside a log that is about to be set aside."""

    delete: tuple[str, ...]
    pack: tuple[str, ...]


def plan_rotation(log_name: str, present: Sequence[str], max_files: int = MAX_FILES) -> Rotation:
    """Return what becomes of the older logs (names in the log's folder), one more being set aside now.

    Left over afterwards: the log itself, the one set aside, and packed ones, `max_files` in all.
    """
    older = sorted(name for name in present if name.startswith(f"{log_name}.") and not name.endswith(".tmp"))
    junk = [name for name in present if name.startswith(f"{log_name}.") and name.endswith(".tmp")]
    surplus = older[: max(0, len(older) - max(0, max_files - 2))]
    kept = [name for name in older if name not in surplus]
    return Rotation((*junk, *surplus), tuple(name for name in kept if not name.endswith(".gz")))


class LogRotator:
    """Looks at the logs of this node's running containers now and then."""

    def __init__(
        self, runtime: LogOwner, pods: PodDirectory, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES
    ) -> None:
        self._runtime = runtime
        self._pods = pods
        self._max_bytes, self._max_files = max_bytes, max_files

    async def run(self) -> None:
        """Rotate until cancelled."""
        while True:
            await clock.sleep(EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Rotate every log that is too long now."""
        for container_id, path in list(self._running()):
            try:
                if await asyncio.to_thread(_size, path) > self._max_bytes:
                    await self._rotate(container_id, path)
            except (OSError, CRIError) as error:
                _log.warning("log not rotated", path=str(path), error=str(error))

    def _running(self) -> Iterator[tuple[str, Path]]:
        for record in self._pods:
            for container in record.observed.containers:
                if container.running and container.log_path:
                    yield container.id, Path(container.log_path)

    async def _rotate(self, container_id: str, path: Path) -> None:
        await asyncio.to_thread(_tidy, path, self._max_files)
        aside = path.with_name(f"{path.name}.{clock.now():%Y%m%d-%H%M%S}")
        await asyncio.to_thread(path.rename, aside)
        try:
            await self._runtime.reopen_container_log(container_id)
        except CRIError:
            # The runtime still writes to the file it has open: give it its name back.
            await asyncio.to_thread(aside.rename, path)
            raise


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _tidy(path: Path, max_files: int) -> None:
    plan = plan_rotation(path.name, [entry.name for entry in path.parent.iterdir()], max_files)
    for name in plan.delete:
        path.with_name(name).unlink(missing_ok=True)
    for name in plan.pack:
        _pack(path.with_name(name))


def _pack(path: Path) -> None:
    unfinished = path.with_name(f"{path.name}.tmp")
    with path.open("rb") as plain, gzip.open(unfinished, "wb") as packed:
        shutil.copyfileobj(plain, packed)
    unfinished.rename(path.with_name(f"{path.name}.gz"))
    path.unlink()
