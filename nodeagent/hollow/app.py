"""A process of hollow nodes: the real agent, many times over, on runtimes without containers.

With one `--kubeconfig` all nodes share one client and one watch of all pods; with `--kubeconfig-template`
each is itself. Called by the command line.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from api.quantity import value
from api.resource import Obj
from api.types.core_v1 import NODES, PODS
from client import kubeconfig
from client.api import Client
from client.events import Recorder
from client.http import HTTPTransport
from client.informer import Informer, Informers
from kit import log
from kit.tasks import Tasks
from nodeagent.agent import MOST_REQUESTS, Agent, Parts, Rhythm
from nodeagent.hollow.config import Config
from nodeagent.hollow.inprocess import InProcessRuntime
from nodeagent.hollow.life import Defaults
from nodeagent.hollow.server import HollowServer
from nodeagent.hollow.service import RUNTIME_NAME, HollowService, HollowSettings
from nodeagent.images import ImageManager
from nodeagent.machine import Machine
from nodeagent.node_status import NodeSpec
from nodeagent.pod.directory import PodDirectory
from nodeagent.pod.downward import Facts
from nodeagent.pod.edges import Edges, EventSink, NodeSettings
from nodeagent.pod.env import EnvSources
from nodeagent.pod.sources import Feed
from nodeagent.pod.status_writer import StatusWriter
from nodeagent.probes.manager import ContainerState
from nodeagent.server import Server, ServerConfig
from nodeagent.volumes.manager import Mount

_log = log.get("nodeagent.hollow.app")
# Above this many nodes no files are written for logs: nobody reads those of a thousand nodes.
LOGS_UP_TO = 50
REGISTRATIONS_AT_ONCE = 32
# Status writes of all nodes together; the API server takes 200 changes at once from everybody.
WRITES_AT_ONCE = 64


class NothingToMount:
    """Volumes of a hollow node: always there, never anywhere."""

    async def mount_pod(self, pod: Obj) -> dict[str, Path]:
        return {}

    def mounts_for(
        self, pod: Obj, container: Obj, env: Mapping[str, str] | Iterable[tuple[str, str]]
    ) -> list[Mount]:
        return []

    async def remove_pod(self, uid: str) -> None:
        return None


class NothingToRefer:
    """References of a hollow node: nobody reads its environments."""

    async def env_sources(self, pod: Obj, facts: Facts | None = None) -> EnvSources:
        return EnvSources(facts=facts or Facts())


class AlwaysWell:
    """Probes of a hollow node: all succeed at once."""

    def sync(self, pod: Obj, containers: Mapping[str, ContainerState], pod_ip: str = "") -> None:
        return None

    def result(self, pod_uid: str, container: str, kind: str) -> bool | None:
        return True

    def forget(self, pod_uid: str) -> None:
        return None


class NoHooks:
    """Lifecycle hooks of a hollow node: all end well at once."""

    async def run(
        self,
        pod: Obj,
        container: Obj,
        container_id: str,
        handler: Obj,
        *,
        pod_ip: str = "",
        timeout_s: float = 0.0,
    ) -> None:
        return None


class QuietEvents:
    """Events of a hollow node, without those about images and files that it does not have."""

    def __init__(self, events: EventSink) -> None:
        self._events = events

    def event(self, obj: Mapping[str, Any], event_type: str, reason: str, message: str) -> None:
        if reason not in ("Pulling", "Pulled", "Created"):
            self._events.event(obj, event_type, reason, message)


class Share:
    """One node's part of an informer that all nodes share."""

    def __init__(self, informer: Informer[Any]) -> None:
        self._informer = informer
        self._functions: list[Callable[[Any, Any], None]] = []
        # What was there before anybody subscribed.
        self._known: dict[str, Any] = {}

    def subscribe(self, function: Callable[[Any, Any], None]) -> None:
        self._functions.append(function)
        for obj in list(self._known.values()):
            function(None, obj)

    async def synced(self) -> None:
        await self._informer.synced()

    def tell(self, old: Any, new: Any) -> None:
        """Pass a change on."""
        current = new if new is not None else old
        uid = current["metadata"].get("uid", "")
        if new is None:
            self._known.pop(uid, None)
        else:
            self._known[uid] = new
        for function in self._functions:
            function(old, new)


class Shares:
    """Deals the changes of one informer out to nodes."""

    def __init__(self, informer: Informer[Any], node_of: Callable[[Any], str]) -> None:
        self._informer = informer
        self._node_of = node_of
        self._by_node: dict[str, Share] = {}
        informer.subscribe(self._changed)

    def of(self, node: str) -> Share:
        return self._by_node.setdefault(node, Share(self._informer))

    def _changed(self, old: Any, new: Any) -> None:
        if share := self._by_node.get(self._node_of(new if new is not None else old)):
            # A pod that has just been bound is new to its node.
            before = old if old is not None and self._node_of(old) else None
            share.tell(before, new)


