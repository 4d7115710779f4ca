"""One node's agent, assembled: registration, heartbeat, pods. `app.py` makes one; a hollow process makes
hundreds.

register the node -> heartbeat, status
runtime's inventory -> pods from the API -> what is left over belongs to nobody and is ended
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from api.errors import StatusError
from api.resource import Obj
from api.types.node_v1 import RUNTIMECLASSES
from client.api import Client
from client.transport import Unreachable
from kit import clock, log
from kit.tasks import Tasks
from nodeagent import node_status
from nodeagent.admit import Claims, admit
from nodeagent.cri.client import Runtime
from nodeagent.cri.errors import CRIError
from nodeagent.lease import Heartbeat
from nodeagent.machine import Load, Machine
from nodeagent.node import NodeKeeper
from nodeagent.node_status import NodeSpec
from nodeagent.pod import cleanup
from nodeagent.pod.edges import Edges
from nodeagent.pod.manager import PodManager
from nodeagent.pod.pleg import Pleg
from nodeagent.pod.sources import Feed, StaticPods, follow_api
from nodeagent.pod.status import Verdict

_log = log.get("nodeagent.agent")
RUNTIME_RETRY_S = 0.1
# At once, from one node to the API server: a connection more costs more than a short wait for one's turn.
MOST_REQUESTS = 8


@dataclass(frozen=True)
class Rhythm:
    """How often things are done; see the flags of the same names."""

    lease_duration_s: float = 40.0
    look_every_s: float = 10.0
    report_every_s: float = 300.0


class Group(Protocol):
    """Nodes whose heartbeats are one (`hollow/group.py`)."""

    def join(self, node: str, node_uid: str) -> None: ...


@dataclass
class Parts:
    """What an agent is made of; `edges` is for its pods."""

    client: Client
    runtime: Runtime
    edges: Edges
    spec: NodeSpec
    machine: Machine
    # This node's pods, and the Node object itself.
    pods: Feed
    node: Feed
    load: Callable[[], Load] = field(default=Load)
    rhythm: Rhythm = Rhythm()
    # Called with the node's pod CIDR when it is known or changes.
    set_pod_cidr: Callable[[str], None] = lambda _cidr: None
    # Called once with the uids of all pods that are known.
    clean_orphans: Callable[[set[str]], Awaitable[None]] | None = None
    static_pods: Path | None = None
    register: bool = True
    # Renews the heartbeat of this node with those of others; None: the agent does it.
    group: Group | None = None
    # Calls a function with the id of each container that ends. For a runtime in this process, which loses
    # nothing and has nothing that the agent does not know; None: events and relists.
    follow: Callable[[Callable[[str], None]], None] | None = None


class Agent:
    """The agent of one node; `run` ends only when it is cancelled."""

    def __init__(self, parts: Parts, tasks: Tasks) -> None:
        self._parts = parts
        self._tasks = tasks
        self.keeper = NodeKeeper(parts.client, parts.runtime, parts.spec, parts.machine, parts.load)
        self.manager = PodManager(parts.edges, tasks, self._admit)
        self._pleg = Pleg(parts.runtime, self.manager)
        self._pod_cidr = self._node_uid = ""
        self._heartbeat = Heartbeat(parts.client, parts.spec.name, parts.rhythm.lease_duration_s)
        parts.edges.allocatable.update(node_status.allocatable(parts.spec, parts.machine))
        parts.edges.runtime_handler = partial(_handler_of, parts.client)

    def _admit(self, pod: Obj, others: list[Claims]) -> Verdict | None:
        return admit(pod, others, self.keeper.node) if self.keeper.node else None

    async def start(self) -> None:
        """Register and start everything; returns when this node's pods are known and looked after."""
        parts, name = self._parts, self._parts.spec.name
        await self._take_inventory()
        if parts.register:
            self._node_seen(None, await self.keeper.register())
            if parts.group is None:
                self._tasks.spawn(self._heartbeat.run(), f"heartbeat of {name}")
            run = self.keeper.run(parts.rhythm.look_every_s, parts.rhythm.report_every_s)
            self._tasks.spawn(run, f"status of {name}")
            parts.node.subscribe(self._node_seen)
        if parts.follow is not None:
            parts.follow(self.manager.exited)
        else:
            self._tasks.spawn(self._pleg.run_events(), f"events of {name}")
            self._tasks.spawn(self._pleg.run_relist(), f"relist of {name}")
        follow_api(parts.pods, self.manager)
        if parts.static_pods is not None:
            node_uid = (self.keeper.node.get("metadata") or {}).get("uid", "")
            static = StaticPods(parts.static_pods, name, self.manager, parts.client, node_uid)
            await static.sync()
            self._tasks.spawn(static.run(), f"static pods of {name}")
        await parts.pods.synced()
        self.manager.sources_synced()
        await cleanup.remove_orphans(parts.edges, self._known())
        if parts.clean_orphans is not None:
            await parts.clean_orphans(self._known())

    def _known(self) -> set[str]:
        return {record.uid for record in self._parts.edges.directory}

    async def _take_inventory(self) -> None:
        """Learn what the runtime holds, before any pod: then nothing that runs is started a second time."""
        while True:
            try:
                await self._pleg.relist()
                return
            except CRIError as error:
                _log.info("waiting for the runtime", error=error.message)
                await clock.sleep(RUNTIME_RETRY_S)

    def _node_seen(self, _old: Any, new: Any) -> None:
        if new is None:
            self.keeper.lost()
            return
        self.keeper.observed(dict(new))
        self._belong(new["metadata"].get("uid", ""))
        cidr = (new.get("spec") or {}).get("podCIDR") or ""
        if cidr and cidr != self._pod_cidr:
            self._pod_cidr = cidr
            self._parts.set_pod_cidr(cidr)
            self._tasks.spawn(self._tell_runtime(cidr), f"pod CIDR of {self._parts.spec.name}")

    def _belong(self, node_uid: str) -> None:
        """Let the lease be that of this Node object."""
        if node_uid != self._node_uid:
            self._node_uid = self._heartbeat.node_uid = node_uid
            if self._parts.group is not None:
                self._parts.group.join(self._parts.spec.name, node_uid)

    async def _tell_runtime(self, cidr: str) -> None:
        try:
            await self._parts.runtime.update_runtime_config(cidr)
        except CRIError as error:
            _log.info("runtime did not take the pod CIDR", error=error.message)
        self.keeper.wake()


async def _handler_of(client: Client, name: str) -> str:
    """Return the runtime handler of a RuntimeClass. Raises `CRIError` if there is none."""
    if not name:
        return ""
    try:
        found: Any = await client.get(RUNTIMECLASSES, name)
    except (StatusError, Unreachable) as error:
        raise CRIError(f'failed to get sandbox runtime: RuntimeClass "{name}": {error}') from error
    return str(found.get("handler", ""))
