"""What a request costs the process that makes it: `python -m bench.client [--requests 5000]`.

An API server (`pelamis up`) answers over TLS, 30 requests at a time: a small POST with a small answer, as a
binding is, and a GET of 4 kB. Asked by our transport, and by aiohttp's client for comparison. One JSON line
each: microseconds of CPU of the asking process per request, the best of three rounds.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
import orjson
import uvloop

from api.types.core_v1 import CONFIGMAPS
from bench.cluster import cluster
from client import kubeconfig
from client.api import Client
from client.http import HTTPTransport, RawRequest, tls_context
from client.kubeconfig import Endpoint

AT_ONCE, ROUNDS = 30, 3
OBJECT = "/api/v1/namespaces/default/configmaps/bench"
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
JSON = {"Content-Type": "application/json"}
MAY_I = b'{"spec":{"nonResourceAttributes":{"path":"/","verb":"get"}}}'
ASKS = {
    "POST small": RawRequest("POST", REVIEW, {"fieldManager": "bench"}, MAY_I, JSON),
    "GET 4 kB": RawRequest("GET", OBJECT),
}
Ask = Callable[[RawRequest], Awaitable[bytes]]


async def cost(ask: Ask, request: RawRequest, count: int) -> float:
    """Return CPU microseconds per request."""

    async def work(left: Iterator[int]) -> None:
        for _ in left:
            orjson.loads(await ask(request))

    found = []
    for _ in range(ROUNDS):
        left = iter(range(count))
        began = time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work(left))
        found.append((time.process_time() - began) / count * 1e6)
    return min(found)


async def measure(endpoint: Endpoint, count: int) -> None:
    ours = HTTPTransport(endpoint)
    await Client(ours).create(
        CONFIGMAPS, {"metadata": {"name": "bench"}, "data": {"x": "x" * 4000}}, "default"
    )

    async def by_us(request: RawRequest) -> bytes:
        return (await ours.request(request)).body

    connector = aiohttp.TCPConnector(limit=0, ssl=tls_context(endpoint))
    async with aiohttp.ClientSession(endpoint.server, connector=connector) as session:

        async def by_aiohttp(request: RawRequest) -> bytes:
            asked = session.request(
                request.method, request.path, params=request.query, data=request.body, headers=request.headers
            )
            async with asked as response:
                return await response.read()

        for name, request in ASKS.items():
            values = {
                "value": round(await cost(by_us, request, count), 1),
                "aiohttp": round(await cost(by_aiohttp, request, count), 1),
            }
            line = {"figure": f"client, {name}", "unit": "us", **values, "load_average": os.getloadavg()[0]}
            print(json.dumps(line), flush=True)
    await ours.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=5000)
    args = parser.parse_args()
    with cluster(None, "--nodes=0", "--components=apiserver") as made:
        endpoint = kubeconfig.load(made.layout.kubeconfig)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(endpoint, args.requests))


if __name__ == "__main__":
    main()
