"""The hollow nodes of a process: an agent each, with what they can share shared.

    add --> down --start--> up --its Node is annotated `hollow.pelamis.dev/silent`--> down --no more--> up

Down is as after a power cut of the agent: no heartbeat, no report, nothing done about its pods.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.quantity import value
from api.types.core_v1 import NODES, PODS
from client import kubeconfig
from client.api import Client
from client.events import Recorder
from client.http import HTTPTransport
from client.informer import Informers
from kit import log
from kit.tasks import Tasks
from nodeagent.agent import MOST_REQUESTS, Agent, Parts, Rhythm
from nodeagent.hollow.config import CROWD, Config
from nodeagent.hollow.group import GroupHeartbeat
from nodeagent.hollow.inprocess import InProcessRuntime
from nodeagent.hollow.life import DOMAIN, Defaults
from nodeagent.hollow.nothing import AlwaysWell, NoHooks, NothingToMount, NothingToRefer, QuietEvents
from nodeagent.hollow.service import RUNTIME_NAME, HollowService, HollowSettings
from nodeagent.hollow.shares import Share, Shares
from nodeagent.images import ImageManager
from nodeagent.machine import Machine
from nodeagent.node_status import NodeSpec
from nodeagent.pod.directory import PodDirectory
from nodeagent.pod.edges import Edges, NodeSettings
from nodeagent.pod.sources import Feed
from nodeagent.pod.status_writer import StatusWriter
from nodeagent.server import Server, ServerConfig

_log = log.get("nodeagent.hollow.fleet")
REGISTRATIONS_AT_ONCE = 32
# At once, from all nodes that share a client.
CROWD_REQUESTS = 32
# Status writes of all nodes together; the API server takes 200 changes at once from everybody.
WRITES_AT_ONCE = 64
SILENT = f"{DOMAIN}/silent"


@dataclass(frozen=True)
class Sources:
    """Where a node's objects come from: its pods, and the Node itself."""

    client: Client
    pods: Feed
    node: Feed
    group: GroupHeartbeat | None = None


class HollowNode:
    """One node. Its runtime lives as long as the process, its agent from `start` to `stop`."""

    def __init__(
        self, config: Config, name: str, number: int, sources: Sources, gate: asyncio.Semaphore, tasks: Tasks
    ) -> None:
        self.name = name
        self._config = config
        self._number = number
        self._sources = sources
        self._gate = gate
        self._runtime = InProcessRuntime(new_service(config, name, tasks))
        self._tasks: Tasks | None = None
        self.was_up = False
        self._server: Server | None = None

    @property
    def up(self) -> bool:
        return self._tasks is not None

    async def start(self) -> None:
        """Make the agent and start it; returns when it is registered."""
        tasks, self.was_up = Tasks(), True
        self._tasks = tasks
        directory = PodDirectory()
        port = await self._serve(directory)
        config, sources = self._config, self._sources
        parts = Parts(
            sources.client,
            self._runtime,
            self._edges(directory, tasks),
            node_spec(config, self.name, self._number, port),
            hollow_machine(config, self.name),
            sources.pods,
            sources.node,
            rhythm=Rhythm(
                config.node_lease_duration_s,
                config.node_status_update_frequency_s,
                config.node_status_report_frequency_s,
            ),
            group=sources.group,
            follow=self._runtime.follow,
        )
        await Agent(parts, tasks).start()

    async def stop(self) -> None:
        """End the agent as if it had been killed."""
        tasks, self._tasks = self._tasks, None
        for feed in (self._sources.pods, self._sources.node):
            if isinstance(feed, Share):
                feed.unsubscribe_all()
        self._runtime.follow(None)
        if self._sources.group is not None:
            self._sources.group.leave(self.name)
        if tasks is not None:
            await tasks.close()
        if self._server is not None:
            await self._server.close()
            self._server = None

    def _edges(self, directory: PodDirectory, tasks: Tasks) -> Edges:
        config, client = self._config, self._sources.client
        root = config.root_dir / self.name
        settings = NodeSettings(
            self.name, (config.node_ip,), root, root / "logs", runtime_name=RUNTIME_NAME, virtual=True
        )
        events = QuietEvents(lambda: Recorder(client, "kubelet", tasks, self.name), config.nodes > CROWD)
        statuses = StatusWriter(client, tasks, self._gate)
        return Edges(
            self._runtime,
            NothingToMount(),
            NothingToRefer(),
            AlwaysWell(),
            NoHooks(),
            ImageManager(self._runtime),
            events,
            statuses,
            directory,
            settings,
        )

    async def _serve(self, directory: PodDirectory) -> int:
        config = self._config
        if not config.tls_template or config.client_ca_file is None:
            return 10250
        base = config.tls_template.format(node=self.name)
        settings = ServerConfig(
            Path(f"{base}.crt"), Path(f"{base}.key"), config.client_ca_file, self.name, config.node_ip, 0
        )
        self._server = Server(settings, self._runtime, directory)
        await self._server.start()
        return self._server.port


