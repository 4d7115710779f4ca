"""The node agent's settings. Flags bear the kubelet's names where they mean the same thing."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.quantity import milli, value
from api.resource import Obj


def _flag(text: str, flag: str = "") -> dict[str, Any]:
    return {"help": text, "flag": flag} if flag else {"help": text}


@dataclass(frozen=True)
class Config:
    kubeconfig: Path = field(metadata=_flag("how to reach the API server"))
    hostname_override: str = field(default="", metadata=_flag("name of the node; the host name if empty"))
    node_ip: tuple[str, ...] = field(
        default=(), metadata=_flag("addresses of the node, primary first; found out if empty")
    )
    container_runtime_endpoint: str = field(
        default="unix:///run/containerd/containerd.sock", metadata=_flag("socket of the CRI runtime")
    )
    root_dir: Path = field(
        default=Path("/var/lib/kubelet"), metadata=_flag("volumes and other files of pods; one per agent")
    )
    pod_log_dir: Path = field(
        default=Path("/var/log/pods"), metadata=_flag("logs of containers; one per agent")
    )
    pod_manifest_path: Path | None = field(default=None, metadata=_flag("folder of static pods"))
    cgroup_root: str = field(
        default="/", metadata=_flag("cgroup below which pods are put; one per agent on a host")
    )
    cluster_dns: tuple[str, ...] = field(default=(), metadata=_flag("addresses of the cluster's DNS"))
    cluster_domain: str = field(default="cluster.local", metadata=_flag("domain of the cluster's names"))
    resolv_conf: Path = field(
        default=Path("/etc/resolv.conf"), metadata=_flag("what pods of dnsPolicy Default resolve by")
    )
    max_pods: int = field(default=110, metadata=_flag("how many pods may run here"))
    node_labels: tuple[str, ...] = field(
        default=(), metadata=_flag("labels of the node at registration, k=v")
    )
    register_with_taints: tuple[str, ...] = field(
        default=(), metadata=_flag("taints of the node at registration, key=value:Effect")
    )
    register_node: bool = field(default=True, metadata=_flag("create the Node object"))
    provider_id: str = field(default="", metadata=_flag("spec.providerID of the node"))
    system_reserved: tuple[str, ...] = field(
        default=(), metadata=_flag("what is kept from pods, resource=quantity")
    )
    kube_reserved: tuple[str, ...] = field(
        default=(), metadata=_flag("what is kept from pods for the agent, resource=quantity")
    )
    eviction_hard_memory: str = field(
        default="100Mi",
        metadata=_flag("less free memory is MemoryPressure", "eviction-hard-memory-available"),
    )
    eviction_hard_nodefs_percent: float = field(
        default=3.0,
        metadata=_flag("less free disk is DiskPressure", "eviction-hard-nodefs-available-percent"),
    )
    node_status_update_frequency_s: float = field(
        default=10.0, metadata=_flag("how often the node is looked at", "node-status-update-frequency")
    )
    node_status_report_frequency_s: float = field(
        default=300.0,
        metadata=_flag("how often an unchanged status is written", "node-status-report-frequency"),
    )
    node_lease_duration_s: float = field(
        default=40.0,
        metadata=_flag("duration of the heartbeat lease; renewed four times as often", "node-lease-duration"),
    )
    address: str = field(default="0.0.0.0", metadata=_flag("address of the HTTPS server"))
    port: int = field(default=10250, metadata=_flag("port of the HTTPS server; 0: none"))
    healthz_bind_address: str = field(default="127.0.0.1", metadata=_flag("address of /healthz"))
    healthz_port: int = field(default=10248, metadata=_flag("port of /healthz; 0: none"))
    tls_cert_file: Path | None = field(default=None, metadata=_flag("certificate of the HTTPS server, PEM"))
    tls_private_key_file: Path | None = field(default=None, metadata=_flag("its key, PEM"))
    client_ca_file: Path | None = field(default=None, metadata=_flag("CA of client certificates"))
    configure_cni: bool = field(
        default=True, metadata=_flag("write the CNI configuration for the node's pod CIDR")
    )
    cni_conf_dir: Path = field(
        default=Path("/etc/cni/net.d"), metadata=_flag("where the runtime looks for CNI configuration")
    )
    cni_data_dir: Path = field(
        default=Path("/var/lib/cni/networks"),
        metadata=_flag("where host-local notes addresses; one per agent"),
    )
    cni_bridge: str = field(default="cni0", metadata=_flag("name of the pods' bridge"))
    cluster_cidr: str = field(default="", metadata=_flag("the addresses of all pods"))
    image_gc_high_threshold: int = field(
        default=85, metadata=_flag("disk use in percent above which unused images are removed; 100: never")
    )
    image_gc_low_threshold: int = field(
        default=80, metadata=_flag("disk use in percent down to which unused images are removed")
    )
    log_level: str = field(default="info", metadata=_flag("debug, info, warning or error"))

    @property
    def labels(self) -> dict[str, str]:
        return dict(_pair(text) for text in self.node_labels)

    @property
    def taints(self) -> list[Obj]:
        """Return `--register-with-taints` as taints. Raises `ValueError`."""
        return [parse_taint(text) for text in self.register_with_taints]

    @property
    def reserved(self) -> dict[str, int]:
        """Return what pods do not get: cpu in millicores, the rest in units."""
        total: dict[str, int] = {}
        for text in (*self.system_reserved, *self.kube_reserved):
            name, amount = _pair(text)
            total[name] = total.get(name, 0) + (milli(amount) if name == "cpu" else value(amount))
        return total


def _pair(text: str) -> tuple[str, str]:
    name, separator, rest = text.partition("=")
    if not separator:
        raise ValueError(f"{text!r} is not of the form key=value")
    return name, rest


def parse_taint(text: str) -> Obj:
    """Return the taint of `key=value:Effect` or `key:Effect`. Raises `ValueError`."""
    rest, separator, effect = text.rpartition(":")
    if not separator or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise ValueError(f"invalid taint {text!r}")
    key, _, value_text = rest.partition("=")
    taint = {"key": key, "effect": effect}
    return {**taint, "value": value_text} if value_text else taint
