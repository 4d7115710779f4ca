"""How the agent hears of containers: the runtime's event stream, and a slow relist as the safety net.

    CRI GetContainerEvents, if the runtime has it
    else containerd's own task events (containerd.services.events.v1)
    else, or while the stream is down: a relist every second

Source: the kubelet's PLEG (pkg/kubelet/pleg), here without its one-second poll.
"""

from collections.abc import AsyncIterator

from kit import clock, log
from nodeagent.cri.client import Runtime
from nodeagent.cri.errors import CRIError
from nodeagent.pod.manager import PodManager
from proto.gen.containerd import events_pb2, task_pb2
from proto.gen.cri import runtime_v1_pb2 as cri

RELIST_S = 30.0
# While there is no event stream.
FAST_RELIST_S = 1.0
RETRY_S = 0.2
_FILTER = 'namespace==k8s.io,topic~="^/tasks/(exit|oom|start)"'
_log = log.get("nodeagent.pleg")


class Pleg:
    """Feeds a `PodManager` from a runtime."""

    def __init__(self, runtime: Runtime, manager: PodManager) -> None:
        self._runtime = runtime
        self._manager = manager
        self._streaming = False

    async def relist(self) -> None:
        """Give the manager everything the runtime holds. Raises `CRIError`."""
        sandboxes = await self._runtime.list_pod_sandbox()
        self._manager.inventory(sandboxes, await self._runtime.list_containers())

    async def run_relist(self) -> None:
        """Relist for ever: slowly while events flow, fast while they do not."""
        while True:
            waited = 0.0
            while waited < (RELIST_S if self._streaming else FAST_RELIST_S):
                await clock.sleep(FAST_RELIST_S)
                waited += FAST_RELIST_S
            try:
                await self.relist()
            except CRIError as error:
                _log.debug("relist failed", error=error.message)

    async def run_events(self) -> None:
        """Follow the runtime's events for ever; after every interruption all pods are looked at anew."""
        implemented = True
        while True:
            try:
                # The first attempt tells which of both streams there is; neither one repeats what it missed.
                async for container_id in self._exits(implemented):
                    if not self._streaming:
                        self._streaming = True
                    if container_id:
                        self._manager.exited(container_id)
            except CRIError as error:
                if error.code == "UNIMPLEMENTED":
                    implemented = False
                    if not self._streaming:
                        continue
                _log.info("event stream interrupted", error=error.message)
            self._streaming = False
            await self._wait_for_runtime()
            self._manager.runtime_returned()

    async def _wait_for_runtime(self) -> None:
        while True:
            await clock.sleep(RETRY_S)
            try:
                await self._runtime.version()
                await self.relist()
                return
            except CRIError:
                continue

    async def _exits(self, use_cri: bool) -> AsyncIterator[str]:
        if use_cri:
            async for event in self._runtime.container_events():
                ended = event.container_event_type == cri.CONTAINER_STOPPED_EVENT
                yield event.container_id if ended else ""
            return
        request = events_pb2.SubscribeRequest(filters=[_FILTER])
        path = "/containerd.services.events.v1.Events/Subscribe"
        async for envelope in self._runtime.stream(path, request, events_pb2.Envelope):
            yield exited_container(envelope)


def exited_container(envelope: events_pb2.Envelope) -> str:
    """Return the id of the container whose first process has ended, "" for any other event."""
    if envelope.event.type_url.rsplit("/", 1)[-1] != "containerd.events.TaskExit":
        return ""
    exit_event = task_pb2.TaskExit.FromString(envelope.event.value)
    return exit_event.container_id if exit_event.id == exit_event.container_id else ""
