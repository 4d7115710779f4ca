"""Where the API server is and as whom to speak to it: kubeconfig files and the service account of a pod.

Source: k8s.io/client-go/tools/clientcmd (1.36).
"""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

SERVICE_ACCOUNT_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(Exception):
    """The file is missing, is not a kubeconfig, or names something that it does not hold."""


@dataclass(frozen=True)
class Endpoint:
    """One way to one server. PEM data wins over the file of the same name; `token` over `token_file`."""

    server: str
    ca_file: Path | None = None
    ca_data: bytes = b""
    cert_file: Path | None = None
    cert_data: bytes = b""
    key_file: Path | None = None
    key_data: bytes = b""
    token: str = ""
    # Read again whenever it changes: bound tokens rotate.
    token_file: Path | None = None
    namespace: str = "default"
    insecure: bool = False
    # The name the server's certificate must bear, if it is not the host of `server`.
    tls_server_name: str = ""


def load(path: Path | str | None = None, context: str = "") -> Endpoint:
    """Return the endpoint of a context (default: the current one).

    Without `path`: `$KUBECONFIG`, then `~/.kube/config`. Raises `KubeconfigError`.
    """
    file = Path(path) if path else Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    try:
        data = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise KubeconfigError(f"cannot read {file}: {error}") from error
    if not isinstance(data, dict):
        raise KubeconfigError(f"{file} is not a kubeconfig")
    return parse(data, file.parent, context)


def parse(data: Mapping[str, Any], folder: Path, context: str = "") -> Endpoint:
    """Return the endpoint in a decoded kubeconfig; relative file names are taken from `folder`."""
    name = context or data.get("current-context", "")
    chosen = _named(data, "contexts", name, "context")
    cluster = _named(data, "clusters", chosen.get("cluster", ""), "cluster")
    user = _named(data, "users", chosen["user"], "user") if chosen.get("user") else {}

    def file(section: Mapping[str, Any], key: str) -> Path | None:
        return folder / section[key] if section.get(key) else None

    def pem(section: Mapping[str, Any], key: str) -> bytes:
        return base64.b64decode(section.get(key) or "")

    return Endpoint(
        server=cluster["server"].rstrip("/"),
        ca_file=file(cluster, "certificate-authority"),
        ca_data=pem(cluster, "certificate-authority-data"),
        cert_file=file(user, "client-certificate"),
        cert_data=pem(user, "client-certificate-data"),
        key_file=file(user, "client-key"),
        key_data=pem(user, "client-key-data"),
        token=user.get("token") or "",
        token_file=file(user, "tokenFile"),
        namespace=chosen.get("namespace") or "default",
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        tls_server_name=cluster.get("tls-server-name") or "",
    )


def in_cluster(folder: Path = SERVICE_ACCOUNT_DIR) -> Endpoint:
    """Return the endpoint of a process in a pod. Raises `KubeconfigError` outside of one."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port or not (folder / "token").exists():
        raise KubeconfigError("not in a pod: no service account or KUBERNETES_SERVICE_HOST")
    bracketed = f"[{host}]" if ":" in host else host
    return Endpoint(
        server=f"https://{bracketed}:{port}",
        ca_file=folder / "ca.crt",
        token_file=folder / "token",
        namespace=(folder / "namespace").read_text().strip(),
    )


def without_identity(endpoint: Endpoint) -> Endpoint:
    """Return the way to the same server as nobody."""
    return replace(
        endpoint, cert_file=None, cert_data=b"", key_file=None, key_data=b"", token="", token_file=None
    )


def _named(data: Mapping[str, Any], section: str, name: str, key: str) -> Mapping[str, Any]:
    for entry in data.get(section) or ():
        if entry.get("name") == name:
            return entry.get(key) or {}
    raise KubeconfigError(f"{key} {name!r} does not exist")
