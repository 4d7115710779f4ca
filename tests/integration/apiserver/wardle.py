"""An extension API server as upstream's sample-apiserver: flunders, discovery, OpenAPI.

`requests` holds what came, as (method, path, headers); `users` who asked. It refuses whoever does not bear
the certificate of the front proxy.
"""

import asyncio
import ssl
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from tests.integration.apiserver.hooks import own_address

GROUP, VERSION = "wardle.example.com", "v1alpha1"
ROOT = f"/apis/{GROUP}/{VERSION}"
NAME = f"{VERSION}.{GROUP}"
NAMESPACE, SERVICE, PORT = "default", "sample-api", 7443
HOST = f"{SERVICE}.{NAMESPACE}.svc"
VERBS = ["create", "delete", "get", "list", "watch"]
_AGGREGATED = "as=APIGroupDiscoveryList"


class Wardle:
    """The server; `aggregated` False: it knows only the old form of discovery. `down`: it answers 500."""

    def __init__(self, runner: web.AppRunner) -> None:
        self.runner = runner
        self.port = 0
        self.flunders: dict[tuple[str, str], Any] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.aggregated = True
        self.down = False
        self.changed = asyncio.Event()
        self.received = asyncio.Event()

    @property
    def users(self) -> list[str]:
        return [headers["X-Remote-User"] for _, _, headers in self.requests]

    def last(self, path: str) -> Any:
        """Return the headers of the last request to a path."""
        return next(headers for _, asked, headers in reversed(self.requests) if asked == path)

    async def publish(self, api: Any) -> None:
        """Make the Service and an EndpointSlice that leads here."""
        base = f"/namespaces/{NAMESPACE}"
        ports = [{"name": "https", "port": PORT, "targetPort": 443, "protocol": "TCP"}]
        service = {"metadata": {"name": SERVICE}, "spec": {"ports": ports}}
        await api.ok("POST", f"/api/v1{base}/services", service)
        made = {
            "metadata": {"name": SERVICE, "labels": {"kubernetes.io/service-name": SERVICE}},
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": self.port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [own_address() or "127.0.0.1"], "conditions": {"ready": True}}],
        }
        await api.ok("POST", f"/apis/discovery.k8s.io/v1{base}/endpointslices", made)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        if not transport.get_extra_info("peercert"):
            return web.Response(status=401)
        self.requests.append((request.method, request.path, request.headers.copy()))
        if self.down:
            return web.Response(status=500)
        for path, answer in (
            ("/apis", self._groups),
            (ROOT, self._resources),
            ("/openapi/v3", _openapi_index),
            (f"/openapi/v3{ROOT}", _openapi_v3),
            ("/openapi/v2", _openapi_v2),
            (f"{ROOT}/redirect", _redirect),
            (f"{ROOT}/stream", _stream),
            (f"{ROOT}/large", _large),
            (f"{ROOT}/socket", _socket),
            (f"{ROOT}/echo", _echo),
            (f"{ROOT}/pieces", self._pieces),
        ):
            if request.path == path:
                return await answer(request)
        return await self._flunders(request)

    async def _groups(self, request: web.Request) -> web.Response:
        versions = [{"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}]
        if not self.aggregated or _AGGREGATED not in request.headers.get("Accept", ""):
            groups = [{"name": GROUP, "versions": versions, "preferredVersion": versions[0]}]
            return _json({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        entry = {
            "resource": "flunders",
            "responseKind": {"group": GROUP, "version": VERSION, "kind": "Flunder"},
            "scope": "Namespaced",
            "singularResource": "flunder",
            "verbs": VERBS,
            "shortNames": ["fl"],
        }
        item = {
            "metadata": {"name": GROUP},
            "versions": [{"version": VERSION, "resources": [entry], "freshness": "Current"}],
        }
        return _json(
            {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": [item]}
        )

    async def _resources(self, request: web.Request) -> web.Response:
        entry = {
            "name": "flunders",
            "singularName": "flunder",
            "namespaced": True,
            "kind": "Flunder",
            "verbs": VERBS,
        }
        status = {
            "name": "flunders/status",
            "singularName": "",
            "namespaced": True,
            "kind": "Flunder",
            "verbs": ["get"],
        }
        return _json(
            {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": f"{GROUP}/{VERSION}",
                "resources": [entry, status],
            }
        )

    async def _pieces(self, request: web.Request) -> web.Response:
        first = await request.content.readany()
        self.received.set()
        return web.Response(body=first + await request.content.read())

    async def _flunders(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.removeprefix(f"{ROOT}/").split("/")
        if len(parts) not in (3, 4) or parts[0] != "namespaces" or parts[2] != "flunders":
            return web.Response(status=404)
        key = (parts[1], parts[3] if len(parts) == 4 else "")
        match request.method:
            case "POST":
                return await self._create(request, key[0])
            case "DELETE":
                self.changed.set()
                return _json(self.flunders.pop(key))
            case "GET" if key[1]:
                return _json(self.flunders[key])
            case "GET" if request.query.get("watch"):
                return await self._watch(request)
        items = [item for (namespace, _), item in self.flunders.items() if namespace == key[0]]
        return _json(
            {"kind": "FlunderList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": items}
        )

    async def _create(self, request: web.Request, namespace: str) -> web.Response:
        obj = orjson.loads(await request.read())
        metadata = {**obj["metadata"], "namespace": namespace}
        metadata.setdefault("name", f"{metadata.get('generateName', '')}{len(self.flunders):05}")
        self.flunders[namespace, metadata["name"]] = obj | {"metadata": metadata}
        self.changed.set()
        return _json(obj | {"metadata": metadata}, 201)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for number in range(2):
            await self.changed.wait()
            self.changed.clear()
            await response.write(orjson.dumps({"type": "MODIFIED", "object": {"n": number}}) + b"\n")
        return response


def _json(obj: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(obj), content_type="application/json")


async def _openapi_index(request: web.Request) -> web.Response:
    return _json({"paths": {ROOT[1:]: {"serverRelativeURL": f"/openapi/v3{ROOT}?hash=ABC"}}})


async def _openapi_v3(request: web.Request) -> web.Response:
    schemas = {"com.example.wardle.v1alpha1.Flunder": {"type": "object"}}
    return _json({"openapi": "3.0.0", "paths": {}, "components": {"schemas": schemas}})


async def _openapi_v2(request: web.Request) -> web.Response:
    flunder, options = (
        "com.example.wardle.v1alpha1.Flunder",
        "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    )
    schema = {"schema": {"$ref": f"#/definitions/{flunder}"}}
    body = {"in": "body", "name": "body", "schema": {"$ref": f"#/definitions/{options}"}}
    path = f"{ROOT}/namespaces/{{namespace}}/flunders"
    return _json(
        {
            "swagger": "2.0",
            "paths": {
                path: {"delete": {"parameters": [body], "responses": {"200": schema}}},
                "/version/": {},
            },
            "definitions": {
                flunder: {"type": "object"},
                options: {"type": "object", "description": "another one"},
                "unused": {},
            },
        }
    )


async def _redirect(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "https://127.0.0.1:1/steal"})


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(3):
        await response.write(b"%d" % number)
    return response


async def _large(request: web.Request) -> web.Response:
    return web.Response(body=b"x" * 300_000, content_type="application/octet-stream")


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read(), headers={"X-Size": str(request.content_length)})


async def _socket(request: web.Request) -> web.StreamResponse:
    if request.query.get("refuse"):
        return web.Response(status=403, text="no")
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(f"{request.headers['X-Remote-User']} {message.data}")
    return socket


async def start(context: ssl.SSLContext) -> Wardle:
    """Return a server that listens on every address of this machine."""
    app = web.Application(client_max_size=8 << 20)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    made = Wardle(runner)
    app.router.add_route("*", "/{path:.*}", made.handle)
    await runner.setup()
    site = web.TCPSite(runner, "0.0.0.0", 0, ssl_context=context)
    await site.start()
    made.port = runner.addresses[0][1]
    return made
