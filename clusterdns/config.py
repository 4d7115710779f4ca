"""Settings of the DNS server."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Config:
    kubeconfig: Path = field(metadata={"help": "how to reach the API server"})
    bind_address: str = field(default="0.0.0.0", metadata={"help": "address to answer on"})
    port: int = field(default=53, metadata={"help": "UDP and TCP port to answer on"})
    claim_address: bool = field(
        default=False,
        metadata={"help": "give the bind address to the loopback device, so that it is local on every node"},
    )
    cluster_domain: str = field(default="cluster.local", metadata={"help": "the zone of services and pods"})
    cluster_cidr: str = field(default="", metadata={"help": "pod addresses, for reverse lookups"})
    service_cidr: str = field(default="", metadata={"help": "service addresses, for reverse lookups"})
    resolv_conf: Path = field(
        default=Path("/etc/resolv.conf"), metadata={"help": "names the servers that other zones are asked of"}
    )
    metrics_port: int = field(
        default=0, metadata={"help": "port of /healthz and /metrics on localhost; 0 is off"}
    )
