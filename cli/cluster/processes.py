"""The processes of a local cluster as values: which there are, where they run, with which command lines.
Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.cluster.layout import Layout, Node
from store.process import socket_url


@dataclass(frozen=True)
class Process:
    """One supervised process: a component of ours (forked from the preloaded supervisor) or a program."""

    name: str
    argv: tuple[str, ...]
    component: str = ""  # apiserver, scheduler, ...; "" for a program
    netns: str = ""
    node: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    # A program that serves on this socket is ready when the socket is there.
    socket: Path | None = None


def compute_processes(layout: Layout, store: tuple[str, ...]) -> list[Process]:
    """Return every process in the order of starting. `store` is the command line of etcd, empty without
    one.
    """
    found = [Process("etcd", store)] if store else []
    wanted = layout.settings.components
    for name, argv in (
        ("apiserver", _apiserver(layout)),
        ("scheduler", _scheduler(layout)),
        ("controllers", _controllers(layout)),
    ):
        if name in wanted:
            found.append(Process(name, (*argv, *_extra(layout, name)), component=name))
    if layout.settings.runtime == "hollow":
        if layout.settings.nodes:
            found.append(Process("hollow", (*_hollow(layout), *_extra(layout, "node")), component="hollow"))
        return found
    for node in layout.nodes():
        found += _node_processes(layout, node)
    if layout.settings.nodes:
        found.append(Process("proxy", (*_proxy(layout, None), *_extra(layout, "proxy")), component="proxy"))
    return found


def _extra(layout: Layout, component: str) -> tuple[str, ...]:
    return layout.settings.extra.get(component, ())


def _node_processes(layout: Layout, node: Node) -> list[Process]:
    config = node.dir / "containerd.toml"
    containerd = Process(
        f"{node.name}-containerd",
        ("containerd", "--config", str(config)),
        netns=node.netns,
        node=node.name,
        socket=node.containerd_socket,
    )
    ours = (
        ("agent", "node", (*_agent(layout, node), *_extra(layout, "node"))),
        ("proxy", "proxy", (*_proxy(layout, node), *_extra(layout, "proxy"))),
        ("dns", "dns", (*_dns(layout), *_extra(layout, "dns"))),
    )
    return [
        containerd,
        *(
            Process(f"{node.name}-{name}", argv, component=component, netns=node.netns, node=node.name)
            for name, component, argv in ours
        ),
    ]


def _store(layout: Layout) -> tuple[str, ...]:
    match layout.settings.store:
        case "etcd":
            if url := socket_url(layout.dir / "store" / "etcd"):
                return (f"--etcd-servers={url}",)
            certs = layout.pki / "etcd"
            return (
                f"--etcd-servers=https://127.0.0.1:{layout.etcd_port}",
                f"--etcd-cafile={certs}/ca.crt",
                f"--etcd-certfile={certs}/etcd.crt",
                f"--etcd-keyfile={certs}/etcd.key",
            )
        case "sqlite":
            return (f"--etcd-servers=sqlite:{layout.dir}/store/pelamis.db",)
        case "memory":
            return ("--etcd-servers=memory:",)
        case url:
            return (f"--etcd-servers={url}",)


def _apiserver(layout: Layout) -> tuple[str, ...]:
    pki, hollow = layout.pki, layout.settings.runtime == "hollow"
    return (
        f"--secure-port={layout.settings.port}",
        f"--bind-address={'127.0.0.1' if hollow else '0.0.0.0'}",
        f"--advertise-address={'127.0.0.1' if hollow else layout.gateway}",
        *_store(layout),
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
        f"--encryption-provider-config={layout.encryption_config}",
        f"--service-cluster-ip-range={layout.service_cidr}",
        f"--service-account-signing-key-file={pki}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
    )


def _scheduler(layout: Layout) -> tuple[str, ...]:
    return (
        f"--kubeconfig={layout.pki}/scheduler.kubeconfig",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={layout.scheduler_port}",
    )


def _controllers(layout: Layout) -> tuple[str, ...]:
    return (
        f"--kubeconfig={layout.pki}/controllers.kubeconfig",
        "--leader-elect=false",
        "--secure-port=0",
        f"--root-ca-file={layout.pki}/ca.crt",
        f"--cluster-cidr={layout.cluster_cidr}",
        "--node-cidr-mask-size=24",
    )


def _agent(layout: Layout, node: Node) -> tuple[str, ...]:
    return (
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        f"--kubeconfig={layout.pki}/{node.name}.kubeconfig",
        f"--container-runtime-endpoint={node.runtime_endpoint}",
        f"--root-dir={node.dir}/agent",
        f"--pod-log-dir={node.dir}/logs",
        f"--cgroup-root={layout.cgroup_root}/{node.name}",
        f"--cni-conf-dir={node.dir}/cni/net.d",
        f"--cni-data-dir={node.dir}/cni/data",
        f"--cluster-cidr={layout.cluster_cidr}",
        f"--cluster-dns={layout.dns_address}",
        "--cluster-domain=cluster.local",
        f"--tls-cert-file={layout.pki}/{node.name}.crt",
        f"--tls-private-key-file={layout.pki}/{node.name}.key",
        f"--client-ca-file={layout.pki}/ca.crt",
    )


def _hollow(layout: Layout) -> tuple[str, ...]:
    nodes, root = f"--nodes={layout.settings.nodes}", f"--root-dir={layout.dir}/nodes"
    if layout.is_crowd:
        return (nodes, root, f"--kubeconfig={layout.pki}/hollow.kubeconfig")
    return (
        nodes,
        root,
        f"--kubeconfig-template={layout.pki}/{{node}}.kubeconfig",
        f"--tls-template={layout.pki}/{{node}}",
        f"--client-ca-file={layout.pki}/ca.crt",
    )


def _proxy(layout: Layout, node: Node | None) -> tuple[str, ...]:
    """The host runs a proxy too, so that services and pods can be reached from the machine itself."""
    return (
        f"--kubeconfig={layout.pki}/proxy.kubeconfig",
        f"--cluster-cidr={layout.cluster_cidr}",
        f"--table=pelamis-{layout.settings.index}",
        *((f"--hostname-override={node.name}",) if node else ()),
    )


def _dns(layout: Layout) -> tuple[str, ...]:
    return (
        f"--kubeconfig={layout.pki}/dns.kubeconfig",
        f"--bind-address={layout.dns_address}",
        "--claim-address",
        "--cluster-domain=cluster.local",
        f"--cluster-cidr={layout.cluster_cidr}",
        f"--service-cidr={layout.service_cidr}",
    )
