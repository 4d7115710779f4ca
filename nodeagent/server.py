"""The node's HTTPS server: logs, exec, attach and port-forward for the API server, and the node's own state.

Only certificates of the cluster's CA are let in, and of those only configured users and groups: whoever may
call this may run anything in any container. Paths and parameters are the kubelet's.
Source: pkg/kubelet/server/server.go (1.36).
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from api.resource import Obj
from kit import clock, log, tls
from kit.metrics import REGISTRY
from nodeagent.cri.client import Runtime
from nodeagent.cri.errors import CRIError
from nodeagent.logs import LogOptions, read_log, since_of
from nodeagent.pod.directory import PodDirectory, PodRecord
from nodeagent.pod.observed import State
from nodeagent.stats import Stats
from nodeagent.streams import portforward, raw, remotecommand
from nodeagent.streams.connection import StreamError

_log = log.get("nodeagent.server")
_STREAM_PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")


@dataclass(frozen=True)
class ServerConfig:
    """Where to listen, as whom, and whom to let in."""

    cert: Path
    key: Path
    client_ca: Path
    node_name: str
    address: str = "0.0.0.0"
    port: int = 10250
    allowed_users: tuple[str, ...] = ("kube-apiserver-kubelet-client",)
    allowed_groups: tuple[str, ...] = ("system:masters",)
    # What `/configz` shows.
    settings: Mapping[str, Any] = field(default_factory=dict)


class Refusal(Exception):
    """An answer other than success, as plain text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Server:
    """Serves from `start` to `close`."""

    def __init__(self, config: ServerConfig, runtime: Runtime, pods: PodDirectory) -> None:
        self._config = config
        self._runtime = runtime
        self._pods = pods
        self._stats = Stats(runtime, config.node_name)
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Listen. Raises `OSError`."""
        context = tls.server_context(self._config.cert, self._config.key, self._config.client_ca)
        runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, self._config.address, self._config.port, ssl_context=context)
        await site.start()
        self._runner = runner

    @property
    def port(self) -> int:
        """The port in use (it may have been chosen by the system)."""
        if self._runner is None:
            return self._config.port
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            self._authorize(request)
            return await self._route(request)
        except Refusal as refusal:
            return web.Response(status=refusal.code, text=refusal.text)
        except CRIError as error:
            code = 404 if error.not_found else 500
            return web.Response(status=code, text=error.rpc_text)
        except StreamError as error:
            return web.Response(status=500, text=str(error))
        except ConnectionError:
            # The client went away while it was being served.
            raise
        except Exception:  # noqa: BLE001 - a request must not end the server
            _log.exception("request failed", path=request.path)
            return web.Response(status=500, text="internal error")

    def _authorize(self, request: web.BaseRequest) -> None:
        identity = peer_identity(request)
        if identity is None:
            raise Refusal(401, "Unauthorized")
        user, groups = identity
        allowed = self._config
        if user not in allowed.allowed_users and not set(groups) & set(allowed.allowed_groups):
            verb = {"GET": "get", "HEAD": "get"}.get(request.method, "create")
            raise Refusal(403, f"Forbidden (user={user}, verb={verb}, resource=nodes, subresource=proxy)")

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        first, *rest = request.path.strip("/").split("/")
        pages: dict[str, Callable[[], Awaitable[web.StreamResponse]]] = {
            "healthz": self._healthz,
            "pods": self._list_pods,
            "configz": self._configz,
            "metrics": self._metrics,
            "metrics/resource": self._resource_metrics,
            "stats/summary": self._summary,
            "stats": self._summary,
        }
        if page := pages.get("/".join([first, *rest])):
            return await page()
        match first, rest:
            case "containerLogs", [namespace, name, container]:
                return await self._logs(request, namespace, name, container)
            case (("exec" | "attach"), [namespace, name, *_, container]) if len(rest) in (3, 4):
                return await self._command(request, first, self._find(namespace, name), container)
            case "portForward", [namespace, name, *_] if len(rest) in (2, 3):
                return await self._port_forward(request, self._find(namespace, name))
            case _:
                raise Refusal(404, "404 page not found\n")

    def _find(self, namespace: str, name: str) -> PodRecord:
        record = self._pods.find(namespace, name)
        if record is None:
            raise Refusal(404, f'pod "{name}" not found in namespace "{namespace}"')
        return record

    async def _logs(
        self, request: web.BaseRequest, namespace: str, name: str, container: str
    ) -> web.StreamResponse:
        record = self._find(namespace, name)
        options = log_options(request.query)
        previous = _is_true(request.query.get("previous"))
        attempt = record.container(container, previous)
        if attempt is None or not attempt.log_path:
            raise _no_log(record, container, previous)

        def is_running() -> bool:
            present = self._pods.get(record.uid)
            newest = present.container(container) if present is not None else None
            gone = request.transport is None or request.transport.is_closing()
            if newest is None or newest.id != attempt.id or gone:
                return False
            return newest.state in (State.CREATED, State.RUNNING)

        path = Path(attempt.log_path)
        if not await asyncio.to_thread(path.exists):
            raise Refusal(500, f'failed to open log file "{path}": no such file or directory')
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for piece in read_log(path, options, is_running):
            await response.write(piece)
        await response.write_eof()
        return response

    async def _command(
        self, request: web.BaseRequest, kind: str, record: PodRecord, container: str
    ) -> web.StreamResponse:
        try:
            options = remotecommand.parse_options(request.query)
        except remotecommand.BadOptions as error:
            raise Refusal(400, str(error)) from error
        attempt = record.container(container)
        if attempt is None or not attempt.running:
            raise Refusal(404, f'container not found ("{container}")')
        streams = {"stdin": options.stdin, "stdout": options.stdout, "stderr": options.stderr}
        upgrade = upgrade_of(request)
        if kind == "exec":
            command = request.query.getall("command", [])
            url = await self._runtime.exec(attempt.id, command, tty=options.tty, **streams)
        else:
            url = await self._runtime.attach(attempt.id, tty=options.tty, **streams)
        if upgrade == "websocket":
            return await remotecommand.serve(request, url, options)
        return await raw.serve(request, url, stream_protocols(request, _STREAM_PROTOCOLS))

    async def _port_forward(self, request: web.BaseRequest, record: PodRecord) -> web.StreamResponse:
        if not record.sandbox_id:
            raise Refusal(404, "pod sandbox not found")
        upgrade = upgrade_of(request)
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        if upgrade != "websocket":
            url = await self._runtime.port_forward(record.sandbox_id, [])
            return await raw.serve(request, url, stream_protocols(request, (portforward.PROTOCOL,)))
        if portforward.TUNNEL in (name.strip() for name in offered.split(",")):
            url = await self._runtime.port_forward(record.sandbox_id, [])
            return await portforward.serve_tunnel(request, url)
        query = request.query
        try:
            ports = portforward.parse_ports([*query.getall("port", []), *query.getall("ports", [])])
        except portforward.BadPorts as error:
            raise Refusal(400, str(error)) from error
        url = await self._runtime.port_forward(record.sandbox_id, ports)
        return await portforward.serve_channels(request, url, ports)

    async def _healthz(self) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _list_pods(self) -> web.StreamResponse:
        items = [
            {**record.pod, "status": record.status or record.pod.get("status", {})} for record in self._pods
        ]
        return _json({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _configz(self) -> web.StreamResponse:
        return _json({"kubeletconfig": dict(self._config.settings)})

    async def _metrics(self) -> web.StreamResponse:
        return web.Response(body=REGISTRY.render(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _resource_metrics(self) -> web.StreamResponse:
        body = await self._stats.resource_metrics()
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _summary(self) -> web.StreamResponse:
        return _json(await self._stats.summary())


def peer_identity(request: web.BaseRequest) -> tuple[str, tuple[str, ...]] | None:
    """Return (user, groups) of the client's certificate, None without one."""
    channel = request.transport.get_extra_info("ssl_object") if request.transport else None
    if not isinstance(channel, ssl.SSLObject | ssl.SSLSocket):
        return None
    certificate = channel.getpeercert()
    if not certificate:
        return None
    subject: Any = certificate.get("subject", ())
    names = [part for group in subject for part in group]
    user = next((value for key, value in names if key == "commonName"), "")
    return str(user), tuple(str(value) for key, value in names if key == "organizationName")


