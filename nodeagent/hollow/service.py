"""The hollow runtime: CRI v1 without containers. `call` answers one CRI request; `events` is
GetContainerEvents.

Served over gRPC by `hollow/server.py`, called directly by `hollow/inprocess.py`. Images are all present;
commands answer at once, with success and no output; logs are empty files.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any

from kit import clock, files, log, rand
from kit.tasks import Tasks
from nodeagent.cri import convert
from nodeagent.cri.errors import CRIError
from nodeagent.hollow.life import Defaults, compute_life
from nodeagent.hollow.state import Container, Sandbox, State, dumps, loads, packed_container
from proto.gen.cri import runtime_v1_pb2 as cri

RUNTIME_NAME, RUNTIME_VERSION = "hollow", "0.1.0"
SAVE_AFTER_S = 0.5
# How long a sandbox waits for the node's pod CIDR.
PATIENCE_S = 30.0
SIGTERM_CODE = 143
_log = log.get("nodeagent.hollow")


@dataclass(frozen=True)
class HollowSettings:
    """`state_file` None: nothing is kept. `write_logs`: make the (empty) log files that `kubectl logs`
    reads. `patient`: the network is ready from the start, and a sandbox waits for the pod CIDR.
    """

    defaults: Defaults = field(default_factory=Defaults)
    state_file: Path | None = None
    write_logs: bool = False
    patient: bool = False


class HollowService:
    """One hollow node's runtime."""

    def __init__(self, settings: HollowSettings, tasks: Tasks) -> None:
        self._settings = settings
        self._tasks = tasks
        self._state = self._load()
        self._subscribers: list[asyncio.Queue[cri.ContainerEventResponse]] = []
        self._saving = False
        # Called with the id of each container that ends.
        self.exited: Callable[[str], None] | None = None
        self._cidr_known: asyncio.Event | None = None
        for container in self._state.containers.values():
            if container.state == cri.CONTAINER_RUNNING and container.exit_at:
                self._schedule(container)

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(_HANDLERS)

    async def call(self, method: str, request: Any) -> Any:
        """Answer one request. Raises `CRIError`."""
        handler = _HANDLERS.get(method)
        if handler is None:
            raise CRIError(f"the hollow runtime has no {method}", "UNIMPLEMENTED")
        return await handler(self, request)

    async def events(self) -> AsyncIterator[cri.ContainerEventResponse]:
        """Yield what happens to containers from now on."""
        queue: asyncio.Queue[cri.ContainerEventResponse] = asyncio.Queue()
        self._subscribers.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._subscribers.remove(queue)

    # --- the runtime ---

    async def _version(self, _: cri.VersionRequest) -> cri.VersionResponse:
        return cri.VersionResponse(
            version="0.1.0",
            runtime_name=RUNTIME_NAME,
            runtime_version=RUNTIME_VERSION,
            runtime_api_version="v1",
        )

    async def _status(self, _: cri.StatusRequest) -> cri.StatusResponse:
        ready = self._settings.patient or bool(self._state.pod_cidr)
        network = cri.RuntimeCondition(type="NetworkReady", status=ready)
        if not network.status:
            network.reason = "NetworkPluginNotReady"
            network.message = "Network plugin returns error: cni plugin not initialized"
        conditions = [cri.RuntimeCondition(type="RuntimeReady", status=True), network]
        return cri.StatusResponse(status=cri.RuntimeStatus(conditions=conditions))

    async def _set_config(self, request: cri.UpdateRuntimeConfigRequest) -> cri.UpdateRuntimeConfigResponse:
        self._state.pod_cidr = request.runtime_config.network_config.pod_cidr
        if self._cidr_known is not None:
            self._cidr_known.set()
        self._save()
        return cri.UpdateRuntimeConfigResponse()

    # --- sandboxes ---

    async def _run_sandbox(self, request: cri.RunPodSandboxRequest) -> cri.RunPodSandboxResponse:
        if delay := self._settings.defaults.sandbox_delay_s:
            await clock.sleep(delay)
        config = request.config
        host_network = config.linux.security_context.namespace_options.network == cri.NODE
        if self._settings.patient and not host_network and not self._state.pod_cidr:
            await self._wait_for_cidr()
        try:
            ip = "" if host_network else self._state.free_ip()
        except LookupError as error:
            raise CRIError(str(error), "UNKNOWN") from error
        sandbox = Sandbox(
            _new_id(), config.SerializeToString(), _now(), ip=ip, handler=request.runtime_handler
        )
        self._state.sandboxes[sandbox.id] = sandbox
        self._save()
        return cri.RunPodSandboxResponse(pod_sandbox_id=sandbox.id)

    async def _wait_for_cidr(self) -> None:
        if self._cidr_known is None:
            self._cidr_known = asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._cidr_known.wait()

    async def _stop_sandbox(self, request: cri.StopPodSandboxRequest) -> cri.StopPodSandboxResponse:
        sandbox = self._state.sandboxes.get(request.pod_sandbox_id)
        if sandbox is not None:
            for container in self._containers_of(sandbox.id):
                # As containerd has it: what was never started stays as it was made.
                if container.state == cri.CONTAINER_RUNNING:
                    self._end(container, 137)
            sandbox.ready, sandbox.ip = False, ""
            self._save()
        return cri.StopPodSandboxResponse()

    async def _remove_sandbox(self, request: cri.RemovePodSandboxRequest) -> cri.RemovePodSandboxResponse:
        sandbox_id = request.pod_sandbox_id
        for container in self._containers_of(sandbox_id):
            self._end(container, 137)
            del self._state.containers[container.id]
        if self._state.sandboxes.pop(sandbox_id, None) is not None:
            self._save()
        return cri.RemovePodSandboxResponse()

    async def _sandbox_status(self, request: cri.PodSandboxStatusRequest) -> cri.PodSandboxStatusResponse:
        sandbox = self._state.sandboxes.get(request.pod_sandbox_id)
        if sandbox is None:
            raise _not_found("sandbox", request.pod_sandbox_id)
        config = sandbox.config
        status = cri.PodSandboxStatus(
            id=sandbox.id,
            metadata=config.metadata,
            state=cri.SANDBOX_READY if sandbox.ready else cri.SANDBOX_NOTREADY,
            created_at=sandbox.created_at,
            network=cri.PodSandboxNetworkStatus(ip=sandbox.ip),
            labels=config.labels,
            annotations=config.annotations,
            runtime_handler=sandbox.handler,
        )
        return cri.PodSandboxStatusResponse(status=status)

    async def _list_sandboxes(self, request: cri.ListPodSandboxRequest) -> cri.ListPodSandboxResponse:
        wanted = request.filter
        items = [
            cri.PodSandbox(
                id=one.id,
                metadata=config.metadata,
                state=cri.SANDBOX_READY if one.ready else cri.SANDBOX_NOTREADY,
                created_at=one.created_at,
                labels=config.labels,
                annotations=config.annotations,
                runtime_handler=one.handler,
            )
            for one, config in [(one, one.config) for one in self._state.sandboxes.values()]
            if _selected(one.id, config.labels, wanted.id, wanted.label_selector)
        ]
        return cri.ListPodSandboxResponse(items=items)

    # --- containers ---

    async def _create(self, request: cri.CreateContainerRequest) -> cri.CreateContainerResponse:
        if request.pod_sandbox_id not in self._state.sandboxes:
            raise _not_found("sandbox", request.pod_sandbox_id)
        container = Container(
            _new_id(), intern(request.pod_sandbox_id), packed_container(request.config), _now()
        )
        self._state.containers[container.id] = container
        if self._settings.write_logs:
            path = self._log_path(container, request.config)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        self._save()
        return cri.CreateContainerResponse(container_id=container.id)

    async def _start(self, request: cri.StartContainerRequest) -> cri.StartContainerResponse:
        container = self._find(request.container_id)
        if container.state != cri.CONTAINER_CREATED:
            raise CRIError("container is not in created state", "UNKNOWN")
        config = container.config
        pod = self._state.sandboxes[container.sandbox_id].config
        life = compute_life(
            config.metadata.name,
            config.annotations.get(convert.KIND, "app"),
            pod.labels,
            pod.annotations,
            self._settings.defaults,
        )
        if life.start_delay_s:
            await clock.sleep(life.start_delay_s)
        container.state, container.started_at = cri.CONTAINER_RUNNING, _now()
        if life.exit_after_s is not None:
            container.exit_at = container.started_at + int(life.exit_after_s * 1e9)
            container.exit_code = life.exit_code
            self._schedule(container)
        self._tell(container, cri.CONTAINER_STARTED_EVENT)
        self._save()
        return cri.StartContainerResponse()

    async def _stop(self, request: cri.StopContainerRequest) -> cri.StopContainerResponse:
        container = self._state.containers.get(request.container_id)
        if container is not None and container.state == cri.CONTAINER_RUNNING:
            if delay := min(self._settings.defaults.stop_delay_s, float(request.timeout)):
                await clock.sleep(delay)
            self._end(container, SIGTERM_CODE if request.timeout else 137)
            self._save()
        return cri.StopContainerResponse()

    async def _remove(self, request: cri.RemoveContainerRequest) -> cri.RemoveContainerResponse:
        container = self._state.containers.pop(request.container_id, None)
        if container is not None:
            self._end(container, 137)
            self._save()
        return cri.RemoveContainerResponse()

    async def _list(self, request: cri.ListContainersRequest) -> cri.ListContainersResponse:
        wanted = request.filter
        containers = [
            cri.Container(
                id=one.id,
                pod_sandbox_id=one.sandbox_id,
                metadata=config.metadata,
                image=config.image,
                image_ref=config.image.image,
                state=one.state,
                created_at=one.created_at,
                labels=config.labels,
                annotations=config.annotations,
            )
            for one, config in [(one, one.config) for one in self._state.containers.values()]
            if _selected(one.id, config.labels, wanted.id, wanted.label_selector)
            and wanted.pod_sandbox_id in ("", one.sandbox_id)
        ]
        return cri.ListContainersResponse(containers=containers)

    async def _container_status(self, request: cri.ContainerStatusRequest) -> cri.ContainerStatusResponse:
        one = self._find(request.container_id)
        config = one.config
        status = cri.ContainerStatus(
            id=one.id,
            metadata=config.metadata,
            state=one.state,
            created_at=one.created_at,
            started_at=one.started_at,
            finished_at=one.finished_at,
            exit_code=one.exit_code if one.state == cri.CONTAINER_EXITED else 0,
            image=config.image,
            image_ref=config.image.image,
            reason=one.reason,
            labels=config.labels,
            annotations=config.annotations,
            log_path=str(self._log_path(one, config)) if self._settings.write_logs else "",
        )
        return cri.ContainerStatusResponse(status=status)

    async def _update_resources(
        self, request: cri.UpdateContainerResourcesRequest
    ) -> cri.UpdateContainerResourcesResponse:
        one = self._find(request.container_id)
        config = one.config
        config.linux.resources.CopyFrom(request.linux)
        one.packed = config.SerializeToString()
        self._save()
        return cri.UpdateContainerResourcesResponse()

    async def _stats(self, _: cri.ListContainerStatsRequest) -> cri.ListContainerStatsResponse:
        now = _now()
        stats = [
            cri.ContainerStats(
                attributes=cri.ContainerAttributes(id=one.id, metadata=config.metadata, labels=config.labels),
                cpu=cri.CpuUsage(timestamp=now, usage_core_nano_seconds=cri.UInt64Value(value=0)),
                memory=cri.MemoryUsage(timestamp=now, working_set_bytes=cri.UInt64Value(value=0)),
            )
            for one, config in [(one, one.config) for one in self._state.containers.values()]
            if one.state == cri.CONTAINER_RUNNING
        ]
        return cri.ListContainerStatsResponse(stats=stats)

    # --- images ---

    async def _image(self, request: cri.ImageStatusRequest) -> cri.ImageStatusResponse:
        name = request.image.image
        uid = cri.Int64Value(value=65534)
        return cri.ImageStatusResponse(image=cri.Image(id=name, repo_tags=[name], size=1, uid=uid))

    async def _pull(self, request: cri.PullImageRequest) -> cri.PullImageResponse:
        return cri.PullImageResponse(image_ref=request.image.image)

    # --- inside ---

    def _find(self, container_id: str) -> Container:
        container = self._state.containers.get(container_id)
        if container is None:
            raise _not_found("container", container_id)
        return container

    def _containers_of(self, sandbox_id: str) -> list[Container]:
        return [one for one in self._state.containers.values() if one.sandbox_id == sandbox_id]

    def _log_path(self, container: Container, config: cri.ContainerConfig) -> Path:
        sandbox = self._state.sandboxes.get(container.sandbox_id)
        return Path(sandbox.config.log_directory if sandbox else "/") / config.log_path

    def _schedule(self, container: Container) -> None:
        delay = max(0.0, (container.exit_at - _now()) / 1e9)
        asyncio.get_running_loop().call_later(delay, self._expire, container)

    def _expire(self, container: Container) -> None:
        if container.state == cri.CONTAINER_RUNNING and container.id in self._state.containers:
            self._end(container, container.exit_code)
            self._save()

    def _end(self, container: Container, code: int) -> None:
        if container.state not in (cri.CONTAINER_RUNNING, cri.CONTAINER_CREATED):
            return
        container.state, container.finished_at, container.exit_code = cri.CONTAINER_EXITED, _now(), code
        container.reason = "Error" if code else "Completed"
        self._tell(container, cri.CONTAINER_STOPPED_EVENT)

    def _tell(self, container: Container, kind: cri.ContainerEventType) -> None:
        if self.exited is not None and kind == cri.CONTAINER_STOPPED_EVENT:
            self.exited(container.id)
        if not self._subscribers:
            return
        event = cri.ContainerEventResponse(
            container_id=container.id, container_event_type=kind, created_at=_now()
        )
        for queue in self._subscribers:
            queue.put_nowait(event)

    def _load(self) -> State:
        path = self._settings.state_file
        if path is None or not path.exists():
            return State()
        try:
            return loads(path.read_bytes())
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("state not read, starting empty", path=str(path), error=repr(error))
            return State()

    def _save(self) -> None:
        """Write the state soon; many changes make one write."""
        if self._settings.state_file is not None and not self._saving:
            self._saving = True
            self._tasks.spawn(self._write(self._settings.state_file), "hollow state")

    async def _write(self, path: Path) -> None:
        await clock.sleep(SAVE_AFTER_S)
        self._saving = False
        files.write_atomic(path, dumps(self._state))