class _Fleet:
    """All hollow nodes of this process."""

    def __init__(self, config: Config, tasks: Tasks) -> None:
        self._config = config
        self._tasks = tasks
        self._shared: tuple[Client, Informers, Shares, Shares] | None = None
        self._gate = asyncio.Semaphore(WRITES_AT_ONCE)
        self.clients: list[Client] = []
        self.informers: list[Informers] = []
        self.servers: list[Server] = []

    def _client(self, path: Path) -> Client:
        client = Client(HTTPTransport(kubeconfig.load(path), most_requests=MOST_REQUESTS), "kubelet")
        self.clients.append(client)
        return client

    def _sources(self, name: str) -> tuple[Client, Feed, Feed]:
        """Return the node's client, its pods and its own object."""
        if self._config.kubeconfig_template:
            client = self._client(Path(self._config.kubeconfig_template.format(node=name)))
            informers = Informers(client)
            self.informers.append(informers)
            pods = informers.of(PODS, field_selector=f"spec.nodeName={name}")
            return client, pods, informers.of(NODES, field_selector=f"metadata.name={name}")
        if self._shared is None:
            client = self._client(self._config.kubeconfig or Path())
            informers = Informers(client)
            self.informers.append(informers)
            all_pods = Shares(informers.of(PODS), lambda pod: str(pod["spec"].get("nodeName", "")))
            all_nodes = Shares(informers.of(NODES), lambda node: str(node["metadata"]["name"]))
            self._shared = (client, informers, all_pods, all_nodes)
        client, _, shared_pods, shared_nodes = self._shared
        return client, shared_pods.of(name), shared_nodes.of(name)

    async def add(self, name: str, number: int) -> Agent:
        """Make one node's agent; it is not started."""
        config = self._config
        client, pods, node = self._sources(name)
        runtime = InProcessRuntime(new_service(config, name, self._tasks))
        directory = PodDirectory()
        port = await self._serve(name, runtime, directory)
        settings = NodeSettings(
            name,
            (config.node_ip,),
            config.root_dir / name,
            config.root_dir / name / "logs",
            runtime_name=RUNTIME_NAME,
            virtual=True,
        )
        edges = Edges(
            runtime,
            NothingToMount(),
            NothingToRefer(),
            AlwaysWell(),
            NoHooks(),
            ImageManager(runtime),
            QuietEvents(Recorder(client, "kubelet", self._tasks, name)),
            StatusWriter(client, self._tasks, self._gate),
            directory,
            settings,
        )
        rhythm = Rhythm(
            config.node_lease_duration_s,
            config.node_status_update_frequency_s,
            config.node_status_report_frequency_s,
        )
        spec = node_spec(config, name, number, port)
        parts = Parts(client, runtime, edges, spec, hollow_machine(config, name), pods, node, rhythm=rhythm)
        return Agent(parts, self._tasks)

    async def _serve(self, name: str, runtime: InProcessRuntime, directory: PodDirectory) -> int:
        config = self._config
        if not config.tls_template or config.client_ca_file is None:
            return 10250
        base = config.tls_template.format(node=name)
        server = Server(
            ServerConfig(
                Path(f"{base}.crt"), Path(f"{base}.key"), config.client_ca_file, name, config.node_ip, 0
            ),
            runtime,
            directory,
        )
        await server.start()
        self.servers.append(server)
        return server.port

    async def close(self) -> None:
        for server in self.servers:
            await server.close()
        for client in self.clients:
            await client.close()


def new_service(config: Config, name: str, tasks: Tasks) -> HollowService:
    """Return the runtime of one node."""
    defaults = Defaults(
        config.sandbox_delay_s,
        config.start_delay_s,
        config.stop_delay_s,
        job_duration_s=config.job_duration_s,
    )
    state = config.root_dir / name / "hollow.json" if config.keep_state else None
    return HollowService(HollowSettings(defaults, state, config.nodes <= LOGS_UP_TO), tasks)


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


async def run(config: Config) -> None:
    """Run all nodes until cancelled."""
    tasks = Tasks()
    fleet = _Fleet(config, tasks)
    names = {
        f"{config.name_prefix}{number}": number for number in range(config.first, config.first + config.nodes)
    }
    try:
        if config.serve_cri:
            await _serve_cri(config, list(names), tasks)
            return
        agents = [await fleet.add(name, number) for name, number in names.items()]
        for informers in fleet.informers:
            await informers.start(tasks)
        gate = asyncio.Semaphore(REGISTRATIONS_AT_ONCE)

        async def start(agent: Agent) -> None:
            async with gate:
                await agent.start()

        await asyncio.gather(*map(start, agents))
        _log.info("hollow nodes are up", nodes=len(agents))
        await tasks.wait()
    finally:
        await tasks.close()
        await fleet.close()


async def _serve_cri(config: Config, names: list[str], tasks: Tasks) -> None:
    servers = [
        HollowServer(new_service(config, name, tasks), config.root_dir / name / "cri.sock") for name in names
    ]
    for server in servers:
        await server.start()
    try:
        await tasks.wait()
    finally:
        for server in servers:
            await server.close()
