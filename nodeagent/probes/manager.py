"""Runs the probes of this node's containers: one task per container and kind of probe.

Called by the pod worker.

    sync(pod, containers)    at every sync: starts and stops tasks so that they fit the running containers
    result(uid, name, kind)  what a probe says now; None: it says nothing (no such probe, or no result yet)
    forget(uid)              when the pod is gone

A result that changes calls `on_change(pod_uid)`, which wakes the pod's worker.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from api.resource import Obj
from kit import clock, log
from kit.tasks import Tasks
from nodeagent.probes import exec as exec_probe
from nodeagent.probes import grpc as grpc_probe
from nodeagent.probes import tcp
from nodeagent.probes.decide import (
    KINDS,
    LIVENESS,
    READINESS,
    STARTUP,
    Outcome,
    ProbeSpec,
    Progress,
    advance,
    first_delay_s,
    is_final,
    new_progress,
    new_spec,
)
from nodeagent.probes.exec import Executor
from nodeagent.probes.http import HTTPProber
from nodeagent.probes.target import TargetError, http_headers, http_url, port_number

_log = log.get("nodeagent.probes")


class Recorder(Protocol):
    """Reports events about a pod (or a reference to a part of it)."""

    def event(self, obj: Mapping[str, Any], event_type: str, reason: str, message: str) -> None: ...


@dataclass(frozen=True)
class ContainerState:
    """A container as the runtime sees it. `ready` and `started`: what an earlier agent had already found."""

    id: str
    started_at: datetime
    running: bool
    ready: bool = False
    started: bool = False


@dataclass
class _Probe:
    """One probe of one attempt of a container; owned by its task, read by everybody."""

    pod: Obj
    container: Obj
    state: ContainerState
    spec: ProbeSpec
    handler: Obj
    pod_ip: str
    progress: Progress
    # Set when the startup probe has succeeded, or there is none.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


_Key = tuple[str, str, str]


class ProbeManager:
    """Owns all probes of the node."""

    def __init__(self, runtime: Executor, on_change: Callable[[str], None], recorder: Recorder) -> None:
        self._runtime = runtime
        self._on_change = on_change
        self._recorder = recorder
        self._probes: dict[_Key, _Probe] = {}
        self._tasks = Tasks()
        self._http = HTTPProber()

    def sync(self, pod: Obj, containers: Mapping[str, ContainerState], pod_ip: str = "") -> None:
        """Run the probes of the running containers (by name) and no others.

        `pod_ip` is what probes without a host of their own talk to; by default, the address in the status.
        """
        uid = pod["metadata"]["uid"]
        ip = pod_ip or (pod.get("status") or {}).get("podIP") or ""
        wanted: dict[_Key, _Probe] = {}
        for container in _probed(pod["spec"]):
            state = containers.get(container["name"])
            if state is None or not state.running:
                continue
            for kind in KINDS:
                if (handler := container.get(f"{kind}Probe")) and not _is_ending(pod, kind):
                    probe = _new_probe(pod, container, state, kind, handler, ip)
                    wanted[(uid, container["name"], kind)] = probe
        for key in [key for key in self._probes if key[0] == uid and key not in wanted]:
            self._stop(key)
        for key, probe in wanted.items():
            self._start(key, probe)
        self._open_gates(uid)

    def result(self, pod_uid: str, container: str, kind: str) -> bool | None:
        """Return the result of a probe of the container that runs now."""
        probe = self._probes.get((pod_uid, container, kind))
        return None if probe is None else probe.progress.result

    def forget(self, pod_uid: str) -> None:
        """Stop all probes of a pod. Idempotent."""
        for key in [key for key in self._probes if key[0] == pod_uid]:
            self._stop(key)

    async def close(self) -> None:
        await self._tasks.close()
        await self._http.close()

    def _start(self, key: _Key, probe: _Probe) -> None:
        present = self._probes.get(key)
        if present is not None and present.state.id == probe.state.id:
            present.pod, present.pod_ip = probe.pod, probe.pod_ip
            return
        if present is not None:
            self._stop(key)
        self._probes[key] = probe
        if not (probe.spec.kind == STARTUP and probe.progress.result):
            probe.task = self._tasks.spawn(self._run(probe), f"{probe.spec.kind} probe {key[0]}/{key[1]}")

    def _stop(self, key: _Key) -> None:
        probe = self._probes.pop(key)
        if probe.task is not None:
            probe.task.cancel()

    def _open_gates(self, uid: str) -> None:
        for (pod_uid, name, _), probe in self._probes.items():
            startup = self._probes.get((uid, name, STARTUP))
            if pod_uid == uid and (startup is None or startup.progress.result):
                probe.gate.set()

    async def _run(self, probe: _Probe) -> None:
        spec = probe.spec
        await clock.sleep(first_delay_s(spec, probe.state.started_at, clock.now()))
        while True:
            if spec.kind != STARTUP:
                await probe.gate.wait()
            began = clock.monotonic()
            outcome = await self._check(probe)
            before = probe.progress.result
            probe.progress = advance(probe.progress, spec, outcome)
            self._report(probe, outcome)
            if probe.progress.result != before:
                self._changed(probe)
            if is_final(probe.progress, spec.kind):
                return
            await clock.sleep(spec.period_s - (clock.monotonic() - began))

    def _changed(self, probe: _Probe) -> None:
        uid = probe.pod["metadata"]["uid"]
        self._open_gates(uid)
        self._on_change(uid)

    async def _check(self, probe: _Probe) -> Outcome:
        handler, timeout_s = probe.handler, probe.spec.timeout_s
        try:
            if command := handler.get("exec"):
                words = command.get("command") or []
                return await exec_probe.check(self._runtime, probe.state.id, words, timeout_s)
            if get := handler.get("httpGet"):
                url = http_url(get, probe.container, probe.pod_ip)
                return await self._http.check(url, http_headers(get), timeout_s)
            if connect := handler.get("tcpSocket"):
                port = port_number(connect["port"], probe.container)
                return await tcp.check(connect.get("host") or probe.pod_ip, port, timeout_s)
            if call := handler.get("grpc"):
                return await grpc_probe.check(
                    probe.pod_ip, int(call["port"]), call.get("service") or "", timeout_s
                )
        except TargetError as error:
            return Outcome(None, str(error))
        return Outcome(None, "missing probe handler")

    def _report(self, probe: _Probe, outcome: Outcome) -> None:
        if outcome.ok:
            return
        name = probe.spec.kind.capitalize()
        if outcome.ok is None:
            text = f"{name} probe errored and resulted in unknown state: {outcome.message}"
        else:
            text = f"{name} probe failed: {outcome.message}"
        _log.debug("probe failed", pod=probe.pod["metadata"]["name"], text=text)
        self._recorder.event(_reference(probe.pod, probe.container), "Warning", "Unhealthy", text)


def _probed(spec: Obj) -> list[Obj]:
    """Return the containers that may have probes: the main ones and the sidecars."""
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return [*sidecars, *(spec.get("containers") or ())]


def _is_ending(pod: Obj, kind: str) -> bool:
    """A pod that is being deleted is no longer killed for its health."""
    return kind != READINESS and bool(pod["metadata"].get("deletionTimestamp"))


def _new_probe(
    pod: Obj, container: Obj, state: ContainerState, kind: str, handler: Obj, pod_ip: str
) -> _Probe:
    known = {READINESS: state.ready, STARTUP: state.started, LIVENESS: True}[kind]
    return _Probe(pod, container, state, new_spec(kind, handler), handler, pod_ip, new_progress(kind, known))


def _reference(pod: Obj, container: Obj) -> Obj:
    metadata = pod["metadata"]
    sidecars = [c["name"] for c in pod["spec"].get("initContainers") or ()]
    part = "initContainers" if container["name"] in sidecars else "containers"
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata.get("resourceVersion", ""),
        "fieldPath": f"spec.{part}{{{container['name']}}}",
    }
