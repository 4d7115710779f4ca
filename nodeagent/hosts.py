"""What a container sees as its host name, `/etc/hosts` and `/etc/resolv.conf`. PURE.

Called by the pod worker.
Source: pkg/kubelet/kubelet_pods.go (hosts file, host name), pkg/kubelet/network/dns (1.36).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from api.resource import Obj

_HEADER = "# Kubernetes-managed hosts file.\n"
_HOST_NETWORK_HEADER = "# Kubernetes-managed hosts file (host network).\n"
_LOCAL = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)
# Linux's limit for a host name (__NEW_UTS_LEN).
_HOSTNAME_LIMIT = 64
# What the resolver of glibc takes, and upstream's limits of the search list.
_MAX_SERVERS, _MAX_SEARCHES, _MAX_SEARCH_CHARS = 3, 32, 2048


class HostnameError(ValueError):
    """The pod's host name cannot be set."""


@dataclass(frozen=True)
class DNSConfig:
    """The content of a resolv.conf; options are `name` or `name:value`."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def render(self) -> str:
        lines = [f"nameserver {server}" for server in self.servers]
        if self.searches:
            lines.insert(0, "search " + " ".join(self.searches))
        if self.options:
            lines.append("options " + " ".join(self.options))
        return "".join(line + "\n" for line in lines)


@dataclass(frozen=True)
class DNSSettings:
    """How this node resolves: the cluster's DNS, and the node's own resolv.conf."""

    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    host: DNSConfig = DNSConfig()


def hostname(pod: Obj, cluster_domain: str) -> tuple[str, str]:
    """Return (host name, domain) of the pod; the domain is "" unless `spec.subdomain` is set.

    Raises `HostnameError` if `setHostnameAsFQDN` asks for more than Linux takes.
    """
    spec, metadata = pod["spec"], pod["metadata"]
    if override := spec.get("hostnameOverride"):
        return override, ""
    name = spec.get("hostname") or metadata["name"][:63].rstrip("-.")
    if not spec.get("subdomain"):
        return name, ""
    return name, f"{spec['subdomain']}.{metadata['namespace']}.svc.{cluster_domain}"


def kernel_hostname(pod: Obj, cluster_domain: str) -> str:
    """Return what `hostname` prints in the pod: the short name, or the full one under `setHostnameAsFQDN`."""
    name, domain = hostname(pod, cluster_domain)
    if not (pod["spec"].get("setHostnameAsFQDN") and domain):
        return name
    full = f"{name}.{domain}"
    if len(full) > _HOSTNAME_LIMIT:
        raise HostnameError(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long "
            f"({_HOSTNAME_LIMIT} characters is the max, {len(full)} characters requested)"
        )
    return full


def hosts_file(pod: Obj, ips: Sequence[str], cluster_domain: str, node_hosts: str = "") -> str:
    """Return the pod's `/etc/hosts`; `node_hosts` is the node's own file, which hostNetwork pods see."""
    spec = pod["spec"]
    aliases = _alias_lines(spec.get("hostAliases") or ())
    if spec.get("hostNetwork"):
        return _HOST_NETWORK_HEADER + node_hosts + aliases
    name, domain = hostname(pod, cluster_domain)
    names = f"{name}.{domain}\t{name}" if domain else name
    return _HEADER + _LOCAL + "".join(f"{ip}\t{names}\n" for ip in ips) + aliases


def _alias_lines(aliases: Iterable[Obj]) -> str:
    lines = ["\t".join([alias["ip"], *(alias.get("hostnames") or ())]) for alias in aliases]
    if not lines:
        return ""
    return "\n# Entries added by HostAliases.\n" + "".join(line + "\n" for line in lines)


def is_hosts_file_managed(container: Obj) -> bool:
    """Return False if the container mounts something of its own at /etc/hosts."""
    mounts = container.get("volumeMounts") or ()
    return all(mount.get("mountPath", "").rstrip("/") != "/etc/hosts" for mount in mounts)


def parse_resolv_conf(text: str) -> DNSConfig:
    """Return the content of a resolv.conf; unknown lines are passed over, the last `search` counts."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        fields = line.split("#")[0].split(";")[0].split()
        if len(fields) < 2:
            continue
        match fields[0]:
            case "nameserver":
                servers.append(fields[1])
            case "search" | "domain":
                searches = [name.rstrip(".") or "." for name in fields[1:]]
            case "options":
                options = _merged_options(options, fields[1:])
    return DNSConfig(tuple(servers), tuple(name for name in searches if name != "."), tuple(options))


def dns_config(pod: Obj, settings: DNSSettings) -> DNSConfig:
    """Return the pod's resolv.conf by its dnsPolicy and dnsConfig, within the resolver's limits."""
    policy = _effective_policy(pod, settings)
    if policy == "None":
        base = DNSConfig()
    elif policy == "Default":
        base = settings.host
    else:
        domain = settings.cluster_domain
        namespace = pod["metadata"]["namespace"]
        own = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain)
        base = DNSConfig(settings.cluster_dns, _unique(own, settings.host.searches), ("ndots:5",))
    return _limited(_extended(base, pod["spec"].get("dnsConfig") or {}))


def _effective_policy(pod: Obj, settings: DNSSettings) -> str:
    policy = pod["spec"].get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and pod["spec"].get("hostNetwork"):
        return "Default"
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet") and not settings.cluster_dns:
        return "Default"
    return str(policy)


def _extended(base: DNSConfig, wanted: Obj) -> DNSConfig:
    added = [
        f"{option['name']}:{option['value']}" if option.get("value") else option["name"]
        for option in wanted.get("options") or ()
    ]
    return DNSConfig(
        _unique(base.servers, wanted.get("nameservers") or ()),
        _unique(base.searches, wanted.get("searches") or ()),
        tuple(_merged_options(base.options, added)),
    )


def _merged_options(base: Iterable[str], added: Iterable[str]) -> list[str]:
    merged = {option.partition(":")[0]: option for option in base}
    merged.update({option.partition(":")[0]: option for option in added})
    return list(merged.values())


def _unique(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))


def _limited(config: DNSConfig) -> DNSConfig:
    searches = list(config.searches[:_MAX_SEARCHES])
    while len(" ".join(searches)) > _MAX_SEARCH_CHARS:
        searches.pop()
    return DNSConfig(config.servers[:_MAX_SERVERS], tuple(searches), config.options)