def _done(answer: Callable[[], Any]) -> Callable[[HollowService, Any], Awaitable[Any]]:
    async def reply(_service: HollowService, _request: Any) -> Any:
        return answer()

    return reply


# Of all services one: thousands of nodes have one each.
_HANDLERS: Mapping[str, Callable[[HollowService, Any], Awaitable[Any]]] = {
    "Version": HollowService._version,
    "Status": HollowService._status,
    "RunPodSandbox": HollowService._run_sandbox,
    "StopPodSandbox": HollowService._stop_sandbox,
    "RemovePodSandbox": HollowService._remove_sandbox,
    "PodSandboxStatus": HollowService._sandbox_status,
    "ListPodSandbox": HollowService._list_sandboxes,
    "CreateContainer": HollowService._create,
    "StartContainer": HollowService._start,
    "StopContainer": HollowService._stop,
    "RemoveContainer": HollowService._remove,
    "ListContainers": HollowService._list,
    "ContainerStatus": HollowService._container_status,
    "UpdateContainerResources": HollowService._update_resources,
    "ReopenContainerLog": _done(cri.ReopenContainerLogResponse),
    "ExecSync": _done(cri.ExecSyncResponse),
    "ListContainerStats": HollowService._stats,
    "UpdateRuntimeConfig": HollowService._set_config,
    "ListImages": _done(cri.ListImagesResponse),
    "ImageStatus": HollowService._image,
    "PullImage": HollowService._pull,
    "RemoveImage": _done(cri.RemoveImageResponse),
    "ImageFsInfo": _done(cri.ImageFsInfoResponse),
}


def _new_id() -> str:
    return intern((rand.uid() + rand.uid()).replace("-", ""))


def _now() -> int:
    return int(clock.now().timestamp() * 1e6) * 1000


def _not_found(what: str, name: str) -> CRIError:
    return CRIError(f'an error occurred when try to find {what} "{name}": not found', "NOT_FOUND")


def _selected(own_id: str, labels: Any, wanted_id: str, selector: Any) -> bool:
    return wanted_id in ("", own_id) and all(labels.get(key) == text for key, text in selector.items())
