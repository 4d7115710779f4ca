"""The connections to the servers of remote APIServices: TLS by their bundle and name, with our certificate.

One per API server; used by `proxy.py` and `remote.py`.
Source: kube-aggregator/pkg/controllers/status/remote BuildTransportConfig (1.36).
"""

import io
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from apiserver.aggregation.backend import Backend
from apiserver.services import ServiceResolver
from apiserver.subresources.kubelet import Target, unverified_context
from apiserver.webhooks.client import new_context

# TLS contexts kept, one per distinct bundle.
_CONTEXTS = 64
_DIAL_S = 10.0


class Connections:
    """Finds an endpoint of a backend's Service, and asks it."""

    def __init__(self, services: ServiceResolver, cert: Path | None, key: Path | None) -> None:
        self._services = services
        self._cert, self._key = cert, key
        self._session: aiohttp.ClientSession | None = None
        self._contexts: OrderedDict[tuple[str, bool], ssl.SSLContext] = OrderedDict()

    def target(self, backend: Backend, verify: bool = True) -> Target:
        """Return where to connect.

        Raises `NotFound` or `ServiceUnavailable` without an endpoint, `ValueError` for a bundle that is none.
        """
        host, port = self._services.resolve(backend.namespace, backend.service, backend.port)
        context = self._context(backend.ca_bundle, backend.insecure or not verify)
        return Target(host, port, context, backend.host)

    async def request(
        self,
        target: Target,
        method: str,
        path: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | AsyncIterable[bytes] = b"",
    ) -> aiohttp.ClientResponse:
        """Send a request; the answer's body is yet to be read. Raises `aiohttp.ClientError`, `OSError`."""
        return await self._connected().request(
            method,
            URL(target.origin + path, encoded=True),
            headers=headers,
            data=io.BytesIO(body) if isinstance(body, bytes) and body else body or None,
            ssl=target.context or False,
            server_hostname=target.name,
            allow_redirects=False,
            skip_auto_headers=("Accept-Encoding", "User-Agent", "Content-Type", "Accept"),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout: Any = aiohttp.ClientTimeout(total=None, sock_connect=_DIAL_S)
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=timeout,
                connector=aiohttp.TCPConnector(limit=0),
            )
        return self._session

    def _context(self, bundle: str, insecure: bool) -> ssl.SSLContext:
        key = ("" if insecure else bundle, insecure)
        found = self._contexts.get(key)
        if found is None:
            found = self._contexts[key] = unverified_context() if insecure else new_context(bundle)
            if self._cert is not None:
                found.load_cert_chain(self._cert, self._key)
            if len(self._contexts) > _CONTEXTS:
                self._contexts.popitem(last=False)
        self._contexts.move_to_end(key)
        return found
