"""HTTP probes and hooks: one GET, no TLS verification, the query as given. Edge.

Source: pkg/probe/http/http.go (1.36).
"""

import asyncio
from collections.abc import Sequence

import aiohttp
from yarl import URL

from nodeagent.probes.decide import Outcome

_MAX_REDIRECTS = 10
_MAX_BODY = 10 * 1024
_AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class HTTPProber:
    """Makes probes with connections of their own, never reused: a probe must see a dead listener."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def check(self, url: str, headers: Sequence[tuple[str, str]], timeout_s: float) -> Outcome:
        """Return whether the URL answers with a status from 200 to 399 in time."""
        try:
            async with asyncio.timeout(timeout_s):
                status = await self._get(URL(url, encoded=True), headers)
        except TimeoutError:
            text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return Outcome(False, f'Get "{url}": {text}')
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Outcome(False, f'Get "{url}": {_describe(error, url)}')
        if 200 <= status < 400:
            return Outcome(True)
        return Outcome(False, f"HTTP probe failed with statuscode: {status}")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _get(self, url: URL, headers: Sequence[tuple[str, str]]) -> int:
        """Return the final status; redirects are followed on the same host only."""
        for _ in range(_MAX_REDIRECTS):
            async with self._sessions().get(
                url, headers=list(headers), allow_redirects=False, skip_auto_headers=_AUTOMATIC
            ) as response:
                location = response.headers.get("Location")
                if location is None or response.status not in (301, 302, 303, 307, 308):
                    await response.content.read(_MAX_BODY)
                    return response.status
                target = url.join(URL(location))
            if target.host != url.host:
                return response.status
            url = target
        raise ValueError(f"stopped after {_MAX_REDIRECTS} redirects")

    def _sessions(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=False, force_close=True, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(),
            )
        return self._session


def _describe(error: Exception, url: str) -> str:
    """Word connection errors as Go's dialler does, since users and tools look for those words."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"dial tcp {URL(url).host}:{URL(url).port}: connect: {_reason(error.os_error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(error, OSError):
        return _reason(error)
    return str(error) or type(error).__name__


def _reason(error: OSError) -> str:
    return {
        111: "connection refused",
        113: "no route to host",
        101: "network is unreachable",
        104: "connection reset by peer",
    }.get(error.errno or 0, str(error))
