"""The client of a CRI v1 runtime (containerd, CRI-O, our hollow runtime): one method per call, errors as
`CRIError`.

Used by the pod workers, probes, streams and node status. One gRPC channel; a runtime that was killed is
dialled again by the channel itself, and meanwhile calls fail at once with a retryable `CRIError`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from nodeagent.cri.errors import CRIError, from_grpc
from proto.gen.cri import runtime_v1_pb2 as cri

M = TypeVar("M", bound=Message)

CALL_TIMEOUT_S = 120.0  # upstream's --runtime-request-timeout
PULL_TIMEOUT_S = 3600.0
# A stopped runtime must be seen again soon after it is back: its pods wait for us.
_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.max_send_message_length", 16 << 20),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True)
class ExecResult:
    """The outcome of a command run in a container."""

    stdout: bytes
    stderr: bytes
    exit_code: int


class Runtime:
    """A CRI v1 runtime at `address` (`unix:///run/containerd/containerd.sock` or a path)."""

    def __init__(self, address: str) -> None:
        self.address = address if "://" in address else f"unix://{address}"
        self._channel: grpc.aio.Channel | None = None
        self._calls: dict[str, Any] = {}

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel, opened at first use (a channel belongs to the event loop that made it)."""
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self.address, options=_OPTIONS)
        return self._channel

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close(None)
            self._channel = None
            self._calls.clear()

    async def _call(
        self, method: str, request: Message, answer: type[M], timeout_s: float = CALL_TIMEOUT_S
    ) -> M:
        call = self._calls.get(method)
        if call is None:
            service = "ImageService" if method in _IMAGE_METHODS else "RuntimeService"
            call = self._calls[method] = self.channel.unary_unary(
                f"/runtime.v1.{service}/{method}",
                request_serializer=type(request).SerializeToString,
                response_deserializer=answer.FromString,
            )
        try:
            result: M = await call(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise from_grpc(error) from error
        return result

    async def version(self) -> cri.VersionResponse:
        return await self._call("Version", cri.VersionRequest(), cri.VersionResponse)

    async def status(self, verbose: bool = False) -> cri.StatusResponse:
        return await self._call("Status", cri.StatusRequest(verbose=verbose), cri.StatusResponse)

    async def run_pod_sandbox(self, config: cri.PodSandboxConfig, runtime_handler: str = "") -> str:
        """Create and start a sandbox; return its id. The slowest call of a pod's start."""
        request = cri.RunPodSandboxRequest(config=config, runtime_handler=runtime_handler)
        return (await self._call("RunPodSandbox", request, cri.RunPodSandboxResponse, 240.0)).pod_sandbox_id

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Kill whatever runs in the sandbox and give back its network. Idempotent."""
        request = cri.StopPodSandboxRequest(pod_sandbox_id=sandbox_id)
        await self._call("StopPodSandbox", request, cri.StopPodSandboxResponse)

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Remove the sandbox with its containers. Idempotent."""
        request = cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id)
        await self._call("RemovePodSandbox", request, cri.RemovePodSandboxResponse)

    async def pod_sandbox_status(
        self, sandbox_id: str, verbose: bool = False
    ) -> cri.PodSandboxStatusResponse:
        request = cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id, verbose=verbose)
        return await self._call("PodSandboxStatus", request, cri.PodSandboxStatusResponse)

    async def list_pod_sandbox(self, labels: Mapping[str, str] | None = None) -> list[cri.PodSandbox]:
        request = cri.ListPodSandboxRequest(filter=cri.PodSandboxFilter(label_selector=labels or {}))
        return list((await self._call("ListPodSandbox", request, cri.ListPodSandboxResponse)).items)

    async def create_container(
        self, sandbox_id: str, config: cri.ContainerConfig, sandbox_config: cri.PodSandboxConfig
    ) -> str:
        request = cri.CreateContainerRequest(
            pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox_config
        )
        return (await self._call("CreateContainer", request, cri.CreateContainerResponse)).container_id

    async def start_container(self, container_id: str) -> None:
        request = cri.StartContainerRequest(container_id=container_id)
        await self._call("StartContainer", request, cri.StartContainerResponse)

    async def stop_container(self, container_id: str, timeout_s: float) -> None:
        """Send the stop signal, and SIGKILL after `timeout_s`; returns when the process is gone.
        Idempotent.
        """
        request = cri.StopContainerRequest(container_id=container_id, timeout=max(0, round(timeout_s)))
        await self._call("StopContainer", request, cri.StopContainerResponse, timeout_s + CALL_TIMEOUT_S)

    async def remove_container(self, container_id: str) -> None:
        request = cri.RemoveContainerRequest(container_id=container_id)
        await self._call("RemoveContainer", request, cri.RemoveContainerResponse)

    async def list_containers(self, labels: Mapping[str, str] | None = None) -> list[cri.Container]:
        request = cri.ListContainersRequest(filter=cri.ContainerFilter(label_selector=labels or {}))
        return list((await self._call("ListContainers", request, cri.ListContainersResponse)).containers)

    async def container_status(self, container_id: str, verbose: bool = False) -> cri.ContainerStatusResponse:
        request = cri.ContainerStatusRequest(container_id=container_id, verbose=verbose)
        return await self._call("ContainerStatus", request, cri.ContainerStatusResponse)

    async def update_container_resources(
        self, container_id: str, resources: cri.LinuxContainerResources
    ) -> None:
        request = cri.UpdateContainerResourcesRequest(container_id=container_id, linux=resources)
        await self._call("UpdateContainerResources", request, cri.UpdateContainerResourcesResponse)

    async def reopen_container_log(self, container_id: str) -> None:
        request = cri.ReopenContainerLogRequest(container_id=container_id)
        await self._call("ReopenContainerLog", request, cri.ReopenContainerLogResponse)

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout_s: float = 0.0
    ) -> ExecResult:
        """Run `command` to its end. Raises `CRIError` with code DEADLINE_EXCEEDED when `timeout_s` (0: none)
        passes.
        """
        # CRI counts whole seconds; our own deadline is the finer one, the runtime's makes it kill the
        # process.
        request = cri.ExecSyncRequest(container_id=container_id, cmd=command, timeout=int(-(-timeout_s // 1)))
        limit = timeout_s + 0.5 if timeout_s else PULL_TIMEOUT_S
        answer = await self._call("ExecSync", request, cri.ExecSyncResponse, limit)
        return ExecResult(answer.stdout, answer.stderr, answer.exit_code)

    async def exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> str:
        """Return the URL where the runtime will stream the command."""
        request = cri.ExecRequest(
            container_id=container_id, cmd=command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty
        )
        return (await self._call("Exec", request, cri.ExecResponse)).url

    async def attach(
        self,
        container_id: str,
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> str:
        """Return the URL where the runtime will stream the container's own input and output."""
        request = cri.AttachRequest(
            container_id=container_id, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty
        )
        return (await self._call("Attach", request, cri.AttachResponse)).url

    async def port_forward(self, sandbox_id: str, ports: Sequence[int]) -> str:
        request = cri.PortForwardRequest(pod_sandbox_id=sandbox_id, port=ports)
        return (await self._call("PortForward", request, cri.PortForwardResponse)).url

    async def pull_image(
        self,
        image: str,
        auth: cri.AuthConfig | None = None,
        sandbox_config: cri.PodSandboxConfig | None = None,
    ) -> str:
        """Fetch an image from its registry; return the runtime's reference to it."""
        request = cri.PullImageRequest(
            image=cri.ImageSpec(image=image), auth=auth, sandbox_config=sandbox_config
        )
        return (await self._call("PullImage", request, cri.PullImageResponse, PULL_TIMEOUT_S)).image_ref

    async def image_status(self, image: str, verbose: bool = False) -> cri.Image | None:
        """Return the image if the runtime holds it."""
        return (await self.image_details(image, verbose)).image_or_none

    async def image_details(self, image: str, verbose: bool = True) -> "ImageDetails":
        """Return the image, if held, with the runtime's verbose information (JSON texts by name)."""
        request = cri.ImageStatusRequest(image=cri.ImageSpec(image=image), verbose=verbose)
        answer = await self._call("ImageStatus", request, cri.ImageStatusResponse)
        return ImageDetails(answer.image if answer.HasField("image") else None, dict(answer.info))

    async def list_images(self) -> list[cri.Image]:
        return list((await self._call("ListImages", cri.ListImagesRequest(), cri.ListImagesResponse)).images)

    async def remove_image(self, image: str) -> None:
        request = cri.RemoveImageRequest(image=cri.ImageSpec(image=image))
        await self._call("RemoveImage", request, cri.RemoveImageResponse)

    async def image_fs_info(self) -> cri.ImageFsInfoResponse:
        return await self._call("ImageFsInfo", cri.ImageFsInfoRequest(), cri.ImageFsInfoResponse)

    async def container_stats(self, container_id: str) -> cri.ContainerStats:
        request = cri.ContainerStatsRequest(container_id=container_id)
        return (await self._call("ContainerStats", request, cri.ContainerStatsResponse)).stats

    async def list_container_stats(self) -> list[cri.ContainerStats]:
        request = cri.ListContainerStatsRequest()
        return list((await self._call("ListContainerStats", request, cri.ListContainerStatsResponse)).stats)

    async def list_pod_sandbox_stats(self) -> list[cri.PodSandboxStats]:
        request = cri.ListPodSandboxStatsRequest()
        return list((await self._call("ListPodSandboxStats", request, cri.ListPodSandboxStatsResponse)).stats)

    async def update_runtime_config(self, pod_cidr: str) -> None:
        """Tell the runtime the node's pod CIDR (runtimes with a CNI template and the hollow one use it)."""
        network = cri.NetworkConfig(pod_cidr=pod_cidr)
        request = cri.UpdateRuntimeConfigRequest(runtime_config=cri.RuntimeConfig(network_config=network))
        await self._call("UpdateRuntimeConfig", request, cri.UpdateRuntimeConfigResponse)

    async def container_events(self) -> AsyncIterator[cri.ContainerEventResponse]:
        """Yield CRI's own events. Raises `CRIError` UNIMPLEMENTED with containerd 1.6."""
        async for event in self.stream(
            "/runtime.v1.RuntimeService/GetContainerEvents",
            cri.GetEventsRequest(),
            cri.ContainerEventResponse,
        ):
            yield event

    async def stream(self, path: str, request: Message, answer: type[M]) -> AsyncIterator[M]:
        """Yield the messages of a server stream of any service on the runtime's socket."""
        call = self.channel.unary_stream(
            path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
        )(request)
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise from_grpc(error) from error
        finally:
            call.cancel()


@dataclass(frozen=True)
class ImageDetails:
    """One image as the runtime knows it; `info` is its verbose part."""

    image_or_none: cri.Image | None
    info: Mapping[str, str]


_IMAGE_METHODS = frozenset({"ListImages", "ImageStatus", "PullImage", "RemoveImage", "ImageFsInfo"})

__all__ = ["CRIError", "ExecResult", "ImageDetails", "Runtime"]
