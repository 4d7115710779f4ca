"""A real API server in this process over the memory store, the real controllers, a node that runs any pod."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from api.errors import StatusError
from api.resource import Resource
from api.types.coordination_v1 import LEASES
from api.types.core_v1 import NODES, PODS
from client.api import Client
from client.informer import Informer
from controllers.app import run_with
from controllers.config import Config
from kit import clock
from kit.tasks import Tasks
from tests.integration.in_process import serving, until


class Cluster:
    def __init__(self, client: Client, tasks: Tasks) -> None:
        self.client = client
        self.tasks = tasks
        self._controllers: Any = None
        # Pods for which this is true become ready.
        self.healthy: Callable[[Any], bool] = lambda pod: True
        # What becomes of a pod once it runs.
        self.phase: Callable[[Any], str] = lambda pod: "Running"
        self.dead_nodes: set[str] = set()

    until = staticmethod(until)

    async def gone(self, resource: Resource[Any], name: str, namespace: str = "default") -> None:
        async def check() -> bool:
            found = await self.client.list(resource, namespace, field_selector=f"metadata.name={name}")
            return not found.items

        await self.until(check)

    def start(self, **settings: Any) -> None:
        config = Config(kubeconfig=Path("unused"), secure_port=0, leader_elect=False, **settings)
        self._controllers = self.tasks.spawn(run_with(self.client, config), "controllers")

    async def stop(self) -> None:
        self._controllers.cancel()
        await clock.sleep(0.05)

    async def run_pods(self) -> None:
        """Be the scheduler and the agent of the node `n1`."""
        pods: Informer[Any] = Informer(self.client, PODS)
        self.tasks.spawn(pods.run(), "pods of the test")
        await pods.synced()
        while True:
            for pod in pods.list():
                try:
                    await self._run_pod(pod)
                except StatusError:
                    continue
            await clock.sleep(0.02)

    async def _run_pod(self, pod: Any) -> None:
        metadata = pod["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        node = pod["spec"].get("nodeName")
        if node in self.dead_nodes:
            return
        if "deletionTimestamp" in metadata:
            if not metadata.get("finalizers"):
                await self.client.delete(PODS, name, namespace, grace_period_s=0, uid=metadata["uid"])
            return
        if not node:
            target = {"apiVersion": "v1", "kind": "Node", "name": "n1"}
            body = {"metadata": {"name": name, "uid": metadata["uid"]}, "target": target}
            await self.client.create(PODS, body, namespace, subresource="binding", name=name)
            return
        ready = "True" if self.healthy(pod) else "False"
        conditions = (pod.get("status") or {}).get("conditions") or []
        phase = self.phase(pod)
        same = (pod.get("status") or {}).get("phase") == phase
        if not same or not any(c["type"] == "Ready" and c["status"] == ready for c in conditions):
            condition = {"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}
            number = sum(name.encode()) % 250
            status = {"phase": phase, "podIP": f"10.1.0.{number}", "conditions": [condition]}
            await self.client.update(PODS, {**pod, "status": status}, subresource="status")

    async def add_node(self, name: str) -> None:
        condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}
        node = {"metadata": {"name": name}, "spec": {}, "status": {"conditions": [condition]}}
        await self.client.create(NODES, node)

    async def beat(self, name: str, count: int) -> None:
        lease = {
            "metadata": {"name": name},
            "spec": {"renewTime": f"2026-01-01T00:00:{count % 60:02d}.000000Z"},
        }
        try:
            await self.client.patch(LEASES, name, "kube-node-lease", {"spec": lease["spec"]})
        except StatusError:
            await self.client.create(LEASES, lease, "kube-node-lease")


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with serving() as client:
        tasks = Tasks()
        made = Cluster(client, tasks)
        tasks.spawn(made.run_pods(), "node agent of the test")
        yield made
        await tasks.close()
