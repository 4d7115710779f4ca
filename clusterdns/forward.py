"""Asking other servers about names that are not the cluster's."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from kit import rand

# How long one server may take before the next one is asked.
TIMEOUT_S = 2.0


class NoServer(Exception):
    """No server is known, or none answered."""


def parse_servers(resolv_conf: str, own: str) -> list[str]:
    """Return the name servers of a resolv.conf text, without ourselves."""
    words = [line.split() for line in resolv_conf.splitlines()]
    return [line[1] for line in words if len(line) > 1 and line[0] == "nameserver" and line[1] != own]


# systemd-resolved's stub answers on the machine's own loopback alone; this file names the servers behind it.
_BEHIND_STUB = Path("/run/systemd/resolve/resolv.conf")


def read_servers(path: Path, own: str, behind_stub: Path = _BEHIND_STUB) -> list[str]:
    """Return the name servers of a resolv.conf file; of the second file if the first leads to loopback."""
    found = _read(path, own)
    if all(server.startswith("127.") for server in found):
        return _read(behind_stub, own) or found
    return found


def _read(path: Path, own: str) -> list[str]:
    try:
        return parse_servers(path.read_text(), own)
    except OSError:
        return []


async def forward(message: bytes, servers: Sequence[str], over_udp: bool, port: int = 53) -> bytes:
    """Return the reply of the first server that answers `message`. Raises `NoServer`."""
    ask = _ask_udp if over_udp else _ask_tcp
    for server in servers:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await ask(message, server, port)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            continue
    raise NoServer("no name server answered")


class _Asking(asyncio.DatagramProtocol):
    def __init__(self, identity: bytes) -> None:
        self._identity = identity
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[:2] == self._identity and not self.reply.done():
            self.reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)


async def _ask_udp(message: bytes, server: str, port: int) -> bytes:
    # An identity of our own, from a port of its own, makes forged answers improbable.
    identity = rand.integer(0, 0xFFFF).to_bytes(2, "big")
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _Asking(identity), remote_addr=(server, port)
    )
    try:
        transport.sendto(identity + message[2:])
        reply = await protocol.reply
    finally:
        transport.close()
    return message[:2] + reply[2:]


async def _ask_tcp(message: bytes, server: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(server, port)
    try:
        writer.write(len(message).to_bytes(2, "big") + message)
        size = int.from_bytes(await reader.readexactly(2), "big")
        return await reader.readexactly(size)
    finally:
        writer.close()
