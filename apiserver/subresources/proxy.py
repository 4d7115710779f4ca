"""`pods/proxy`, `services/proxy`, `nodes/proxy`: HTTP through the API server to a pod, a service's pod, an
agent.

    [scheme:]name[:port]   scheme http (default) or https, unverified; port a number, or its name for services
    GET, HEAD .../proxy    301 to .../proxy/, so that relative links work

Loopback and link-local targets are refused: they would be the API server's own (CVE-2020-8562).
Source: k8s.io/apimachinery/pkg/util/proxy, pkg/registry/core/{pod,service,node} ResourceLocation (1.36).
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from api import errors
from api.errors import BadRequest
from api.resource import Obj, Resource
from api.slices import SERVICE_NAME
from api.types.core_v1 import NODES, PODS, SERVICES
from api.types.discovery_v1 import ENDPOINTSLICES
from apiserver.http.message import Answer, Request, Response, Stream
from apiserver.registry import Registry
from apiserver.rest.hub import Collection, Hub
from apiserver.services import service_address
from apiserver.subresources.connect import HOP, copy, forwarded_headers, is_upgrade, relay_upgrade
from apiserver.subresources.kubelet import Kubelets, Target, check_target, unverified_context
from apiserver.subresources.pods import admit_connection
from apiserver.subresources.rewrite import rewrite_html, rewrite_location
from kit import rand

# A client's own choice of encoding is not passed on: links in a compressed page could not be rewritten.
_NOT_SENT = HOP | {"accept-encoding", "expect"}
# A page up to this size has its links rewritten; a longer one goes through as it is.
_HTML_LIMIT = 16 << 20


@dataclass(frozen=True)
class Named:
    """The parts of `[scheme:]name[:port]`."""

    scheme: str
    name: str
    port: str


class Proxy:
    """Answers proxy requests of one kind of object; call it as a subresource handler."""

    def __init__(self, registry: Registry, kubelets: Kubelets) -> None:
        self._registry = registry
        self._kubelets = kubelets
        self._unverified = unverified_context()

    async def __call__(self, hub: Hub, collection: Collection, request: Request) -> Answer:
        prefix, path = split_path(request)
        if not path and request.method in ("GET", "HEAD") and not is_upgrade(request):
            query = _query(request)
            return Response(301, b"", "text/plain", {"Location": f"{prefix}/{'?' + query if query else ''}"})
        await admit_connection(hub, collection.resource, request, options_of(collection.resource, path))
        target = await self._target(collection.resource, request)
        query = _query(request)
        backend_path = quote(path or "/", safe="/:@!$&'()*+,;=~-._%") + (f"?{query}" if query else "")
        if is_upgrade(request):
            return await relay_upgrade(request, target, backend_path)
        return await self._pass(request, target, backend_path, prefix)

    async def _target(self, resource: Any, request: Request) -> Target:
        named = parse_name(request.info.name)
        namespace = request.info.namespace
        if resource is NODES:
            return await self._node(named)
        context = self._unverified if named.scheme == "https" else None
        if resource is PODS:
            pod = await self._registry.get(PODS, namespace, named.name)
            host, port = pod_address(pod, named.port)
        else:
            service = await self._registry.get(SERVICES, namespace, named.name)
            slices = self._registry.cached_by_label(ENDPOINTSLICES, SERVICE_NAME, named.name, namespace)
            host, port = service_address(service, named.port, slices, rand.integer)
        check_address(host)
        return Target(host, port, context)

    async def _node(self, named: Named) -> Target:
        agent = await self._kubelets.of(named.name)
        if named.port and not named.port.isdigit():
            raise BadRequest(f'invalid port "{named.port}"')
        if not named.port or int(named.port) == agent.port:
            return agent
        check_address(agent.host)
        return Target(agent.host, int(named.port), self._unverified if named.scheme == "https" else None)

    async def _pass(self, request: Request, target: Target, path: str, prefix: str) -> Answer:
        headers = [(name, value) for name, value in forwarded_headers(request) if name not in _NOT_SENT]
        headers.append(("X-Forwarded-Uri", f"{prefix}{path}"))
        headers.append(("X-Forwarded-Host", request.headers.get("host", "")))
        headers.append(("X-Forwarded-Proto", "https"))
        headers.append(("X-Forwarded-For", request.remote))
        try:
            backend = await self._kubelets.session.request(
                request.method,
                _url(target, path),
                headers=headers,
                data=request.body or None,
                ssl=target.context or False,
                allow_redirects=False,
                skip_auto_headers=("Accept-Encoding", "User-Agent", "Content-Type", "Accept"),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            message = f"error trying to reach service: dial tcp {target.authority}: {error}"
            raise errors.ServiceUnavailable(message) from error
        return await _answer(backend, target, prefix, request.method)


async def _answer(backend: aiohttp.ClientResponse, target: Target, prefix: str, method: str) -> Answer:
    kind = backend.headers.get("Content-Type", "")
    headers = _answer_headers(backend, target, prefix)
    length = backend.content_length
    is_page = kind.startswith("text/html") and "Content-Encoding" not in backend.headers
    if method == "HEAD":
        backend.close()
        return Response(backend.status, b"", kind, headers)
    if is_page and (length or 0) <= _HTML_LIMIT:
        body = await backend.read()
        return Response(backend.status, rewrite_html(body, prefix), kind, headers)
    if length is not None and length <= 1 << 16:
        return Response(backend.status, await backend.read(), kind, headers)
    return Stream(lambda sink: copy(backend, sink), backend.status, kind, headers)


def _answer_headers(backend: aiohttp.ClientResponse, target: Target, prefix: str) -> dict[str, str]:
    left_out = HOP | {"content-type", "content-length", "date", "server"}
    headers = {name: value for name, value in backend.headers.items() if name.lower() not in left_out}
    location = backend.headers.get("Location")
    if location is not None:
        headers["Location"] = rewrite_location(location, target.origin, prefix)
    return headers


def _url(target: Target, path: str) -> Any:

    return URL(target.origin + path, encoded=True)


def _query(request: Request) -> str:
    return urlencode([(name, value) for name, values in request.query.items() for value in values])


def split_path(request: Request) -> tuple[str, str]:
    """Return the path up to `/proxy`, and the path for the backend ("" if there is not even a slash)."""
    info = request.info
    scope = f"/namespaces/{info.namespace}" if info.namespace else ""
    prefix = f"/api/v1{scope}/{info.resource}/{info.name}/proxy"
    return prefix, request.path.removeprefix(prefix)


def options_of(resource: Resource[Any], path: str) -> Obj:
    """Return the request as PodProxyOptions, ServiceProxyOptions or NodeProxyOptions, for admission."""
    options: Obj = {"apiVersion": "v1", "kind": f"{resource.kind}ProxyOptions"}
    return {**options, "path": path} if path else options


def parse_name(text: str) -> Named:
    """Return the parts of `[scheme:]name[:port]`. Raises `BadRequest`."""
    parts = text.split(":")
    if len(parts) == 3 and parts[0] in ("http", "https", ""):
        return Named(parts[0] or "http", parts[1], parts[2])
    if len(parts) == 2:
        return Named("http", parts[0], parts[1])
    if len(parts) == 1:
        return Named("http", text, "")
    raise BadRequest(f'invalid request "{text}"')


def pod_address(pod: Obj, port: str) -> tuple[str, int]:
    """Return where a pod listens: the port asked for, else its first container's first. Raises
    `BadRequest`."""
    host = (pod.get("status") or {}).get("podIP") or ""
    if not host:
        raise BadRequest("address not allowed")
    if port:
        if not port.isdigit():
            raise BadRequest(f'invalid port "{port}"')
        return host, int(port)
    for container in pod["spec"].get("containers") or ():
        for item in container.get("ports") or ():
            return host, int(item["containerPort"])
    return host, 80


def check_address(host: str) -> None:
    """Refuse addresses that mean this machine or its link. Raises `Forbidden`."""
    check_target(host)
    if ip_address(host).is_loopback:
        raise errors.Forbidden("address not allowed")
