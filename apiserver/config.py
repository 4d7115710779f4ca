"""The API server's settings. Flags bear upstream's names where they mean the same thing."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


def _flag(text: str, flag: str = "") -> dict[str, Any]:
    return {"help": text, "flag": flag} if flag else {"help": text}


@dataclass(frozen=True)
class Config:
    etcd_servers: str = field(
        default="memory:", metadata=_flag("the store: etcd URLs (comma-separated), sqlite:PATH or memory:")
    )
    etcd_cafile: Path | None = field(default=None, metadata=_flag("CA that signed etcd's certificates"))
    etcd_certfile: Path | None = field(default=None, metadata=_flag("client certificate for etcd"))
    etcd_keyfile: Path | None = field(default=None, metadata=_flag("key of the client certificate for etcd"))
    encryption_provider_config: Path | None = field(
        default=None, metadata=_flag("EncryptionConfiguration: which resources the store holds encrypted")
    )
    encryption_provider_config_automatic_reload: bool = field(
        default=True, metadata=_flag("read that file again when it changes")
    )
    etcd_compaction_interval_s: float = field(
        default=300.0,
        metadata=_flag("how often old revisions are dropped; 0 never", "etcd-compaction-interval"),
    )
    bind_address: str = field(default="0.0.0.0", metadata=_flag("address to listen on"))
    secure_port: int = field(default=6443, metadata=_flag("port of the HTTPS listener"))
    advertise_address: str = field(
        default="", metadata=_flag("address of this server for Endpoints of the service kubernetes")
    )
    tls_cert_file: Path | None = field(default=None, metadata=_flag("server certificate, PEM"))
    tls_private_key_file: Path | None = field(default=None, metadata=_flag("its key, PEM"))
    client_ca_file: Path | None = field(default=None, metadata=_flag("CA of client certificates"))
    requestheader_client_ca_file: Path | None = field(
        default=None, metadata=_flag("CA of the front proxy whose X-Remote-* headers are believed")
    )
    requestheader_allowed_names: tuple[str, ...] = field(
        default=(), metadata=_flag("common names of the front proxy; none means any")
    )
    token_auth_file: Path | None = field(default=None, metadata=_flag("CSV of static bearer tokens"))
    enable_bootstrap_token_auth: bool = field(default=True, metadata=_flag("accept bootstrap tokens"))
    anonymous_auth: bool = field(
        default=True, metadata=_flag("let requests without credentials in as anonymous")
    )
    service_account_issuer: str = field(
        default="https://kubernetes.default.svc.cluster.local",
        metadata=_flag("issuer of service account tokens"),
    )
    service_account_signing_key_file: Path | None = field(
        default=None, metadata=_flag("EC or RSA key that signs service account tokens")
    )
    service_account_key_file: tuple[str, ...] = field(
        default=(), metadata=_flag("keys that verify service account tokens; the signing key if none")
    )
    api_audiences: tuple[str, ...] = field(
        default=(), metadata=_flag("audiences of this API; the issuer if none")
    )
    authorization_mode: tuple[str, ...] = field(
        default=("Node", "RBAC"), metadata=_flag("authorizers in order: Node, RBAC, AlwaysAllow, AlwaysDeny")
    )
    feature_gates: tuple[str, ...] = field(
        default=(), metadata=_flag("alpha features, as GenericWorkload=true,...; all are off by default")
    )
    runtime_config: tuple[str, ...] = field(
        default=(),
        metadata=_flag("alpha versions to serve, as scheduling.k8s.io/v1alpha2=true,...; none by default"),
    )
    enable_admission_plugins: tuple[str, ...] = field(
        default=(), metadata=_flag("plugins on besides the default")
    )
    disable_admission_plugins: tuple[str, ...] = field(default=(), metadata=_flag("plugins off"))
    admission_control_config_file: Path | None = field(
        default=None, metadata=_flag("AdmissionConfiguration: settings of admission plugins")
    )
    audit_log_path: Path | None = field(default=None, metadata=_flag("file of the audit log"))
    audit_policy_file: Path | None = field(
        default=None, metadata=_flag("audit policy; without one the metadata of every request are logged")
    )
    audit_log_maxage: int = field(
        default=30, metadata=_flag("days that old audit log files are kept; 0: for ever")
    )
    audit_log_maxsize: int = field(default=100, metadata=_flag("megabytes of an audit log file"))
    audit_log_maxbackup: int = field(default=10, metadata=_flag("old audit log files kept"))
    service_cluster_ip_range: str = field(default="10.96.0.0/16", metadata=_flag("CIDR of service addresses"))
    service_node_port_range: str = field(default="30000-32767", metadata=_flag("ports of NodePort services"))
    event_ttl_s: float = field(default=3600.0, metadata=_flag("how long events are kept", "event-ttl"))
    request_timeout_s: float = field(
        default=60.0, metadata=_flag("longest time of a request", "request-timeout")
    )
    max_requests_inflight: int = field(default=400, metadata=_flag("reads under way at once; 0: no limit"))
    max_mutating_requests_inflight: int = field(
        default=200, metadata=_flag("writes under way at once; 0: no limit")
    )
    proxy_client_cert_file: Path | None = field(
        default=None,
        metadata=_flag("client certificate of this server as the front proxy of aggregated APIs"),
    )
    proxy_client_key_file: Path | None = field(default=None, metadata=_flag("its key"))
    enable_priority_and_fairness: bool = field(
        default=True,
        metadata=_flag("share what the two limits add up to among priority levels, queue what is more"),
    )
    kubelet_client_certificate: Path | None = field(
        default=None, metadata=_flag("client certificate for node agents")
    )
    kubelet_client_key: Path | None = field(default=None, metadata=_flag("its key"))
    kubelet_certificate_authority: Path | None = field(
        default=None, metadata=_flag("CA of the node agents' serving certificates")
    )
    kubelet_preferred_address_types: tuple[str, ...] = field(
        default=("InternalIP", "ExternalIP", "Hostname"),
        metadata=_flag("which address of a node to call"),
    )
    reuse_port: bool = field(
        default=False, metadata=_flag("several servers share the port", "permit-port-sharing")
    )
    workers: int = field(
        default=1, metadata=_flag("processes that share the port, for more cores; the store must be etcd")
    )

    def as_worker(self) -> "Config":
        """Return the settings of each worker process. Exits if several cannot share the store or the port."""
        if self.etcd_servers.startswith(("memory", "sqlite")):
            sys.exit("--workers needs a store that processes can share: --etcd-servers=URL of an etcd")
        if not self.secure_port:
            sys.exit("--workers needs a port that processes can share: --secure-port=NUMBER")
        return replace(self, reuse_port=True)
