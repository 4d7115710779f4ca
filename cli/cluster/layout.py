"""A local cluster on paper: its settings, its files, its names and its addresses. Pure; the edges read
everything from here.

    D/cluster.json         the settings (Settings), written by `pelamis up`
    D/kubeconfig           the administrator's; the other components' are under D/pki
    D/pki/                 certificates and keys
    D/store/               etcd's or SQLite's data
    D/nodes/<node>/        containerd's data, the agent's pods and volumes, CNI configuration
    D/logs/<process>.log   one file per process; past 20 MiB its text moves to <process>.log.1
    D/run/                 the supervisor's socket and lock

Every cluster of a machine has an index of its own (0-15), from which its networks and the names of its links
follow, so that several live side by side.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from nodeagent.hollow.config import CROWD

MAX_CLUSTERS = 16
# By runtime: a network namespace with an address of a /24 each, or a part of a process.
MAX_NODES = {"containerd": 200, "hollow": 10_000}
# Of the first cluster. Apart from 10259, where a scheduler of another installation may be.
_SCHEDULER_PORT = 10300
# Addresses of pods that nobody can reach (RFC 6598): enough for ranges of all hollow nodes.
HOLLOW_CIDR = "100.64.0.0/10"


def etcd_port(index: int) -> int:
    return 23790 + 2 * index


@dataclass(frozen=True)
class Settings:
    """What `pelamis up` was asked for, with `auto` resolved."""

    index: int
    port: int = 6443
    nodes: int = 1
    runtime: str = "containerd"  # containerd or hollow
    store: str = "etcd"  # etcd, sqlite, memory or a store URL
    components: tuple[str, ...] = ("apiserver", "scheduler", "controllers")
    # Extra flags by component: {"controllers": ("--node-monitor-grace-period=8s",)}
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> "Settings":
        raw: dict[str, Any] = orjson.loads(data)
        raw["components"] = tuple(raw["components"])
        raw["extra"] = {name: tuple(flags) for name, flags in raw["extra"].items()}
        return cls(**raw)


@dataclass(frozen=True)
class Node:
    """One node of a local cluster."""

    name: str
    address: str
    netns: str
    link: str  # the host's end of the node's veth pair
    dir: Path

    @property
    def containerd_socket(self) -> Path:
        return self.dir / "containerd.sock"

    @property
    def runtime_endpoint(self) -> str:
        return f"unix://{self.containerd_socket}"


@dataclass(frozen=True)
class Layout:
    dir: Path
    settings: Settings

    @property
    def kubeconfig(self) -> Path:
        return self.dir / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.dir / "pki"

    @property
    def encryption_config(self) -> Path:
        """Which key seals Secrets in the store. Lost, they are lost too."""
        return self.pki / "encryption.yaml"

    @property
    def logs(self) -> Path:
        return self.dir / "logs"

    @property
    def control_socket(self) -> Path:
        return self.dir / "run" / "control.sock"

    @property
    def lock(self) -> Path:
        return self.dir / "run" / "lock"

    @property
    def bridge(self) -> str:
        return f"pel{self.settings.index}"

    @property
    def node_network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(f"10.89.{self.settings.index}.0/24")

    @property
    def gateway(self) -> str:
        """The host's address on the bridge: where nodes find the API server."""
        return str(self.node_network[1])

    @property
    def cluster_cidr(self) -> str:
        if self.settings.runtime == "hollow":
            return HOLLOW_CIDR
        return f"10.{128 + self.settings.index}.0.0/16"

    @property
    def service_cidr(self) -> str:
        return f"10.{96 + self.settings.index}.0.0/16"

    @property
    def service_address(self) -> str:
        """The ClusterIP of `default/kubernetes`."""
        return str(ipaddress.IPv4Network(self.service_cidr)[1])

    @property
    def dns_address(self) -> str:
        return str(ipaddress.IPv4Network(self.service_cidr)[10])

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.settings.port}"

    @property
    def node_server(self) -> str:
        """The API server as nodes reach it."""
        hollow = self.settings.runtime == "hollow"
        return self.server if hollow else f"https://{self.gateway}:{self.settings.port}"

    @property
    def etcd_port(self) -> int:
        """Where etcd serves clients on the loopback interface; the next port is its peers'."""
        return etcd_port(self.settings.index)

    @property
    def scheduler_port(self) -> int:
        """Where the scheduler serves decisions and metrics on the loopback interface."""
        return _SCHEDULER_PORT + self.settings.index

    @property
    def cgroup_root(self) -> str:
        return f"/{self.bridge}"

    @property
    def is_crowd(self) -> bool:
        """Whether there are so many hollow nodes that they have one identity, one watch and one heartbeat."""
        return self.settings.runtime == "hollow" and self.settings.nodes > CROWD

    def nodes(self) -> list[Node]:
        return [self.node(number) for number in range(1, self.settings.nodes + 1)]

    def node(self, number: int) -> Node:
        name = f"node-{number}"
        hollow = self.settings.runtime == "hollow"
        return Node(
            name,
            "127.0.0.1" if hollow else str(self.node_network[9 + number]),
            f"{self.bridge}-{name}",
            f"{self.bridge}n{number}",
            self.dir / "nodes" / name,
        )
