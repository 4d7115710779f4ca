"""`pods/<name>/log`: the log of a container, streamed from the node's agent; as WebSocket messages if asked.

Source: pkg/registry/core/pod/{rest/log.go,strategy.go LogLocation}, pkg/apis/core/validation
ValidatePodLogOptions (1.36).
"""

import base64
import hashlib
import struct
from collections.abc import AsyncIterator
from urllib.parse import quote, urlencode

import aiohttp

from api import errors, field
from api.field import FieldError, Path
from api.resource import Obj
from api.types.core_v1 import PODS
from apiserver.http.message import Answer, Connection, Request, Response, Sink, Stream, Upgrade
from apiserver.registry import Registry
from apiserver.rest.hub import Collection, Hub
from apiserver.subresources.connect import is_upgrade
from apiserver.subresources.kubelet import Kubelets, Target
from apiserver.subresources.pods import container_of, is_true

_FLAGS = ("follow", "previous", "timestamps")
_VALUES = ("sinceSeconds", "sinceTime", "tailLines", "limitBytes", "stream")
_CHUNK = 64 * 1024
_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PROTOCOLS = ("binary.k8s.io", "base64.binary.k8s.io")


class Log:
    """Answers log requests; call it as a subresource handler."""

    def __init__(self, registry: Registry, kubelets: Kubelets) -> None:
        self._registry = registry
        self._kubelets = kubelets

    async def __call__(self, hub: Hub, collection: Collection, request: Request) -> Answer:
        if request.info.verb != "get":
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
        check(request)
        pod = await self._registry.get(PODS, request.info.namespace, request.info.name)
        container = container_of(pod, request.param("container"))
        node = pod["spec"].get("nodeName")
        if not node:
            # Not on a node yet: nothing has been said so far.
            return Response(200, b"", "text/plain")
        target = await self._kubelets.of(node)
        backend = await self._open(request, target, agent_path(pod, container, request))
        if is_upgrade(request):
            return _as_websocket(request, backend)
        return Stream(lambda sink: _copy(backend, sink), 200, "text/plain")

    async def _open(self, request: Request, target: Target, path: str) -> aiohttp.ClientResponse:
        """Return the agent's answer, whose body is the log. Raises what the agent says against it."""
        url = target.origin + path
        try:
            response = await self._kubelets.session.get(
                url, ssl=target.context or False, allow_redirects=False
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise errors.InternalError(f'Get "{url}": {error}') from error
        if response.status == 200:
            return response
        text = (await response.content.read(_CHUNK)).decode(errors="replace").strip()
        response.close()
        raise refusal(request, response.status, text)


def refusal(request: Request, status: int, text: str) -> errors.StatusError:
    """Return the error that an agent's refusal becomes. Spec: GenericHttpResponseChecker (1.36)."""
    if status == 400:
        return errors.BadRequest(text)
    name = request.info.name
    if status == 404:
        return errors.NotFound(f"the server could not find the requested resource ( pods/log {name})")
    message = (
        f'an error on the server ("{text}") has prevented the request from succeeding ( pods/log {name})'
    )
    return errors.InternalError(message, {"name": name, "kind": "pods/log"})


def check(request: Request) -> None:
    """Refuse options that make no sense. Raises `Invalid`."""
    faults: list[FieldError] = []
    for name, least in (("tailLines", 0), ("limitBytes", 1), ("sinceSeconds", 1)):
        given = request.param(name)
        if not given:
            continue
        try:
            number = int(given)
        except ValueError as error:
            raise errors.BadRequest(f'strconv.ParseInt: parsing "{given}": invalid syntax') from error
        if number < least:
            bound = "greater than or equal to 0" if least == 0 else "greater than 0"
            faults.append(field.invalid(Path(name), number, f"must be {bound}"))
    if request.param("sinceSeconds") and request.param("sinceTime"):
        faults.append(
            field.forbidden(Path("[]"), "at most one of `sinceTime` or `sinceSeconds` may be specified")
        )
    if faults:
        raise errors.invalid("", "PodLogOptions", request.info.name, faults)


def agent_path(pod: Obj, container: str, request: Request) -> str:
    """Return the path and query of the agent's API."""
    metadata = pod["metadata"]
    words = ("containerLogs", metadata["namespace"], metadata["name"], container)
    query = [(name, "true") for name in _FLAGS if is_true(request, name)]
    query += [(name, request.param(name)) for name in _VALUES if request.param(name)]
    return "/" + "/".join(quote(word, safe="") for word in words) + ("?" + urlencode(query) if query else "")


async def _pieces(backend: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the log as it comes; a broken connection is its end."""
    try:
        async for piece in backend.content.iter_any():
            yield piece
    except (aiohttp.ClientError, OSError):
        return
    finally:
        backend.close()


async def _copy(backend: aiohttp.ClientResponse, sink: Sink) -> None:
    try:
        async for piece in _pieces(backend):
            sink.write(piece)
            await sink.drain()
    finally:
        backend.close()


def _as_websocket(request: Request, backend: aiohttp.ClientResponse) -> Upgrade:
    """Return the log as WebSocket messages, one for what has gathered, then a normal close."""
    offered = [item.strip() for item in request.headers.get("sec-websocket-protocol", "").split(",")]
    protocol = next((name for name in _PROTOCOLS if name in offered), "")
    digest = hashlib.sha1(request.headers.get("sec-websocket-key", "").encode() + _WEBSOCKET_GUID).digest()
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
    }
    if protocol:
        headers["Sec-WebSocket-Protocol"] = protocol
    in_text = protocol.startswith("base64")

    async def run(client: Connection) -> None:
        try:
            async for piece in _pieces(backend):
                data = base64.b64encode(piece) if in_text else piece
                client.write(frame(1 if in_text else 2, data))
                await client.drain()
            client.write(frame(8, struct.pack("!H", 1000)))
            await client.drain()
            # The client answers the close; until then what was written may still be on its way.
            await client.read()
        finally:
            backend.close()

    return Upgrade(run, headers)


def frame(opcode: int, data: bytes) -> bytes:
    """Return one final, unmasked WebSocket frame (RFC 6455, 5.2)."""
    size = len(data)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
    return head + data
