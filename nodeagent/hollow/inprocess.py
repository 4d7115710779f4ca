"""The CRI client of a hollow runtime in the same process: the same face as over a socket, without the
socket.
"""

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from google.protobuf.message import Message

from nodeagent.cri.client import CALL_TIMEOUT_S, Runtime
from nodeagent.cri.errors import CRIError
from nodeagent.hollow.service import HollowService
from proto.gen.cri import runtime_v1_pb2 as cri

M = TypeVar("M", bound=Message)


class InProcessRuntime(Runtime):
    """A `Runtime` whose calls are answered by `service`."""

    def __init__(self, service: HollowService) -> None:
        super().__init__("inprocess://hollow")
        self._service = service

    async def _call(
        self, method: str, request: Message, answer: type[M], timeout_s: float = CALL_TIMEOUT_S
    ) -> M:
        result = await self._service.call(method, request)
        if not isinstance(result, answer):
            raise CRIError(f"the answer to {method} is a {type(result).__name__}", "INTERNAL")
        return result

    def follow(self, exited: Callable[[str], None] | None) -> None:
        """Call `exited` with the id of each container that ends."""
        self._service.exited = exited

    async def container_events(self) -> AsyncIterator[cri.ContainerEventResponse]:
        async for event in self._service.events():
            yield event
