"""Requests for a remote group version, to the server that serves it: with the user's name, not credentials.

    not available       503
    3xx with Location   502: credentials must not follow a redirect (CVE-2022-3172)
    upgrade             bytes both ways after 101; a refused one ends the connection (CVE-2018-1002105)
    otherwise           the answer as it comes, a watch piece by piece

Called by `aggregator.py`. Source: kube-aggregator/pkg/apiserver/handler_proxy.go (1.36).
"""

import ssl
from collections.abc import Iterable

import aiohttp

from api.errors import InternalError, ServiceUnavailable, StatusError
from apiserver.aggregation.backend import Backend, identity_headers, path_of
from apiserver.aggregation.connections import Connections
from apiserver.http.message import Answer, Request, Response, Stream
from apiserver.subresources.connect import HOP, copy, forwarded_headers, is_upgrade, relay_upgrade
from apiserver.subresources.kubelet import Target
from apiserver.webhooks.client import describe

_NOT_SENT = HOP | {"expect", "x-forwarded-for"}
# This server says these itself.
_NOT_RETURNED = HOP | {"content-type", "content-length", "date", "cache-control", "audit-id", "server"}
_FLOW = "x-kubernetes-pf-"
# An answer of at most this size is passed on in one piece.
_WHOLE_BYTES = 1 << 16
_REDIRECTED = b"the backend attempted to redirect this request, which is not permitted"


async def relay(connections: Connections, backend: Backend, request: Request) -> Answer:
    """Return what the backend answers."""
    if not backend.available:
        return unavailable()
    if any(part in (".", "..") for part in request.path.split("/")):
        # What was authorized must be what is asked there.
        raise InternalError("a path with dots is not passed on")
    try:
        target = connections.target(backend)
    except StatusError:
        return unavailable()
    except (ValueError, ssl.SSLError) as error:
        raise InternalError(f"unable to load root certificates: {error}") from error
    identity = [*identity_headers(request.user), ("X-Forwarded-For", _forwarded_for(request))]
    path = path_of(request)
    if is_upgrade(request):
        return await relay_upgrade(request, target, path, identity)
    return await _ask(connections, target, request, path, identity)


def unavailable() -> Response:
    """Upstream's answer for a server that is not there: plain text, no Status."""
    return Response(503, b"service unavailable\n", "text/plain; charset=utf-8")


async def _ask(
    connections: Connections, target: Target, request: Request, path: str, identity: list[tuple[str, str]]
) -> Answer:
    headers = [(name, value) for name, value in forwarded_headers(request) if name not in _NOT_SENT]
    body = request.body if request.upload is None else request.upload
    length = request.headers.get("content-length")
    if request.upload is not None and length:
        headers.append(("Content-Length", length))
    try:
        answer = await connections.request(target, request.method, path, [*headers, *identity], body)
        return await _answer(answer, request.method)
    except (aiohttp.ClientError, OSError) as error:
        raise ServiceUnavailable(f"error trying to reach service: {describe(error)}") from error


async def _answer(backend: aiohttp.ClientResponse, method: str) -> Answer:
    if 300 <= backend.status < 400 and "Location" in backend.headers:
        backend.close()
        return Response(502, _REDIRECTED, "text/plain; charset=utf-8")
    kind, headers = backend.headers.get("Content-Type", ""), _returned(backend)
    length = backend.content_length
    if method == "HEAD" or backend.status in (204, 304):
        backend.close()
        return Response(backend.status, b"", kind, headers)
    if length is not None and length <= _WHOLE_BYTES:
        return Response(backend.status, await backend.read(), kind, headers)
    return Stream(lambda sink: copy(backend, sink), backend.status, kind, headers)


def _returned(backend: aiohttp.ClientResponse) -> dict[str, str]:
    names: Iterable[str] = dict.fromkeys(backend.headers)
    return {
        name: ", ".join(backend.headers.getall(name))
        for name in names
        if name.lower() not in _NOT_RETURNED and not name.lower().startswith(_FLOW)
    }


def _forwarded_for(request: Request) -> str:
    before = request.headers.get("x-forwarded-for", "")
    return f"{before}, {request.remote}" if before else request.remote
