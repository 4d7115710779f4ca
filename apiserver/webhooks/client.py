"""Calls of webhooks: JSON there, JSON back, over TLS verified by the configuration's own authorities.

    clientConfig.url                    as it is
    clientConfig.service                https://NAME.NAMESPACE.svc:PORT/PATH, by that name in the certificate,
                                        connected to a ready endpoint of the service

Called by admission (`dispatch.py`) and by the conversion of custom resources.
Source: k8s.io/apiserver/pkg/util/webhook/client.go (1.36).
"""

import asyncio
import io
import os
import socket
import ssl
from base64 import b64decode
from collections import OrderedDict
from ipaddress import ip_address
from math import ceil
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from api.errors import StatusError
from api.resource import Obj
from apiserver.services import ServiceResolver

# Longest answer that is read.
ANSWER_LIMIT = 16 << 20
# TLS contexts kept, one per distinct caBundle.
_CONTEXTS = 64
_SUFFIX = ".svc"
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "kube-apiserver-admission",
}
# What an answer without a Status means. Source: apimachinery NewGenericServerResponse (1.36).
_MEANINGS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, "
    "but may still be processing the request",
}
_UNKNOWN_AUTHORITY = frozenset((2, 18, 19, 20, 21))
_OUT_OF_DATE = frozenset((9, 10))


class WebhookError(Exception):
    """A webhook could not be called, or gave no JSON; the text says why in upstream's words."""


class WebhookClient:
    """Holds the connections to all webhooks; made once per server."""

    def __init__(self, services: ServiceResolver) -> None:
        self._services = services
        self._session: aiohttp.ClientSession | None = None
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    async def call(self, config: Obj, body: Obj, timeout_s: float) -> Obj:
        """POST `body` to where a WebhookClientConfig leads; return the answer. Raises `WebhookError`.

        Redirects are not followed; the answer's size is bounded.
        """
        url = url_of(config, timeout_s)
        context = self._context(config.get("caBundle") or "")
        data = orjson.dumps(body)
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    status, answer = await self._post(url, data, context)
                except aiohttp.ServerDisconnectedError:
                    # An idle connection that the other side had just given up: once more, on another one.
                    status, answer = await self._post(url, data, context)
        except TimeoutError as error:
            raise _failed(url, "context deadline exceeded") from error
        except StatusError as error:
            raise _failed(url, error.message) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _failed(url, describe(error)) from error
        return _decoded(status, answer)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, url: str, data: bytes, context: ssl.SSLContext) -> tuple[int, bytes]:
        # As a file, a large body is sent piece by piece.
        body = io.BytesIO(data)
        async with self._connected().post(
            URL(url, encoded=True), data=body, ssl=context, allow_redirects=False, headers=_HEADERS
        ) as response:
            parts, size = [], 0
            async for part in response.content.iter_any():
                size += len(part)
                if size > ANSWER_LIMIT:
                    raise aiohttp.ClientPayloadError(f"the answer is longer than {ANSWER_LIMIT} bytes")
                parts.append(part)
            return response.status, b"".join(parts)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                connector=aiohttp.TCPConnector(
                    limit=0, use_dns_cache=False, resolver=_Resolver(self._services)
                ),
            )
        return self._session

    def _context(self, bundle: str) -> ssl.SSLContext:
        found = self._contexts.get(bundle)
        if found is None:
            try:
                found = self._contexts[bundle] = new_context(bundle)
            except (ValueError, ssl.SSLError) as error:
                why = "unable to load root certificates: unable to parse bytes as PEM block"
                raise WebhookError(why) from error
            if len(self._contexts) > _CONTEXTS:
                self._contexts.popitem(last=False)
        self._contexts.move_to_end(bundle)
        return found


class _Resolver(AbstractResolver):
    """Names of services lead to their endpoints, others to what the system says."""

    def __init__(self, services: ServiceResolver) -> None:
        self._services = services
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if not host.endswith(_SUFFIX) or host.count(".") != 2:
            return await self._system.resolve(host, port, family)
        name, namespace, _ = host.split(".")
        found = self._services.resolve_all(namespace, name, port)
        if not _is_address(found[0][0]):
            # An ExternalName service names a host.
            return await self._system.resolve(*found[0], family)
        return [
            ResolveResult(hostname=host, host=address, port=target, family=family, proto=0, flags=0)
            for address, target in found
        ]

    async def close(self) -> None:
        await self._system.close()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def url_of(config: Obj, timeout_s: float) -> str:
    """Return the URL to call, with the timeout that the webhook is told."""
    service = config.get("service")
    if service is None:
        base = str(config.get("url") or "")
    else:
        path = quote(str(service.get("path") or "").lstrip("/"), safe="/:@!$&'()*+,;=~-._%")
        host = f"{service['name']}.{service['namespace']}{_SUFFIX}"
        base = f"https://{host}:{service.get('port', 443)}/{path}"
    minutes, seconds = divmod(max(1, ceil(timeout_s)), 60)
    return f"{base}?timeout={minutes}m{seconds}s" if minutes else f"{base}?timeout={seconds}s"


def new_context(bundle: str) -> ssl.SSLContext:
    """Return a context that trusts a base64 PEM bundle alone, the system's authorities for "".

    As Go does, it also trusts a certificate that is itself in the bundle. Raises `ValueError`, `SSLError`.
    """
    pem = b64decode(bundle, validate=True).decode("ascii") if bundle else None
    context = ssl.create_default_context(cadata=pem)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _failed(url: str, why: str) -> WebhookError:
    return WebhookError(f'Post "{url}": {why}')


def describe(error: Exception) -> str:
    """Return why a connection or an exchange failed, worded as Go's standard library does."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: x509: {_distrust(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ClientConnectorError):
        code = error.os_error.errno
        why = os.strerror(code).lower() if code else str(error.os_error)
        return f"dial tcp {error.host}:{error.port}: connect: {why}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    return str(error) or type(error).__name__


def _distrust(error: Exception) -> str:
    code = getattr(error, "verify_code", 0)
    if code in _UNKNOWN_AUTHORITY:
        return "certificate signed by unknown authority"
    if code in _OUT_OF_DATE:
        return "certificate has expired or is not yet valid"
    return str(getattr(error, "verify_message", "") or error)


def _decoded(status: int, answer: bytes) -> Obj:
    try:
        obj: Any = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        if not 200 <= status <= 206:
            raise WebhookError(_meaning(status, answer)) from error
        raise WebhookError(f"couldn't get version/kind; json parse error: {error}") from error
    if isinstance(obj, dict) and obj.get("kind") == "Status" and obj.get("status") != "Success":
        raise WebhookError(str(obj.get("message") or _meaning(status, answer)))
    if not 200 <= status <= 206:
        raise WebhookError(_meaning(status, answer))
    if not isinstance(obj, dict):
        raise WebhookError("couldn't get version/kind; json parse error: the answer is not an object")
    return obj


def _meaning(status: int, answer: bytes) -> str:
    if status in _MEANINGS:
        return _MEANINGS[status]
    text = answer[:2048].decode(errors="replace").strip()
    if status == 403:
        return text
    if status >= 500:
        said = orjson.dumps(text or "unknown").decode()
        return f"an error on the server ({said}) has prevented the request from succeeding"
    return f"the server responded with the status code {status} but did not return more information"
