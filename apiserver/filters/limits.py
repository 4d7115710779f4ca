"""How many requests are under way at once, and how long one may take.

Source: k8s.io/apiserver/pkg/server/filters maxinflight.go, timeout.go (1.36).
"""

import asyncio

from api.errors import BadRequest, Timeout, TooManyRequests
from api.times import seconds_of
from apiserver.http.message import Answer, Filter, Handler, Request, RequestInfo
from kit import clock

_READS = ("get", "list", "head")
# Streams have no end that a deadline could wait for.
_LONG = frozenset(("log", "exec", "attach", "portforward", "proxy"))


def is_long_running(request: Request) -> bool:
    """Say whether a request may go on for ever: watches and streams."""
    return request.info.verb == "watch" or is_stream(request.info)


def is_stream(info: RequestInfo) -> bool:
    """Say whether a request is for a stream of bytes."""
    return info.is_resource and info.subresource in _LONG


def in_flight(reads: int, writes: int) -> Filter:
    """Return the filter that refuses what is more than the limits (0: none), without priority and fairness.

    Long-running requests do not count.
    """
    counts = [0, 0]
    limits = (reads, writes)

    async def run(request: Request, following: Handler) -> Answer:
        if is_long_running(request):
            return await following(request)
        kind = 0 if request.info.verb in _READS else 1
        if limits[kind] and counts[kind] >= limits[kind] and "system:masters" not in request.user.groups:
            raise TooManyRequests("Too many requests, please try again later.", {"retryAfterSeconds": 1})
        counts[kind] += 1
        try:
            return await following(request)
        finally:
            counts[kind] -= 1

    return run


def _asked(request: Request) -> float:
    """Return the seconds that `?timeout=` allows, 0.0 if it says nothing. Raises `BadRequest`."""
    text = request.param("timeout")
    if not text:
        return 0.0
    try:
        return seconds_of(text)
    except ValueError as error:
        raise BadRequest(f"invalid timeout specified in the request URL - {error}") from error


def deadline(seconds: float) -> Filter:
    """Return the filter that ends requests which take too long with 504; `?timeout=` may shorten it."""

    async def run(request: Request, following: Handler) -> Answer:
        if is_long_running(request):
            return await following(request)
        allowed = min(seconds, _asked(request) or seconds) if "timeout" in request.query else seconds
        request.deadline = clock.monotonic() + allowed
        try:
            async with asyncio.timeout(allowed):
                return await following(request)
        except TimeoutError as error:
            raise Timeout(
                "Timeout: request did not complete within the allotted timeout", {"retryAfterSeconds": 1}
            ) from error

    return run
