"""Whether this node takes a pod that was bound to it: the last word against stale or forced placement. PURE.

Called by the pod manager at the first sight of a pod. Reasons and messages are upstream's.
Source: pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/sysctl/allowlist.go (1.36).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from api.podspec import pod_requests
from api.quantity import milli, value
from api.resource import Obj
from api.taints import untolerated
from nodeagent.pod import order
from nodeagent.pod.status import Verdict

# Source: pkg/kubelet/sysctl/safe_sysctls.go.
SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    }
)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a pod takes of its node: resources as `pod_requests` has them, and (protocol, address, port)."""

    requests: tuple[tuple[str, int], ...]
    ports: tuple[tuple[str, str, int], ...]


def claims_of(pod: Obj) -> Claims:
    """Return the claims of a pod; equal ones are held once."""
    return _shared(Claims(tuple(sorted(pod_requests(pod).items())), tuple(_host_ports(pod))))


@lru_cache(maxsize=1024)
def _shared(claims: Claims) -> Claims:
    return claims


def admit(pod: Obj, others: Iterable[Claims], node: Obj) -> Verdict | None:
    """Return why the node refuses a pod, None if it takes it. `others`: of pods that hold resources here."""
    active, wanted = list(others), claims_of(pod)
    return (
        _sysctls(pod)
        or _insufficient(wanted, active, (node.get("status") or {}).get("allocatable") or {})
        or _ports(wanted, active)
        or _placement(pod, node)
        or _taints(pod, node)
    )


def _predicate(name: str, text: str) -> Verdict:
    return Verdict(name, f"Predicate {name} failed: {text}")


def _sysctls(pod: Obj) -> Verdict | None:
    for sysctl in (pod["spec"].get("securityContext") or {}).get("sysctls") or ():
        if sysctl["name"].replace("/", ".") not in SAFE_SYSCTLS:
            return Verdict("SysctlForbidden", f'forbidden sysctl: "{sysctl["name"]}" not allowlisted')
    return None


def _insufficient(wanted: Claims, active: list[Claims], allocatable: Mapping[str, str]) -> Verdict | None:
    if "pods" in allocatable and len(active) + 1 > value(allocatable["pods"]):
        return _out_of("pods", 1, len(active), value(allocatable["pods"]))
    used: dict[str, int] = {}
    for other in active:
        for name, amount in other.requests:
            used[name] = used.get(name, 0) + amount
    for name, amount in wanted.requests:
        # What the node does not know is accounted for elsewhere: by extenders of the scheduler, as devices.
        if not amount or name not in allocatable:
            continue
        total = milli(allocatable[name]) if name == "cpu" else value(allocatable[name])
        if used.get(name, 0) + amount > total:
            return _out_of(name, amount, used.get(name, 0), total)
    return None


def _out_of(name: str, requested: int, used: int, total: int) -> Verdict:
    text = (
        f"Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {total}"
    )
    return Verdict(f"OutOf{name}", text)


def _ports(wanted: Claims, active: list[Claims]) -> Verdict | None:
    taken = {port for other in active for port in other.ports}
    for protocol, ip, number in wanted.ports:
        for other_protocol, other_ip, other_number in taken:
            same_address = ip == other_ip or "0.0.0.0" in (ip, other_ip)
            if (protocol, number) == (other_protocol, other_number) and same_address:
                return _predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    return None


def _host_ports(pod: Obj) -> list[tuple[str, str, int]]:
    containers = [*order.app_containers(pod), *order.sidecars(pod)]
    return [
        (port.get("protocol") or "TCP", port.get("hostIP") or "0.0.0.0", int(port["hostPort"]))
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def _placement(pod: Obj, node: Obj) -> Verdict | None:
    labels = node["metadata"].get("labels") or {}
    selector = pod["spec"].get("nodeSelector") or {}
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    fits = all(labels.get(key) == text for key, text in selector.items())
    if fits and required:
        name = node["metadata"].get("name", "")
        fits = any(_matches_term(term, labels, name) for term in required.get("nodeSelectorTerms") or ())
    if fits:
        return None
    return _predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")


def _matches_term(term: Obj, labels: Mapping[str, str], name: str) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(_matches(one, labels) for one in expressions) and all(
        _matches(one, {"metadata.name": name}) for one in fields
    )


def _matches(expression: Obj, labels: Mapping[str, str]) -> bool:
    have, values = labels.get(expression["key"]), list(expression.get("values") or [])
    match expression.get("operator"):
        case "In":
            return have in values
        case "NotIn":
            return have not in values
        case "Exists":
            return have is not None
        case "DoesNotExist":
            return have is None
        case "Gt" | "Lt" as operator:
            try:
                left, right = int(have or ""), int(values[0])
            except (ValueError, IndexError):
                return False
            return left > right if operator == "Gt" else left < right
    return False


def _taints(pod: Obj, node: Obj) -> Verdict | None:
    """Only NoExecute counts here: the scheduler's effects are for the scheduler."""
    if (pod["metadata"].get("annotations") or {}).get("kubernetes.io/config.source") == "file":
        return None
    taints = (node.get("spec") or {}).get("taints") or []
    if untolerated(taints, pod["spec"].get("tolerations") or [], ["NoExecute"]):
        return _predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate")
    return None
