"""Settings of the service proxy."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Config:
    kubeconfig: Path = field(metadata={"help": "how to reach the API server"})
    hostname_override: str = field(
        default="",
        metadata={
            "help": "name of this machine's node; without one, it only uses services",
            "metavar": "NODE",
        },
    )
    cluster_cidr: str = field(default="10.128.0.0/16", metadata={"help": "pod addresses"})
    table: str = field(default="pelamis", metadata={"help": "name of the nftables table to own"})
    routes: bool = field(default=True, metadata={"help": "keep routes to the pods of other nodes"})
    healthz_port: int = field(
        default=0, metadata={"help": "port of /healthz and /metrics on localhost; 0 is off"}
    )
