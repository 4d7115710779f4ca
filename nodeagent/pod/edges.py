"""What a pod worker works with: the runtime and the owners of volumes, probes, images, statuses, events.

Assembled once by `app.py`; every pod worker of a node shares it. The protocols name what the hollow node
replaces.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from api.resource import Obj
from nodeagent.cgroups import Cgroups
from nodeagent.cri.client import Runtime
from nodeagent.hosts import DNSSettings
from nodeagent.images import ImageManager
from nodeagent.pod import order
from nodeagent.pod.directory import PodDirectory
from nodeagent.pod.downward import Facts
from nodeagent.pod.env import EnvSources
from nodeagent.pod.status import NodeAddresses
from nodeagent.pod.status_writer import StatusWriter
from nodeagent.probes.manager import ContainerState
from nodeagent.volumes.manager import Mount


class Volumes(Protocol):
    """Sets up and takes down the volumes of pods. All calls may be repeated."""

    async def mount_pod(self, pod: Obj) -> dict[str, Path]: ...

    def mounts_for(
        self, pod: Obj, container: Obj, env: Mapping[str, str] | Iterable[tuple[str, str]]
    ) -> list[Mount]: ...

    async def remove_pod(self, uid: str) -> None: ...


class EnvironmentSources(Protocol):
    """Finds the objects that environments are made of. Raises `ConfigError`."""

    async def env_sources(self, pod: Obj, facts: Facts | None = None) -> EnvSources: ...


class Probes(Protocol):
    """Runs probes and remembers their results."""

    def sync(self, pod: Obj, containers: Mapping[str, ContainerState], pod_ip: str = "") -> None: ...

    def result(self, pod_uid: str, container: str, kind: str) -> bool | None: ...

    def forget(self, pod_uid: str) -> None: ...


class LifecycleHooks(Protocol):
    """Runs postStart and preStop handlers. Raises `HookError`."""

    async def run(
        self,
        pod: Obj,
        container: Obj,
        container_id: str,
        handler: Obj,
        *,
        pod_ip: str = "",
        timeout_s: float = 0.0,
    ) -> None: ...


class EventSink(Protocol):
    """Takes Events, fire and forget."""

    def event(self, obj: Mapping[str, Any], event_type: str, reason: str, message: str) -> None: ...


@dataclass(frozen=True)
class NodeSettings:
    """The facts of this node that pods depend on. Folders are this agent's own: several agents may share a
    host.
    """

    name: str
    ips: tuple[str, ...] = ()
    root_dir: Path = Path("/var/lib/kubelet")
    log_dir: Path = Path("/var/log/pods")
    cgroup_root: str = "/"
    dns: DNSSettings = field(default_factory=DNSSettings)
    memory_capacity: int = 0
    runtime_name: str = "containerd"
    # cgroup v2: the kernel kills a container as a whole when it is out of memory.
    is_cgroup_v2: bool = False
    # A node without containers: no files are made for pods, no environments are computed.
    virtual: bool = False

    @property
    def addresses(self) -> NodeAddresses:
        return NodeAddresses(self.ips)

    def pod_dir(self, uid: str) -> Path:
        return self.root_dir / "pods" / uid


async def _same_name(name: str) -> str:
    return name


@dataclass
class Edges:
    """Everything a pod worker calls."""

    runtime: Runtime
    volumes: Volumes
    references: EnvironmentSources
    probes: Probes
    hooks: LifecycleHooks
    images: ImageManager
    events: EventSink
    statuses: StatusWriter
    directory: PodDirectory
    settings: NodeSettings
    cgroups: Cgroups | None = None
    # RuntimeClass name -> the runtime's handler; raises `CRIError` if there is no such class.
    runtime_handler: Callable[[str], Awaitable[str]] = field(default=_same_name)
    # Node allocatable as quantities, for the downward API; renewed by the node status.
    allocatable: dict[str, str] = field(default_factory=dict)

    def report(self, pod: Obj, kind: str, reason: str, message: str, container: str = "") -> None:
        """Send an Event about a pod or one of its containers."""
        self.events.event(pod_reference(pod, container), kind, reason, message)


def pod_reference(pod: Obj, container: str = "") -> Obj:
    """Return an Event's `involvedObject`."""
    metadata = pod["metadata"]
    reference = {
        "kind": "Pod",
        "apiVersion": "v1",
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
    if container:
        groups = {"initContainers": order.init_containers, "ephemeralContainers": order.ephemeral_containers}
        part = next(
            (key for key, of in groups.items() if any(one["name"] == container for one in of(pod))),
            "containers",
        )
        reference["fieldPath"] = f"spec.{part}{{{container}}}"
    return reference
