"""gRPC probes: the standard health service, `grpc.health.v1.Health/Check`. Edge.

The two messages are one field each, so they are coded here: request {1: service}, answer {1: status}, where
status 1 is SERVING.
Source: pkg/probe/grpc/grpc.go (1.36).
"""

import asyncio

import grpc

from nodeagent.probes.decide import Outcome
from nodeagent.probes.target import join_host_port

_METHOD = "/grpc.health.v1.Health/Check"
_STATUS = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


async def check(host: str, port: int, service: str, timeout_s: float) -> Outcome:
    """Return whether the server says that `service` ("": as a whole) is serving."""
    where = join_host_port(host, port)
    async with grpc.aio.insecure_channel(where, options=_OPTIONS) as channel:
        try:
            async with asyncio.timeout(timeout_s):
                await channel.channel_ready()
                answer = await channel.unary_unary(_METHOD, None, None)(encode_request(service))
        except TimeoutError:
            text = f'timeout: failed to connect service "{where}" within {timeout_s:g}s'
            return Outcome(False, f"{text}: context deadline exceeded")
        except grpc.aio.AioRpcError as error:
            return Outcome(False, _describe(error))
    status = decode_status(answer)
    if status == "SERVING":
        return Outcome(True)
    return Outcome(False, f'service unhealthy (responded with "{status}")')


def _describe(error: grpc.aio.AioRpcError) -> str:
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return (
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
            f"{error.details()}"
        )
    return f"error: health rpc probe failed: {error.details()}"


def encode_request(service: str) -> bytes:
    """Return the `HealthCheckRequest` in protobuf; names of services are shorter than 16 kB."""
    raw = service.encode()
    if not raw:
        return b""
    size = bytes([len(raw)]) if len(raw) < 128 else bytes([len(raw) & 127 | 128, len(raw) >> 7])
    return b"\x0a" + size + raw


def decode_status(answer: bytes) -> str:
    """Return the name of the status in a `HealthCheckResponse`."""
    number = answer[1] if len(answer) >= 2 and answer[0] == 8 else 0
    return _STATUS.get(number, str(number))
