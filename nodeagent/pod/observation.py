"""Asks the runtime about one pod: keeps the ids of its sandboxes and containers and re-reads those that can
change.

Used by the pod worker, which owns one per pod. What has ended stays as it was read last: an ended container
or a stopped sandbox does not change any more.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from sys import intern

from nodeagent.cri import convert, observe
from nodeagent.cri.client import Runtime
from nodeagent.cri.errors import CRIError
from nodeagent.pod.observed import ContainerObserved, PodObserved, SandboxObserved
from proto.gen.cri import runtime_v1_pb2 as cri

# Source: pkg/kubelet/container MaxContainerTerminationMessage{Length,LogLength,LogLines}.
MESSAGE_BYTES = 4096
LOG_MESSAGE_BYTES, LOG_MESSAGE_LINES = 2048, 80


class Observation:
    """The runtime's word about one pod. `refresh` returns it; `add_*` note what was just made or found."""

    __slots__ = ("_containers", "_runtime", "_sandbox_of", "_sandboxes")

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sandboxes: dict[str, SandboxObserved | None] = {}
        self._containers: dict[str, ContainerObserved | None] = {}
        self._sandbox_of: dict[str, str] = {}

    def add_sandbox(self, sandbox_id: str) -> None:
        self._sandboxes.setdefault(intern(sandbox_id), None)

    def add_container(self, container_id: str, sandbox_id: str) -> None:
        self._containers.setdefault(intern(container_id), None)
        self._sandbox_of[intern(container_id)] = intern(sandbox_id)

    def forget(self, container_id: str) -> None:
        """Drop a container that has been removed."""
        self._containers.pop(container_id, None)
        self._sandbox_of.pop(container_id, None)

    @property
    def ids(self) -> set[str]:
        return {*self._sandboxes, *self._containers}

    def invalidate(self) -> None:
        """Read everything anew at the next refresh (after the runtime was away)."""
        self._sandboxes = dict.fromkeys(self._sandboxes)
        self._containers = dict.fromkeys(self._containers)

    async def refresh(self) -> PodObserved:
        """Return the pod as it is now. Raises `CRIError` if the runtime does not answer."""
        sandboxes = [key for key, seen in self._sandboxes.items() if seen is None or seen.ready]
        containers = [key for key, seen in self._containers.items() if seen is None or not seen.exited]
        await asyncio.gather(*map(self._read_sandbox, sandboxes), *map(self._read_container, containers))
        return self.current()

    def current(self) -> PodObserved:
        """Return what was read last."""
        known_sandboxes = [seen for seen in self._sandboxes.values() if seen is not None]
        known_containers = [seen for seen in self._containers.values() if seen is not None]
        return PodObserved(
            tuple(sorted(known_sandboxes, key=lambda seen: (seen.attempt, _age(seen)), reverse=True)),
            tuple(sorted(known_containers, key=lambda seen: (seen.restarts, _age(seen)), reverse=True)),
        )

    async def _read_sandbox(self, sandbox_id: str) -> None:
        try:
            status = (await self._runtime.pod_sandbox_status(sandbox_id)).status
        except CRIError as error:
            if not error.not_found:
                raise
            self._sandboxes.pop(sandbox_id, None)
            return
        seen = observe.sandbox_observed(status)
        before = self._sandboxes.get(sandbox_id)
        if not seen.ips and before is not None:
            # A stopped sandbox has given back its address; the pod's status keeps it.
            seen = replace(seen, ips=before.ips)
        if sandbox_id in self._sandboxes:
            self._sandboxes[sandbox_id] = seen

    async def _read_container(self, container_id: str) -> None:
        try:
            status = (await self._runtime.container_status(container_id)).status
        except CRIError as error:
            if not error.not_found:
                raise
            self._containers.pop(container_id, None)
            return
        message = termination_message(status) if status.state == cri.CONTAINER_EXITED else None
        if container_id in self._containers:
            sandbox_id = self._sandbox_of.get(container_id, "")
            self._containers[container_id] = observe.container_observed(status, sandbox_id, message)


def _age(seen: SandboxObserved | ContainerObserved) -> float:
    return seen.created_at.timestamp() if seen.created_at else 0.0


def termination_message(status: cri.ContainerStatus) -> str:
    """Return what an ended container left at its terminationMessagePath, or, by policy, the end of its
    log.
    """
    inside = status.annotations.get(convert.MESSAGE_PATH, "")
    for mount in status.mounts:
        if inside and mount.container_path == inside:
            if text := _read_head(Path(mount.host_path)):
                return text
            break
    if status.annotations.get(convert.MESSAGE_POLICY) == "FallbackToLogsOnError" and status.exit_code != 0:
        return _log_tail(Path(status.log_path))
    # The runtime's message says why a container never ran; otherwise it is empty.
    return status.message if status.reason == "StartError" else ""


def _read_head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MESSAGE_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _log_tail(path: Path) -> str:
    """Return the last lines of a CRI log without its prefixes."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            # A line of the log carries some 40 bytes of prefix; four times the limit is enough of it.
            file.seek(max(0, file.tell() - 4 * LOG_MESSAGE_BYTES))
            raw = file.read().decode(errors="replace")
    except OSError:
        return ""
    out = []
    for line in raw.splitlines()[-LOG_MESSAGE_LINES:]:
        parts = line.split(" ", 3)
        if len(parts) == 4 and parts[1] in ("stdout", "stderr"):
            out.append(parts[3] + ("\n" if parts[2].startswith("F") else ""))
    return "".join(out)[-LOG_MESSAGE_BYTES:]
