"""The scheduler's HTTPS server: health for anyone, metrics and decisions for those who may see them.

    GET /healthz /livez /readyz             ok
    GET /metrics                            as a SubjectAccessReview about the path says
    GET /decisions/NAMESPACE/POD?...        to the API server, and to whoever may get pods/decision there

The serving certificate is the one of the flags, or made at start; whoever reads the announcement knows it.
Source: cmd/kube-scheduler/app/server.go, options.go (1.36). Called by `app`.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import orjson
from aiohttp import web

from api.errors import Forbidden, NotFound, ServiceUnavailable, StatusError, Unauthorized
from client.api import Client
from client.transport import Unreachable
from kit import chain, clock, log, tls
from kit.address import reachable
from kit.metrics import REGISTRY
from kit.tasks import Tasks
from scheduler.config import Config
from scheduler.explain.explainer import Explainer, Inquiry
from scheduler.explain.story import Doc
from scheduler.serving.access import Access, Caller

_log = log.get("scheduler.serving")
# How long an answer may take (functions of users may be slow), and how many are made at one time.
_PATIENCE_S, _AT_ONCE = 5.0, 2
_SERVER_NAME = "kube-scheduler"


@dataclass
class Desk:
    """Where decisions are asked for. `explainer` is there while this process decides."""

    # "" if nothing is served.
    address: str = ""
    certificate: bytes = b""
    explainer: Explainer | None = None
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def answer(self, inquiry: Inquiry) -> Doc:
        """Return a Decision, made step by step between other work.

        Raises `NotFound`, `ServiceUnavailable`.
        """
        async with self.turn:
            if self.explainer is None:
                raise ServiceUnavailable("this scheduler does not lead: it has decided nothing")
            steps, until = self.explainer.answer(inquiry), clock.monotonic() + _PATIENCE_S
            while clock.monotonic() < until:
                try:
                    next(steps)
                except StopIteration as end:
                    if end.value is None:
                        raise NotFound(
                            f'the scheduler knows no decision about pod "{inquiry.name}"'
                        ) from None
                    found: Doc = end.value
                    return found
                await clock.sleep(0)
            raise ServiceUnavailable(f"the answer takes longer than {_PATIENCE_S:g} s")


@asynccontextmanager
async def serving(client: Client, config: Config, authority: bytes) -> AsyncIterator[Desk]:
    """Serve within the block; port 0 serves nothing. `authority` (PEM) has signed clients' certificates as
    long as nothing better is known. Raises `OSError`, `ValueError`.
    """
    if not config.secure_port:
        yield Desk()
        return
    pair = _certificate(config)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    chain.load_chain(context, pair.cert, pair.key)
    desk = Desk(_address(config), pair.cert)
    tasks, access = Tasks(), Access(client, context, authority)
    runner = web.ServerRunner(
        web.Server(_Handler(desk, access).handle, access_log=None), shutdown_timeout=1.0
    )
    try:
        await runner.setup()
        await web.TCPSite(runner, config.bind_address, config.secure_port, ssl_context=context).start()
        tasks.spawn(access.follow(), "authorities")
        yield desk
    finally:
        await tasks.close()
        await runner.cleanup()


def _certificate(config: Config) -> tls.KeyPair:
    if (config.tls_cert_file is None) != (config.tls_private_key_file is None):
        raise ValueError("--tls-cert-file and --tls-private-key-file go together")
    if config.tls_cert_file is not None and config.tls_private_key_file is not None:
        return tls.KeyPair(config.tls_cert_file.read_bytes(), config.tls_private_key_file.read_bytes())
    return tls.self_signed(_SERVER_NAME, (_SERVER_NAME, "localhost", _host(config)))


def _host(config: Config) -> str:
    """Return where others reach this server."""
    try:
        unspecified = ip_address(config.bind_address).is_unspecified
    except ValueError:
        return config.bind_address
    return reachable(config.bind_address) if unspecified else config.bind_address


def _address(config: Config) -> str:
    host = _host(config)
    return f"[{host}]:{config.secure_port}" if ":" in host else f"{host}:{config.secure_port}"


class _Handler:
    def __init__(self, desk: Desk, access: Access) -> None:
        self._desk = desk
        self._access = access

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._route(request)
        except StatusError as error:
            return _json(error.to_status(), error.code)
        except Unreachable as error:
            return _json(ServiceUnavailable(f"the API server does not answer: {error}").to_status(), 503)
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - a request must not end the scheduler
            _log.exception("request failed", path=request.path)
            return web.Response(status=500, text="internal error\n")

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "GET":
            return web.Response(status=405, text="method not allowed\n")
        match request.path.strip("/").split("/"):
            case ["healthz" | "livez" | "readyz"]:
                return web.Response(text="ok")
            case ["metrics"]:
                path = {"path": request.path, "verb": "get"}
                await self._allow(request, {"nonResourceAttributes": path})
                return web.Response(
                    body=REGISTRY.render(), headers={"Content-Type": "text/plain; version=0.0.4"}
                )
            case ["decisions", namespace, name]:
                return await self._decision(request, namespace, name)
        return web.Response(status=404, text="404 page not found\n")

    async def _decision(self, request: web.BaseRequest, namespace: str, name: str) -> web.StreamResponse:
        about = {"verb": "get", "resource": "pods", "subresource": "decision"}
        caller = await self._allow(
            request, {"resourceAttributes": {**about, "namespace": namespace, "name": name}}
        )
        query = request.query
        inquiry = Inquiry(
            namespace,
            name,
            uid=query.get("uid", ""),
            bound=query.get("bound", ""),
            node=query.get("node", ""),
            earlier=query.get("earlier") == "true",
            columns=query.get("columns") == "true",
            sees_all=caller.is_front_proxy and query.get("seesAll") == "true",
        )
        return _json(await self._desk.answer(inquiry))

    async def _allow(self, request: web.BaseRequest, attributes: Mapping[str, Mapping[str, str]]) -> Caller:
        """Return who asks. Raises `Unauthorized`, `Forbidden`."""
        caller = await self._access.caller(_peer(request), request.headers.get("Authorization", ""))
        if caller is None:
            raise Unauthorized()
        if caller.is_front_proxy and "resourceAttributes" in attributes:
            return caller
        if not await self._access.may(caller, attributes):
            raise Forbidden(f'User "{caller.name}" cannot get path "{request.path}"')
        return caller


def _peer(request: web.BaseRequest) -> bytes | None:
    """Return the client's certificate, which the TLS layer has verified."""
    channel = request.transport.get_extra_info("ssl_object") if request.transport else None
    return channel.getpeercert(True) if isinstance(channel, ssl.SSLObject) else None


def _json(obj: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(obj), content_type="application/json")
