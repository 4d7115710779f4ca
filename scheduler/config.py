"""Settings of the scheduler: flags, which bear upstream's names, and a file of upstream's shape.

With `--config`, flags about leader election win over the file; the others of upstream's that the file can say
are ignored, as upstream does, but that `--kubeconfig` counts if the file names none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scheduler.configuration.load import load
from scheduler.configuration.model import Configuration, ProfileConfig
from scheduler.profiles import new_profiles

# Field of `LeaderElection` -> field of `Config`.
_ELECTION = {
    "leader_elect": "leader_elect",
    "lease_duration_s": "leader_elect_lease_duration_s",
    "renew_deadline_s": "leader_elect_renew_deadline_s",
    "retry_period_s": "leader_elect_retry_period_s",
    "resource_name": "leader_elect_resource_name",
    "resource_namespace": "leader_elect_resource_namespace",
}


@dataclass(frozen=True)
class Config:
    kubeconfig: Path = field(metadata={"help": "how to reach the API server"})
    scheduler_name: str = field(
        default="default-scheduler",
        metadata={
            "help": "pods with this schedulerName are placed; a configuration file says it by profiles"
        },
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
    bind_address: str = field(default="0.0.0.0", metadata={"help": "address to listen on"})
    secure_port: int = field(
        default=10259, metadata={"help": "HTTPS port of /healthz, /metrics and decisions, 0 for none"}
    )
    tls_cert_file: Path | None = field(
        default=None, metadata={"help": "serving certificate, PEM; one is made at start if there is none"}
    )
    tls_private_key_file: Path | None = field(default=None, metadata={"help": "its key, PEM"})
    bindings_in_flight: int = field(
        default=128, metadata={"help": "bindings that may be under way at one time"}
    )
    plugin_file: tuple[str, ...] = field(
        default=(),
        metadata={"help": "a Python file with functions that filter and score nodes; may be repeated"},
    )
    plugin_timeout_s: float = field(
        default=0.1,
        metadata={
            "flag": "plugin-timeout",
            "help": "how long one of these functions may compute in one decision; 0 for no limit",
        },
    )
    seed: int = field(default=0, metadata={"help": "breaks ties between equal nodes"})
    decisions_memory_mb: int = field(
        default=32, metadata={"help": "megabytes for decisions that are kept with all scores and verdicts"}
    )
    # What the file says; None without one.
    file: Configuration | None = field(default=None, metadata={"flag": ""})

    @property
    def configuration(self) -> Configuration:
        """The file, or what is so without one."""
        return self.file or Configuration(profiles=(ProfileConfig(self.scheduler_name),))

    @property
    def plugin_files(self) -> Mapping[str, Sequence[str]]:
        """Files with functions of users by profile: those of the flag are for all, then come its own."""
        return {
            profile.scheduler_name: (*self.plugin_file, *profile.python_files)
            for profile in self.configuration.profiles
        }

    @classmethod
    def from_file(cls, content: bytes, flags: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings that a configuration file and flags say. Raises `ConfigurationError`."""
        given = {name: flags[flag] for name, flag in _ELECTION.items() if flag in flags}
        found = load(content, given)
        new_profiles(found)
        election = {flag: getattr(found.leader_election, name) for name, flag in _ELECTION.items()}
        settings = {**flags, **election, "file": found}
        if found.kubeconfig:
            settings["kubeconfig"] = Path(found.kubeconfig)
        return settings
