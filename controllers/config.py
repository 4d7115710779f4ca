"""The settings of the controllers process; flags bear the names of kube-controller-manager."""

from dataclasses import dataclass, field
from pathlib import Path


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True)
class Config:
    kubeconfig: Path = field(metadata=_help("how to reach the API server"))
    controllers: tuple[str, ...] = field(
        default=("*",),
        metadata=_help("which to run: * for all, NAME to add one, -NAME to leave one out"),
    )
    concurrent_syncs: int = field(default=5, metadata=_help("keys that one controller works on at a time"))
    use_service_account_credentials: bool = field(
        default=True, metadata=_help("act as one service account per controller, each with its own rights")
    )
    leader_elect: bool = field(default=True, metadata=_help("take a lease before working"))
    leader_elect_lease_duration_s: float = field(
        default=15.0, metadata={"flag": "leader-elect-lease-duration", "help": "how long a lease counts"}
    )
    leader_elect_renew_deadline_s: float = field(
        default=10.0, metadata={"flag": "leader-elect-renew-deadline", "help": "how long to try to renew"}
    )
    leader_elect_retry_period_s: float = field(
        default=2.0, metadata={"flag": "leader-elect-retry-period", "help": "how often to try"}
    )
    leader_elect_resource_name: str = field(
        default="kube-controller-manager", metadata=_help("the lease's name")
    )
    leader_elect_resource_namespace: str = field(
        default="kube-system", metadata=_help("the lease's namespace")
    )
    bind_address: str = field(default="127.0.0.1", metadata=_help("where /healthz and /metrics are served"))
    secure_port: int = field(
        default=10257, metadata=_help("port of /healthz and /metrics (plain HTTP), 0 for none")
    )
    node_monitor_period_s: float = field(
        default=5.0, metadata={"flag": "node-monitor-period", "help": "how often nodes are looked at"}
    )
    node_monitor_grace_period_s: float = field(
        default=50.0,
        metadata={"flag": "node-monitor-grace-period", "help": "silence after which a node is lost"},
    )
    node_startup_grace_period_s: float = field(
        default=60.0,
        metadata={"flag": "node-startup-grace-period", "help": "the same for a node that has never reported"},
    )
    node_eviction_rate: float = field(default=0.1, metadata=_help("lost nodes tainted per second and zone"))
    secondary_node_eviction_rate: float = field(
        default=0.01, metadata=_help("the same when the zone is unhealthy")
    )
    unhealthy_zone_threshold: float = field(
        default=0.55, metadata=_help("fraction of lost nodes that makes a zone unhealthy")
    )
    large_cluster_size_threshold: int = field(
        default=50, metadata=_help("zones up to this size are not tainted at all when unhealthy")
    )
    allocate_node_cidrs: bool = field(
        default=True, metadata=_help("give each node a pod CIDR, if --cluster-cidr is set")
    )
    cluster_cidr: str = field(default="", metadata=_help("the range of pod addresses"))
    node_cidr_mask_size: int = field(default=24, metadata=_help("prefix length of a node's pod CIDR"))
    root_ca_file: str = field(default="", metadata=_help("certificate published as kube-root-ca.crt"))
    terminated_pod_gc_threshold: int = field(
        default=12500, metadata=_help("terminated pods kept; 0 keeps all")
    )
    log_level: str = field(default="info", metadata=_help("debug, info, warning or error"))