class Fleet:
    """All hollow nodes of this process. `client`: the one of all nodes, if it is not to be made."""

    def __init__(self, config: Config, client: Client | None = None) -> None:
        self._config = config
        self._tasks = Tasks()
        self._gate = asyncio.Semaphore(WRITES_AT_ONCE)
        self._turn = asyncio.Semaphore(REGISTRATIONS_AT_ONCE)
        self._clients: list[Client] = []
        self._informers: list[Informers] = []
        self._group: GroupHeartbeat | None = None
        self._pods: Shares | None = None
        self._objects: Shares | None = None
        if not config.kubeconfig_template:
            self._share(client or self._connect(config.kubeconfig or Path()))
        # Names of the nodes that are to be down, and of those that are being stopped or started.
        self._silent: set[str] = set()
        self._busy: set[str] = set()
        self.nodes = {
            name: HollowNode(config, name, number, self._sources(name), self._gate, self._tasks)
            for name, number in names_of(config).items()
        }

    def _share(self, client: Client) -> None:
        """Let all nodes have one client, one copy of the objects, and one heartbeat."""
        config, informers = self._config, Informers(client)
        self._informers.append(informers)
        nodes = informers.of(NODES)
        nodes.subscribe(self._seen)
        self._pods = Shares(
            informers.of(PODS, field_selector="spec.nodeName!="),
            lambda pod: str(pod["spec"].get("nodeName", "")),
        )
        self._objects = Shares(nodes, lambda node: str(node["metadata"]["name"]))
        if config.join_heartbeats:
            name = f"hollow-group-{config.name_prefix}{config.first}"
            self._group = GroupHeartbeat(client, name, config.node_lease_duration_s)

    def _connect(self, path: Path) -> Client:
        most = MOST_REQUESTS if self._config.kubeconfig_template else CROWD_REQUESTS
        client = Client(HTTPTransport(kubeconfig.load(path), most_requests=most), "kubelet")
        self._clients.append(client)
        return client

    def _sources(self, name: str) -> Sources:
        if self._pods is not None and self._objects is not None:
            client = self._informers[0].client
            return Sources(client, self._pods.of(name), self._objects.of(name), self._group)
        client = self._connect(Path(self._config.kubeconfig_template.format(node=name)))
        informers = Informers(client)
        self._informers.append(informers)
        pods = informers.of(PODS, field_selector=f"spec.nodeName={name}")
        return Sources(client, pods, informers.of(NODES, field_selector=f"metadata.name={name}"))

    async def start(self) -> None:
        """Start everything; returns when all nodes are registered."""
        for informers in self._informers:
            await informers.start(self._tasks)
        for informers in self._informers:
            await informers.synced()
        if self._group is not None:
            self._group.start(self._tasks)
        await asyncio.gather(*(self._follow(node) for node in self.nodes.values()))
        _log.info("hollow nodes are up", nodes=len(self.nodes))

    async def wait(self) -> None:
        """Wait until something fails without which the nodes cannot be, and raise what it raised."""
        await self._tasks.wait()

    def _seen(self, _old: Any, new: Any) -> None:
        node = self.nodes.get(new["metadata"]["name"]) if new is not None else None
        if node is None:
            return
        silent = SILENT in (new["metadata"].get("annotations") or {})
        (self._silent.add if silent else self._silent.discard)(node.name)
        if node.up == silent and (node.up or node.was_up):
            self._tasks.spawn(self._follow(node), f"power of {node.name}")

    async def _follow(self, node: HollowNode) -> None:
        """Start or stop a node until it is as it should be."""
        if node.name in self._busy:
            return
        self._busy.add(node.name)
        try:
            while node.up == (node.name in self._silent):
                async with self._turn:
                    await (node.stop() if node.up else node.start())
        finally:
            self._busy.discard(node.name)

    async def close(self) -> None:
        await self._tasks.close()
        await asyncio.gather(*(node.stop() for node in self.nodes.values()))
        for client in self._clients:
            await client.close()


def names_of(config: Config) -> dict[str, int]:
    """Return the nodes of the settings: their names and numbers."""
    return {
        f"{config.name_prefix}{number}": number for number in range(config.first, config.first + config.nodes)
    }


def new_service(config: Config, name: str, tasks: Tasks) -> HollowService:
    """Return the runtime of one node."""
    defaults = Defaults(
        config.sandbox_delay_s,
        config.start_delay_s,
        config.stop_delay_s,
        job_duration_s=config.job_duration_s,
    )
    few = config.nodes <= CROWD
    state = config.root_dir / name / "hollow.json" if config.keep_state and few else None
    # Upstream's kubelet, for which sockets are served, reckons with a network that is not ready yet.
    return HollowService(HollowSettings(defaults, state, few, patient=not config.serve_cri), tasks)


def node_spec(config: Config, name: str, number: int, port: int) -> NodeSpec:
    """Return what the settings say about one node. Raises `ValueError`."""
    labels = dict(text.split("=", 1) for text in config.node_labels)
    if config.zones:
        labels["topology.kubernetes.io/zone"] = f"zone-{number % config.zones + 1}"
    labels["type"] = labels.get("type", "hollow")
    return NodeSpec(
        name, (config.node_ip,), port, config.max_pods, labels, eviction_memory_bytes=0,
        eviction_disk_percent=0.0,
    )  # fmt: skip


def hollow_machine(config: Config, name: str) -> Machine:
    return Machine(
        name,
        config.cpu,
        value(config.memory),
        value(config.storage),
        kernel="hollow",
        os_image="Pelamis hollow",
    )