def log_options(query: Mapping[str, str]) -> LogOptions:
    """Return the options of a request for logs. Raises `Refusal`."""
    try:
        since = since_of(clock.now(), query.get("sinceSeconds"), query.get("sinceTime"))
        tail, limit = query.get("tailLines"), query.get("limitBytes")
        stream = query.get("stream", "All")
        return LogOptions(
            follow=_is_true(query.get("follow")),
            timestamps=_is_true(query.get("timestamps")),
            since=since,
            tail_lines=int(tail) if tail else None,
            limit_bytes=int(limit) if limit else None,
            stream="" if stream == "All" else stream.lower(),
        )
    except ValueError as error:
        raise Refusal(400, f"invalid log options: {error}") from error


def upgrade_of(request: web.BaseRequest) -> str:
    """Return "websocket" or "spdy". Raises `Refusal` if the request asks for neither."""
    wanted = request.headers.get("Upgrade", "").lower()
    if wanted == "websocket":
        return "websocket"
    if wanted.startswith("spdy/3.1"):
        return "spdy"
    raise Refusal(400, "unable to upgrade: missing upgrade headers in request")


def stream_protocols(request: web.BaseRequest, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return the protocols that a SPDY client offers, in its order."""
    offered = request.headers.getall("X-Stream-Protocol-Version", [])
    names = [name.strip() for value in offered for name in value.split(",") if name.strip()]
    return tuple(names) or default


def _no_log(record: PodRecord, container: str, previous: bool) -> Refusal:
    """Say why there is nothing to read, in the kubelet's words."""
    pod = record.pod["metadata"]["name"]
    spec = record.pod["spec"]
    names = [c["name"] for key in spec if key.endswith("ontainers") for c in spec[key] or ()]
    if container not in names:
        return Refusal(404, f'container "{container}" not found in pod "{pod}"')
    if previous:
        return Refusal(400, f'previous terminated container "{container}" in pod "{pod}" not found')
    reason = _waiting_reason(record, container)
    if reason in ("ErrImagePull", "ImagePullBackOff"):
        reason = {
            "ErrImagePull": "image can't be pulled",
            "ImagePullBackOff": "trying and failing to pull image",
        }[reason]
    return Refusal(400, f'container "{container}" in pod "{pod}" is waiting to start: {reason}')


def _waiting_reason(record: PodRecord, container: str) -> str:
    status: Obj = record.status or record.pod.get("status") or {}
    for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for entry in status.get(key) or ():
            if entry["name"] == container:
                waiting = (entry.get("state") or {}).get("waiting") or {}
                return str(waiting.get("reason") or "ContainerCreating")
    return "ContainerCreating"


def _is_true(text: str | None) -> bool:
    return text in ("true", "1")


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value), headers={"Content-Type": "application/json"})
