"""Answers DNS over UDP and TCP. Replies from the zone are kept as bytes until something in the cluster
changes.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from clusterdns import wire
from clusterdns.answer import Alias, Answer, Outcome, Zone, resolve
from clusterdns.forward import NoServer, forward
from clusterdns.records import View
from kit import log, metrics
from kit.tasks import Tasks

_log = log.get("dns.server")
_QUERIES = metrics.REGISTRY.counter(
    "dns_queries_total", "Queries by transport and outcome.", ("protocol", "outcome")
)
# Distinct questions kept; more than that is somebody walking the zone.
_CACHE_SIZE = 10_000
# Longer questions than any name needs (over TCP they may have 64 KiB) are answered, but not kept.
_CACHED_QUERY_BYTES = 512
# Connections open at one time; further ones are closed at once.
_MAX_CONNECTIONS = 500
_TCP_IDLE_S = 10.0
# Queries being forwarded at one time; further ones are refused at once instead of piling up.
_MAX_FORWARDS = 1000


class Server:
    """`changes()` must grow whenever an answer may change; `servers` are asked about foreign names."""

    def __init__(
        self, view: View, zone: Zone, changes: Callable[[], int], servers: list[str], tasks: Tasks
    ) -> None:
        self._view = view
        self._zone = zone
        self._changes = changes
        self._servers = servers
        self._tasks = tasks
        self._cache: dict[tuple[bytes, bool], bytes] = {}
        self._cached_at = -1
        self._forwards = 0
        self._tcp: asyncio.Server | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self, address: str, port: int) -> int:
        """Listen on UDP and TCP; return the port. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve_tcp, address, port)
        port = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Listener(self), local_addr=(address, port)
        )
        return port

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for writer in list(self._connections):
            writer.close()

    def reply_now(self, data: bytes, over_udp: bool) -> bytes | wire.Query | None:
        """Return the reply, the query if another server must be asked, or None if the bytes are not worth
        one.
        """
        if self._cached_at != self._changes():
            self._cache.clear()
            self._cached_at = self._changes()
        key = (data[2:], over_udp)
        if cached := self._cache.get(key):
            return data[:2] + cached
        try:
            query = wire.parse(data)
        except wire.NotAQuery:
            return None
        found = resolve(self._view, self._zone, query.name, query.kind)
        if found.outcome is Outcome.ELSEWHERE or self._leads_outside(found, query.kind):
            return query
        reply = wire.pack(query, found, self._zone.domain, over_udp)
        if len(self._cache) < _CACHE_SIZE and len(data) <= _CACHED_QUERY_BYTES:
            self._cache[key] = reply[2:]
        _QUERIES.add(("udp" if over_udp else "tcp", found.outcome.value))
        return reply

    def _leads_outside(self, found: Answer, kind: str) -> bool:
        last = found.records[-1] if found.records else None
        inside = "." + self._zone.domain
        return (
            isinstance(last, Alias) and kind in ("A", "AAAA") and not last.target.rstrip(".").endswith(inside)
        )

    async def reply_later(self, data: bytes, query: wire.Query, over_udp: bool) -> bytes:
        """Return what another server says, or SERVFAIL. An alias that leads outside keeps its own records
        first.
        """
        found = resolve(self._view, self._zone, query.name, query.kind)
        _QUERIES.add(("udp" if over_udp else "tcp", "forwarded"))
        try:
            if found.outcome is Outcome.ELSEWHERE:
                return await forward(data, self._servers, over_udp)
            return await self._complete_alias(query, found, over_udp)
        except NoServer:
            return wire.pack_failure(query)

    async def _complete_alias(self, query: wire.Query, found: Answer, over_udp: bool) -> bytes:
        alias = found.records[-1]
        assert isinstance(alias, Alias)
        own = wire.pack(query, found, self._zone.domain, over_udp)
        try:
            reply = await forward(wire.question(alias.target, query.kind), self._servers, over_udp)
        except NoServer:
            return own
        return wire.append_answers(own, reply, query.size_limit if over_udp else 0)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= _MAX_CONNECTIONS:
            writer.close()
            return
        self._connections.add(writer)
        try:
            while True:
                async with asyncio.timeout(_TCP_IDLE_S):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    data = await reader.readexactly(size)
                reply = self.reply_now(data, False)
                if reply is None:
                    return
                if isinstance(reply, wire.Query):
                    reply = await self.reply_later(data, reply, False)
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._connections.discard(writer)
            writer.close()

    def forward_datagram(self, data: bytes, query: wire.Query, send: Callable[[bytes], None]) -> None:
        if self._forwards >= _MAX_FORWARDS:
            send(wire.pack_failure(query))
            return
        self._forwards += 1
        self._tasks.spawn(self._forward_datagram(data, query, send), f"dns-forward-{query.name}")

    async def _forward_datagram(self, data: bytes, query: wire.Query, send: Callable[[bytes], None]) -> None:
        try:
            send(await self.reply_later(data, query, True))
        finally:
            self._forwards -= 1


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._server.reply_now(data, True)
        if isinstance(reply, wire.Query):
            self._server.forward_datagram(data, reply, lambda sent: self._send(sent, addr))
        elif reply is not None:
            self._send(reply, addr)

    def _send(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, addr)
