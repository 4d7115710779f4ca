"""Serves a hollow runtime over gRPC on a unix socket, for agents in other processes (and upstream's
kubelet).
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from nodeagent.cri.errors import CRIError
from nodeagent.hollow.service import HollowService
from proto.gen.cri import runtime_v1_pb2 as cri

IMAGE_METHODS = frozenset({"ListImages", "ImageStatus", "PullImage", "RemoveImage", "ImageFsInfo"})


class HollowServer:
    """A gRPC server from `start` to `close`."""

    def __init__(self, service: HollowService, socket: Path) -> None:
        self._service = service
        self._socket = socket
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self._socket.parent.mkdir(parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        server = grpc.aio.server()
        runtime = {name: self._unary(name) for name in self._service.methods if name not in IMAGE_METHODS}
        runtime["GetContainerEvents"] = self._events()
        images = {name: self._unary(name) for name in IMAGE_METHODS}
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler("runtime.v1.RuntimeService", runtime),
                grpc.method_handlers_generic_handler("runtime.v1.ImageService", images),
            )
        )
        server.add_insecure_port(f"unix://{self._socket}")
        await server.start()
        self._server = server

    async def close(self) -> None:
        if self._server is not None:
            await self._server.stop(None)

    def _unary(self, method: str) -> Any:
        request: Any = getattr(cri, f"{method}Request")

        async def handle(message: Any, context: Any) -> Any:
            try:
                return await self._service.call(method, message)
            except CRIError as error:
                await context.abort(grpc.StatusCode[error.code], error.message)

        return grpc.unary_unary_rpc_method_handler(
            handle, request_deserializer=request.FromString, response_serializer=_serialize
        )

    def _events(self) -> Any:
        async def handle(_: Any, __: Any) -> AsyncIterator[Any]:
            async for event in self._service.events():
                yield event

        return grpc.unary_stream_rpc_method_handler(
            handle,
            request_deserializer=cri.GetEventsRequest.FromString,
            response_serializer=_serialize,
        )


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
