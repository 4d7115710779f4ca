"""The settings of a process of hollow nodes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# More nodes than this are a crowd: no files are written for their logs and states, and only warnings become
# Events.
CROWD = 50


def _flag(text: str, flag: str = "") -> dict[str, Any]:
    return {"help": text, "flag": flag} if flag else {"help": text}


@dataclass(frozen=True)
class Config:
    nodes: int = field(default=1, metadata=_flag("how many nodes"))
    first: int = field(default=1, metadata=_flag("number of the first node"))
    name_prefix: str = field(default="node-", metadata=_flag("nodes are named by it and their number"))
    kubeconfig: Path | None = field(
        default=None, metadata=_flag("one identity for all nodes; they then share their watches")
    )
    kubeconfig_template: str = field(
        default="", metadata=_flag("path with {node} in it: an identity per node")
    )
    root_dir: Path = field(default=Path("/tmp/hollow"), metadata=_flag("state of the nodes, by name"))
    tls_template: str = field(
        default="", metadata=_flag("path with {node} in it, without .crt and .key: server certificates")
    )
    client_ca_file: Path | None = field(default=None, metadata=_flag("CA of client certificates"))
    node_ip: str = field(default="127.0.0.1", metadata=_flag("address of all nodes"))
    cpu: int = field(default=32, metadata=_flag("CPUs of each node"))
    memory: str = field(default="256Gi", metadata=_flag("memory of each node"))
    storage: str = field(default="1Ti", metadata=_flag("ephemeral storage of each node"))
    max_pods: int = field(default=110, metadata=_flag("how many pods may run on each"))
    node_labels: tuple[str, ...] = field(default=(), metadata=_flag("labels of the nodes, k=v"))
    zones: int = field(
        default=0, metadata=_flag("spread the nodes over this many topology.kubernetes.io/zone")
    )
    sandbox_delay_s: float = field(default=0.0, metadata=_flag("how long a sandbox takes", "sandbox-delay"))
    start_delay_s: float = field(
        default=0.0, metadata=_flag("how long a container takes to start", "start-delay")
    )
    stop_delay_s: float = field(
        default=0.0, metadata=_flag("how long a container takes to stop", "stop-delay")
    )
    job_duration_s: float = field(
        default=1.0, metadata=_flag("how long containers of Jobs run", "job-duration")
    )
    node_lease_duration_s: float = field(
        default=40.0, metadata=_flag("duration of the heartbeat lease", "node-lease-duration")
    )
    join_heartbeats: bool = field(
        default=True,
        metadata=_flag(
            "nodes of one identity are renewed by one Lease, which theirs name; false: by their own, which "
            "upstream's node-lifecycle-controller needs"
        ),
    )
    node_status_update_frequency_s: float = field(
        default=300.0,
        metadata=_flag(
            "how often a node is looked at, besides when something has changed",
            "node-status-update-frequency",
        ),
    )
    node_status_report_frequency_s: float = field(
        default=300.0,
        metadata=_flag("how often an unchanged status is written", "node-status-report-frequency"),
    )
    keep_state: bool = field(default=True, metadata=_flag("containers survive a restart of this process"))
    serve_cri: bool = field(
        default=False, metadata=_flag("only serve CRI sockets ROOT/NODE/cri.sock, run no agents")
    )
