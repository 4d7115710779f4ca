"""Settings of the scheduler; flags bear upstream's names."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Config:
    kubeconfig: Path = field(metadata={"help": "how to reach the API server"})
    scheduler_name: str = field(
        default="default-scheduler", metadata={"help": "pods with this schedulerName are placed"}
    )
    leader_elect: bool = field(default=True, metadata={"help": "work only while holding the Lease"})
    leader_elect_lease_duration_s: float = field(
        default=15.0, metadata={"flag": "leader-elect-lease-duration", "help": "how long a lease counts"}
    )
    leader_elect_renew_deadline_s: float = field(
        default=10.0, metadata={"flag": "leader-elect-renew-deadline", "help": "how long to try to renew"}
    )
    leader_elect_retry_period_s: float = field(
        default=2.0, metadata={"flag": "leader-elect-retry-period", "help": "how often to try"}
    )
    leader_elect_resource_name: str = field(default="kube-scheduler", metadata={"help": "the lease's name"})
    leader_elect_resource_namespace: str = field(
        default="kube-system", metadata={"help": "the lease's namespace"}
    )
    bind_address: str = field(default="127.0.0.1", metadata={"help": "address of /healthz and /metrics"})
    secure_port: int = field(
        default=10259, metadata={"help": "port of /healthz and /metrics (plain HTTP), 0 for none"}
    )
    bindings_in_flight: int = field(
        default=64, metadata={"help": "bindings that may be under way at one time"}
    )
    seed: int = field(default=0, metadata={"help": "breaks ties between equal nodes"})
    decisions_memory_mb: int = field(
        default=32, metadata={"help": "megabytes for decisions that are kept with all scores and verdicts"}
    )
