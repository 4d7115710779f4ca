"""Where a node's agent is, and how the API server speaks to it: TLS with its own client certificate.

Called by `log`, `exec`, `portforward` and `proxy`. One `Kubelets` per server.
Source: pkg/kubelet/client/kubelet_client.go (1.36).
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp

from api import errors
from api.resource import Obj
from api.types.core_v1 import NODES
from apiserver.registry import Registry
from kit import tls

DEFAULT_PORT = 10250


@dataclass(frozen=True)
class Target:
    """One agent, or any other backend of a proxied request."""

    host: str
    port: int
    # None: plain HTTP.
    context: ssl.SSLContext | None
    # The name that its certificate must bear; "": that of the host.
    name: str = ""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{'https' if self.context is not None else 'http'}://{self.authority}"


class Kubelets:
    """Finds agents, and holds the connections to them."""

    def __init__(
        self,
        registry: Registry,
        address_types: Sequence[str],
        cert: Path | None,
        key: Path | None,
        authority: Path | None,
        own: tuple[str, Callable[[], int]] = ("", lambda: 0),
    ) -> None:
        """`own`: this server's address, and its port once it listens."""
        self._own = own
        self._registry = registry
        self._types = tuple(address_types)
        self._context = _context(cert, key, authority)
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pool of connections, made when first needed; redirects and cookies are nobody's."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=30, sock_connect=10),
                connector=aiohttp.TCPConnector(limit=0),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def of(self, node_name: str) -> Target:
        """Return a node's agent. Raises `NotFound` without a node, `InternalError` without an address."""
        node = self._registry.cached(NODES, "", node_name)
        if node is None:
            node = await self._registry.get(NODES, "", node_name)
        host = address_of(node, self._types)
        if not host:
            raise errors.InternalError(f"no preferred addresses found; known addresses: {_known(node)}")
        port = port_of(node)
        address = await self._resolved(host, port)
        if address == self._own[0] or ip_address(address).is_loopback:
            self._refuse_own(port)
        check_target(address)
        return Target(address, port, self._context, "" if address == host else host)

    def _refuse_own(self, port: int) -> None:
        """A node may not stand for this server, which believes its own client certificate (CVE-2022-3294)."""
        if port == self._own[1]():
            raise errors.Forbidden("address not allowed")

    async def _resolved(self, host: str, port: int) -> str:
        """Return the address of a name, looked up once: what was checked is what is connected to."""
        try:
            return str(ip_address(host))
        except ValueError:
            pass
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise errors.InternalError(f"no preferred addresses found: {host}: {error}") from error
        return str(found[0][4][0])


def check_target(host: str) -> None:
    """Refuse addresses of the link, and those that are none. Raises `Forbidden`."""
    address = ip_address(host)
    if address.is_link_local or address.is_unspecified or address.is_multicast:
        raise errors.Forbidden("address not allowed")


def address_of(node: Obj, types: Sequence[str]) -> str:
    """Return the node's first address of the best type that it has, "" if none."""
    addresses = (node.get("status") or {}).get("addresses") or ()
    for kind in types:
        for item in addresses:
            if item.get("type") == kind and item.get("address"):
                return str(item["address"])
    return ""


def port_of(node: Obj) -> int:
    """Return the port of the node's agent."""
    endpoints: Mapping[str, Any] = (node.get("status") or {}).get("daemonEndpoints") or {}
    return int((endpoints.get("kubeletEndpoint") or {}).get("Port") or DEFAULT_PORT)


def unverified_context() -> ssl.SSLContext:
    """Return a context that encrypts and does not ask whom for: for backends without a known authority."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _context(cert: Path | None, key: Path | None, authority: Path | None) -> ssl.SSLContext:
    if authority is not None:
        return tls.client_context(authority, cert, key)
    context = unverified_context()
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context


def _known(node: Obj) -> list[Obj]:
    return (node.get("status") or {}).get("addresses") or []
