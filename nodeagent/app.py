"""The node agent: where its parts meet. Called by the command line with a `Config`."""

from collections.abc import Callable
from pathlib import Path

from api.quantity import value
from api.types.core_v1 import NODES, PODS
from client import kubeconfig
from client.api import Client
from client.events import Recorder
from client.http import HTTPTransport
from client.informer import Informers
from kit import health, log, tls
from kit.tasks import Tasks
from nodeagent.agent import MOST_REQUESTS, Agent, Parts, Rhythm
from nodeagent.cgroups import Cgroups
from nodeagent.config import Config
from nodeagent.cri.client import Runtime
from nodeagent.hosts import DNSConfig, DNSSettings, parse_resolv_conf
from nodeagent.image_gc import ImageCollector
from nodeagent.images import ImageManager
from nodeagent.log_rotation import LogRotator
from nodeagent.machine import Machine, find_node_ip, read_load, read_machine
from nodeagent.network.cni import NetworkSettings, write_conflist
from nodeagent.node_status import NodeSpec
from nodeagent.pod.directory import PodDirectory
from nodeagent.pod.downward import Facts
from nodeagent.pod.edges import Edges, NodeSettings
from nodeagent.pod.references import References, facts_of
from nodeagent.pod.status_writer import StatusWriter
from nodeagent.probes.hooks import Hooks
from nodeagent.probes.manager import ProbeManager
from nodeagent.server import Server, ServerConfig
from nodeagent.volumes.manager import VolumeManager

_log = log.get("nodeagent.app")
COMPONENT = "kubelet"


async def run(config: Config) -> None:
    """Work until cancelled. Containers go on running when the agent stops."""
    transport = HTTPTransport(kubeconfig.load(config.kubeconfig), most_requests=MOST_REQUESTS)
    client = Client(transport, COMPONENT)
    try:
        await run_with(client, config)
    finally:
        await client.close()


async def run_with(client: Client, config: Config) -> None:
    """Work over a given client: for `run` and for a cluster in one process."""
    config.root_dir.mkdir(parents=True, exist_ok=True)
    tasks = Tasks()
    runtime = Runtime(config.container_runtime_endpoint)
    parts = _Assembly(config, client, runtime, tasks)
    server = _new_server(config, parts, runtime)
    try:
        async with health.listening(config.healthz_bind_address, config.healthz_port):
            await _work(config, parts, runtime, server, tasks)
    finally:
        await tasks.close()
        await parts.close()
        if server is not None:
            await server.close()
        await runtime.close()


async def _work(
    config: Config, parts: "_Assembly", runtime: Runtime, server: Server | None, tasks: Tasks
) -> None:
    agent = Agent(parts.parts, tasks)
    parts.wake, parts.retry = agent.manager.wake, agent.manager.retry
    if server is not None:
        await server.start()
    await parts.informers.start(tasks)
    await agent.start()
    collector = ImageCollector(
        runtime, config.root_dir, config.image_gc_high_threshold, config.image_gc_low_threshold
    )
    tasks.spawn(collector.run(), "image collector")
    tasks.spawn(LogRotator(runtime, parts.directory).run(), "log rotator")
    _log.info("node is up", node=parts.spec.name, ips=parts.spec.ips)
    await tasks.wait()


