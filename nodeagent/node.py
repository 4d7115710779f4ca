"""Registers this node and keeps its status and its pod network current. The edge around `node_status.py`.

run:  register -> every 10 s (or when told): look at runtime and machine -> write if changed, or every 5 min
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.errors import AlreadyExists, NotFound, StatusError
from api.resource import Obj
from api.types.core_v1 import NODES
from client.api import Client
from client.transport import Unreachable
from kit import clock, log, rand
from nodeagent import node_status
from nodeagent.cri.client import Runtime
from nodeagent.cri.errors import CRIError
from nodeagent.machine import Load, Machine, read_load
from nodeagent.node_status import NodeSpec, compute_node_status

_log = log.get("nodeagent.node")
FIRST_RETRY_S, LIMIT_RETRY_S = 0.2, 7.0
# Until the node is ready it is looked at this often: pods wait for it. Doubled with every look in vain.
UNREADY_LOOK_S = 0.1


class NodeKeeper:
    """Owns the Node object of this agent. `wake` asks for a look now."""

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        spec: NodeSpec,
        machine: Machine,
        load: Callable[[], Load] | None = None,
    ) -> None:
        self._client = client
        self._runtime = runtime
        self.spec = spec
        self.machine = machine
        self._load = load or (lambda: read_load(Path("/")))
        self._wake = asyncio.Event()
        self._written_at: float | None = None
        # Added to the time between reports, so that nodes that changed together do not report together.
        self._delay = 0.0
        self.node: Obj = {}
        self.ready = False

    async def register(self) -> Obj:
        """Create the Node, or bring an existing one's labels up to date; tries until it is done."""
        delay = FIRST_RETRY_S
        while True:
            try:
                self.node = await self._register()
                return self.node
            except (StatusError, Unreachable) as error:
                _log.info("node not registered", node=self.spec.name, error=str(error))
                await clock.sleep(delay)
                delay = min(LIMIT_RETRY_S, delay * 2)

    async def _register(self) -> Obj:
        name = self.spec.name
        new = {**node_status.new_node(self.spec, self.machine), "status": await self._status()}
        try:
            made = dict(await self._client.create(NODES, new))
            self._written_at, self._delay = clock.monotonic(), rand.fraction() - 0.5
            return made
        except AlreadyExists:
            node: Any = await self._client.get(NODES, name)
        if patch := node_status.label_patch(node, self.spec, self.machine):
            node = await self._client.patch(NODES, name, "", patch, kind="strategic")
        return dict(node)

    def observed(self, node: Obj) -> None:
        """Take the newest Node object seen."""
        self.node = node

    def lost(self) -> None:
        """The Node object is gone: register again.

        DEVIATION: upstream does so only when the kubelet is restarted. An API server that lost its store (in
        memory, or restored) gets its nodes back this way.
        """
        self.node, self._written_at = {}, None
        self.wake()

    def wake(self) -> None:
        self._wake.set()

    async def run(self, look_every_s: float, report_every_s: float) -> None:
        """Keep the status current for ever."""
        unready_s = UNREADY_LOOK_S
        while True:
            try:
                await self.sync(report_every_s)
            except NotFound:
                await self.register()
                continue
            except (StatusError, Unreachable) as error:
                _log.info("node status not written", error=str(error))
            unready_s = UNREADY_LOOK_S if self.ready else min(look_every_s, unready_s * 2)
            rest_s = min(look_every_s, self._rest_s(report_every_s)) if self.ready else unready_s
            try:
                async with asyncio.timeout(rest_s):
                    await self._wake.wait()
                    unready_s = UNREADY_LOOK_S
            except TimeoutError:
                pass
            self._wake.clear()

    async def sync(self, report_every_s: float) -> None:
        """Look once, and write if something has changed or the last write is old. Raises the client's
        errors.
        """
        status = await self._status()
        changed = node_status.differs(self.node.get("status") or {}, status)
        if not changed and self._rest_s(report_every_s) > 0:
            return
        now, patch = clock.monotonic(), {"status": status}
        stored: Any = await self._client.patch(
            NODES, self.spec.name, "", patch, kind="strategic", subresource="status"
        )
        self.node, self._written_at = dict(stored), now
        self._delay = rand.fraction() - 0.5 if changed else 0.0

    def _rest_s(self, report_every_s: float) -> float:
        """Return the seconds until the next report is due even if nothing changes.

        Source: pkg/kubelet kubelet_node_status.go calculateDelay (1.36).
        """
        if self._written_at is None:
            return 0.0
        rest_s = self._written_at + report_every_s * (1 + self._delay) - clock.monotonic()
        # A timer may go off a little early.
        return rest_s if rest_s > 0.001 else 0.0

    async def _status(self) -> Obj:
        """Return the status as it is now."""
        runtime, old = await self._look(), self.node.get("status") or {}
        status = compute_node_status(self.spec, self.machine, self._load(), runtime, old, clock.now())
        self.ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status["conditions"])
        return status

    async def _look(self) -> node_status.Runtime:
        try:
            version = await self._runtime.version()
            answer = await self._runtime.status()
            images = await self._runtime.list_images()
        except CRIError as error:
            _log.info("runtime does not answer", error=error.message)
            return node_status.Runtime(self._last_version())
        return node_status.Runtime(
            f"{version.runtime_name}://{version.runtime_version}",
            {one.type: (one.status, one.reason, one.message) for one in answer.status.conditions},
            [([*image.repo_digests, *image.repo_tags], image.size) for image in images],
        )

    def _last_version(self) -> str:
        info = (self.node.get("status") or {}).get("nodeInfo") or {}
        return str(info.get("containerRuntimeVersion", ""))
