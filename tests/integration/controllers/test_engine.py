"""The engine with a controller of the test, through the real API server."""

import asyncio
from datetime import datetime
from typing import Any

from api.types.core_v1 import CONFIGMAPS
from client.events import Recorder
from client.informer import Informers
from controllers.framework.apply import Applier
from controllers.framework.controller import Reader, View, controller
from controllers.framework.engine import Engine
from controllers.framework.plan import NOTHING, Plan, patch
from tests.integration.controllers.conftest import Cluster


async def test_an_observer_that_is_refused_is_asked_again(cluster: Cluster) -> None:
    asked: list[str] = []

    async def observe(obj: Any, view: View, now: datetime, reader: Reader) -> Any:
        asked.append(obj["metadata"]["name"])
        # The first answer of the server is a refusal.
        token = "no token" if len(asked) == 1 else ""
        return len((await reader.list(CONFIGMAPS, "default", continue_token=token)).items)

    @controller("counting-controller", of=CONFIGMAPS, observe=observe)
    def counting(obj: Any, view: View, now: datetime, seen: int) -> Plan:
        if "data" in obj:
            return NOTHING
        return Plan((patch(CONFIGMAPS, obj, {"data": {"count": str(seen)}}),))

    await cluster.client.create(CONFIGMAPS, {"metadata": {"name": "c"}}, "default")
    informers = Informers(cluster.client)
    recorder = Recorder(cluster.client, "test", cluster.tasks)
    engine = Engine(counting, informers, Applier(cluster.client, asyncio.Semaphore(4)), recorder)
    engine.attach()
    cluster.tasks.spawn(engine.run(cluster.tasks), "engine of the test")
    await informers.start(cluster.tasks)

    async def counted() -> Any:
        return (await cluster.client.get(CONFIGMAPS, "c", "default")).get("data")

    assert await cluster.until(counted) == {"count": "1"}
    assert engine.queue.retries == 1