class _Assembly:
    """Makes the parts of a real node from its settings."""

    def __init__(self, config: Config, client: Client, runtime: Runtime, tasks: Tasks) -> None:
        machine = read_machine(config.root_dir)
        self.spec = node_spec(config, machine)
        self.directory = PodDirectory()
        # Replaced by the manager's own once there is one; there are no pods before.
        self.wake: Callable[[str], None] = lambda _uid: None
        self.retry: Callable[[str], None] = lambda _uid: None
        self.informers = Informers(client)
        recorder = Recorder(client, COMPONENT, tasks, self.spec.name)
        references = References(client, tasks)
        references.subscribe(lambda uid: self.retry(uid))
        self._hooks = Hooks(runtime)
        self._probes = ProbeManager(runtime, lambda uid: self.wake(uid), recorder)
        cgroups = Cgroups.detect()
        settings = _node_settings(config, self.spec, machine, cgroups)
        volumes = VolumeManager(config.root_dir, client, references, tasks, self._facts)
        edges = Edges(
            runtime,
            volumes,
            references,
            self._probes,
            self._hooks,
            ImageManager(runtime),
            recorder,
            StatusWriter(client, tasks),
            self.directory,
            settings,
            cgroups,
        )
        self._allocatable = edges.allocatable
        name = self.spec.name
        self.parts = Parts(
            client,
            runtime,
            edges,
            self.spec,
            machine,
            self.informers.of(PODS, field_selector=f"spec.nodeName={name}"),
            self.informers.of(NODES, field_selector=f"metadata.name={name}"),
            lambda: read_load(config.root_dir),
            Rhythm(
                config.node_lease_duration_s,
                config.node_status_update_frequency_s,
                config.node_status_report_frequency_s,
            ),
            lambda cidr: _configure_network(config, cidr),
            volumes.clean_orphans,
            config.pod_manifest_path,
            config.register_node,
        )
        # Labels and annotations may stand in files of the pod.
        self.parts.pods.subscribe(
            lambda _old, new: volumes.pod_changed(dict(new)) if new is not None else None
        )

    def _facts(self, pod: dict[str, object]) -> Facts:
        """Return what is known of a pod: the runtime's word on its addresses is newer than the object's."""
        known = facts_of(pod)
        metadata = pod["metadata"]
        record = self.directory.get(str(metadata["uid"])) if isinstance(metadata, dict) else None
        ips = record.ips if record is not None and record.ips else known.pod_ips
        return Facts(ips, self.spec.ips, self._allocatable)

    async def close(self) -> None:
        await self._probes.close()
        await self._hooks.close()


def node_spec(config: Config, machine: Machine) -> NodeSpec:
    """Return what the settings say about the node. Raises `ValueError` for malformed ones."""
    return NodeSpec(
        name=(config.hostname_override or machine.hostname).lower(),
        ips=config.node_ip or (find_node_ip(),),
        port=config.port,
        max_pods=config.max_pods,
        labels=config.labels,
        taints=config.taints,
        provider_id=config.provider_id,
        reserved=config.reserved,
        eviction_memory_bytes=value(config.eviction_hard_memory),
        eviction_disk_percent=config.eviction_hard_nodefs_percent,
    )


def _node_settings(config: Config, spec: NodeSpec, machine: Machine, cgroups: Cgroups) -> NodeSettings:
    resolv = config.resolv_conf.read_text() if config.resolv_conf.exists() else ""
    host = parse_resolv_conf(resolv) if resolv else DNSConfig()
    return NodeSettings(
        spec.name,
        spec.ips,
        config.root_dir.absolute(),
        config.pod_log_dir.absolute(),
        config.cgroup_root,
        DNSSettings(config.cluster_dns, config.cluster_domain, host),
        machine.memory_bytes,
        is_cgroup_v2=cgroups.hierarchies.is_v2,
    )


def _configure_network(config: Config, pod_cidr: str) -> None:
    if not config.configure_cni:
        return
    settings = NetworkSettings(
        config.cni_conf_dir, config.cni_data_dir, config.cluster_cidr, config.cni_bridge
    )
    if write_conflist(settings, pod_cidr):
        _log.info("pod network configured", pod_cidr=pod_cidr, folder=str(config.cni_conf_dir))


def _new_server(config: Config, parts: _Assembly, runtime: Runtime) -> Server | None:
    """Return the HTTPS server, with a certificate of its own making if none is given."""
    if not config.port:
        return None
    if config.client_ca_file is None:
        _log.warning("no --client-ca-file: logs and exec are not served")
        return None
    cert, key = _certificate(config, parts.spec)
    settings = ServerConfig(cert, key, config.client_ca_file, parts.spec.name, config.address, config.port)
    return Server(settings, runtime, parts.directory)


def _certificate(config: Config, spec: NodeSpec) -> tuple[Path, Path]:
    if config.tls_cert_file is not None and config.tls_private_key_file is not None:
        return config.tls_cert_file, config.tls_private_key_file
    base = config.root_dir / "pki" / "kubelet"
    cert, key = base.with_name("kubelet.crt"), base.with_name("kubelet.key")
    if not cert.exists() or not key.exists():
        authority = tls.new_ca(f"{spec.name}-ca")
        tls.issue(authority, f"system:node:{spec.name}", server_names=(spec.name, *spec.ips)).save(base)
    return cert, key
