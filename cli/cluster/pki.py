"""Certificates, keys and kubeconfigs of a local cluster. Kept over `stop` and `start` while valid."""

import base64
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cli.cluster.layout import Layout
from kit import files, rand, tls

# user, groups: the identities that upstream's bootstrap roles are bound to.
CLIENTS = {
    "admin": ("kubernetes-admin", ("system:masters",)),
    "scheduler": ("system:kube-scheduler", ()),
    "controllers": ("system:kube-controller-manager", ()),
    "proxy": ("system:kube-proxy", ()),
    "dns": ("system:kube-dns", ()),
}
# All nodes of a crowd at once; no role of upstream's is for that.
HOLLOW_CLIENT = ("pelamis:hollow-nodes", ("system:masters",))
# A certificate that is valid for no longer than this is made anew by the next `up` or `start`.
RENEW_DAYS = 60.0
KUBELET_CLIENT = ("kube-apiserver-kubelet-client", ("kubeadm:cluster-admins",))


def write_pki(layout: Layout) -> None:
    """Make whatever is missing under `layout.pki`, and the kubeconfigs."""
    ca = _ensure_ca(layout.pki / "ca", f"pelamis-{layout.settings.index}")
    front_proxy = _ensure_ca(layout.pki / "front-proxy-ca", "front-proxy-ca")
    if not (layout.pki / "sa.key").exists():
        files.write_atomic(layout.pki / "sa.key", tls.new_key(), 0o600)
    if not layout.encryption_config.exists():
        files.write_atomic(layout.encryption_config, _encryption_config(), 0o600)
    _ensure(
        layout.pki / "apiserver", lambda: tls.issue(ca, "kube-apiserver", server_names=_server_names(layout))
    )
    _ensure(layout.pki / "apiserver-kubelet-client", lambda: tls.issue(ca, *KUBELET_CLIENT))
    _ensure(layout.pki / "front-proxy-client", lambda: tls.issue(front_proxy, "front-proxy-client"))
    clients = CLIENTS | ({"hollow": HOLLOW_CLIENT} if layout.is_crowd else {})
    for name, (user, groups) in clients.items():
        pair = _ensure(layout.pki / name, partial(tls.issue, ca, user, groups))
        target = layout.kubeconfig if name == "admin" else layout.pki / f"{name}.kubeconfig"
        server = layout.node_server if name in ("proxy", "dns") else layout.server
        _write_kubeconfig(target, server, ca.cert, pair, user)
    for node in layout.nodes() if not layout.is_crowd else ():
        user, base = f"system:node:{node.name}", layout.pki / node.name
        names = (node.name, node.address)
        pair = _ensure(base, partial(tls.issue, ca, user, ("system:nodes",), server_names=names))
        _write_kubeconfig(base.with_name(f"{node.name}.kubeconfig"), layout.node_server, ca.cert, pair, user)


def _encryption_config() -> str:
    """Secrets are sealed with a key of this cluster's own; what was stored without it stays readable."""
    secret = base64.b64encode(rand.raw(32)).decode()
    return f"""kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
  - resources: [secrets]
    providers:
      - secretbox: {{keys: [{{name: key1, secret: {secret}}}]}}
      - identity: {{}}
"""


def _server_names(layout: Layout) -> tuple[str, ...]:
    service = "kubernetes.default.svc"
    inside = ("kubernetes", "kubernetes.default", service, f"{service}.cluster.local", layout.service_address)
    return ("localhost", "127.0.0.1", layout.gateway, *inside)


def _ensure_ca(base: Path, name: str) -> tls.KeyPair:
    return _ensure(base, lambda: tls.new_ca(name))


def _ensure(base: Path, make: Callable[[], tls.KeyPair]) -> tls.KeyPair:
    if base.with_name(base.name + ".crt").exists():
        pair = tls.KeyPair.load(base)
        if tls.days_left(pair.cert) > RENEW_DAYS:
            return pair
    pair = make()
    pair.save(base)
    return pair


def _write_kubeconfig(path: Path, server: str, ca: bytes, pair: tls.KeyPair, user: str) -> None:
    def b64(data: bytes) -> str:
        return base64.b64encode(data).decode()

    text = f"""apiVersion: v1
kind: Config
clusters:
- name: pelamis
  cluster:
    server: {server}
    certificate-authority-data: {b64(ca)}
users:
- name: {user}
  user:
    client-certificate-data: {b64(pair.cert)}
    client-key-data: {b64(pair.key)}
contexts:
- name: pelamis
  context: {{cluster: pelamis, user: {user}}}
current-context: pelamis
"""
    files.write_atomic(path, text, 0o600)
