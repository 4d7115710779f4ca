"""What priority and fairness costs a request that finds a free seat: the filter alone, and its parts.

python -m bench.flowcontrol [--requests N]
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

import orjson

from api.types.core_v1 import PODS
from apiserver.app import Server, build
from apiserver.config import Config
from apiserver.filters.chain import compose
from apiserver.filters.fairness import fairness
from apiserver.http.message import Answer, Filter, Handler, Request, RequestInfo, Response, User
from store.memory import MemoryBackend

USERS, NAMESPACES = 50, 20


def _requests() -> list[Request]:
    """Return requests of several users for pods in several namespaces."""
    made = []
    for number in range(USERS * NAMESPACES):
        request = Request("GET", "/", {}, {})
        request.user = User(f"user-{number % USERS}", ("team", "system:authenticated"))
        namespace = f"ns-{number % NAMESPACES}"
        request.info = RequestInfo(True, "/", "get", "", "v1", "pods", "", namespace, "x", token=PODS)
        made.append(request)
    return made


async def _innermost(request: Request) -> Answer:
    return Response(200, b"")


async def _nothing(request: Request, following: Handler) -> Answer:
    return await following(request)


async def _time(what: Callable[[Request], Awaitable[Answer]], requests: list[Request], count: int) -> float:
    """Return seconds per request, the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for number in range(count):
            await what(requests[number % len(requests)])
        best = min(best, (time.perf_counter() - started) / count)
    return best


async def _measure(count: int) -> None:
    server: Server = await build(Config(), MemoryBackend())
    assert server.flow_control is not None
    requests, control = _requests(), server.flow_control
    filters: list[tuple[str, Filter]] = [("none", _nothing), ("fairness", fairness(control, server.hub))]
    times = {name: await _time(compose([one], _innermost), requests, count) for name, one in filters}
    started = time.perf_counter()
    for number in range(count):
        request = requests[number % len(requests)]
        control.schema_of(request.user, request.info)
    classify = (time.perf_counter() - started) / count
    await server.close()
    _say("filter_cost_us", (times["fairness"] - times["none"]) * 1e6)
    _say("classification_us", classify * 1e6)


def _say(figure: str, value: float) -> None:
    print(orjson.dumps({"benchmark": "flowcontrol", "figure": figure, "value": round(value, 3)}).decode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    asyncio.run(_measure(parser.parse_args().requests))


if __name__ == "__main__":
    main()
