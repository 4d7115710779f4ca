"""A real API server in this process over the memory store, and the real scheduler."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api.errors import Forbidden
from api.resource import Obj
from api.types.core_v1 import EVENTS, NODES, PODS, SERVICEACCOUNTS
from client.api import Client
from kit import clock
from kit.tasks import Tasks
from scheduler.app import run_with
from scheduler.config import Config
from tests.integration.in_process import serving, until


class Cluster:
    def __init__(self, client: Client, tasks: Tasks) -> None:
        self.client = client
        self.tasks = tasks
        self._scheduler: Any = None

    until = staticmethod(until)

    def start(self, client: Client | None = None, **settings: Any) -> None:
        config = Config(kubeconfig=Path("unused"), secure_port=0, leader_elect=False, **settings)
        self._scheduler = self.tasks.spawn(run_with(client or self.client, config), "scheduler")

    async def stop(self) -> None:
        """End the scheduler at once, with whatever it has under way."""
        self._scheduler.cancel()
        await clock.sleep(0.05)

    async def add_node(self, name: str, cpu: str = "4", labels: dict[str, str] | None = None) -> None:
        offers = {"cpu": cpu, "memory": "8Gi", "pods": "110"}
        node: Any = {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
            "status": {"allocatable": offers, "capacity": offers},
        }
        made: Any = await self.client.create(NODES, node)
        await self.client.update(NODES, {**made, "spec": {}})

    async def add_pod(self, name: str, cpu: str = "1", **spec: Any) -> Any:
        container = {"name": "main", "image": "app:1", "resources": {"requests": {"cpu": cpu}}}
        pod: Any = {
            "metadata": {"name": name, "namespace": "default", "labels": {"app": name[:3]}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
        }

        async def create() -> Any:
            try:
                return await self.client.create(PODS, pod)
            except Forbidden:  # admission has not seen the new PriorityClass yet
                return None

        return await self.until(create)

    async def pod(self, name: str) -> Any:
        return await self.client.get(PODS, name, "default")

    async def placed(self, *names: str) -> dict[str, str]:
        """Wait until the pods are bound; return where to."""

        async def check() -> dict[str, str]:
            found = {name: (await self.pod(name))["spec"].get("nodeName", "") for name in names}
            return found if all(found.values()) else {}

        result: dict[str, str] = await self.until(check)
        return result

    async def condition(self, name: str, kind: str, status: str) -> Any:
        """Wait for a condition of a pod; return it."""

        async def check() -> Obj | None:
            conditions = ((await self.pod(name)).get("status") or {}).get("conditions") or []
            found = [c for c in conditions if (c["type"], c["status"]) == (kind, status)]
            return found[0] if found else None

        return await self.until(check)

    async def event(self, name: str, reason: str) -> Any:
        """Wait for an Event about a pod; return it."""

        async def check() -> Any:
            events = (await self.client.list(EVENTS, "default")).items
            found = [e for e in events if (e["involvedObject"]["name"], e["reason"]) == (name, reason)]
            return found[0] if found else None

        return await self.until(check)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with serving() as client:
        await client.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": "default"}})
        tasks = Tasks()
        yield Cluster(client, tasks)
        await tasks.close()
