"""Baseline checks: pods keep away from the host's namespaces, files, ports and addresses.

Called by way of `evaluate.py`. Source: k8s.io/pod-security-admission/policy check_host*.go (1.36).
"""

from collections.abc import Iterator

from api.podsecurity.check import PodView, Violation, named, plural, quoted
from api.resource import Obj

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")
_HOST_TEXT = "probe or lifecycle host"


def host_namespaces(pod: PodView) -> Violation | None:
    shared = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(name)]
    return Violation("host namespaces", ", ".join(f"{name}=true" for name in shared)) if shared else None


def host_path_volumes(pod: PodView) -> Violation | None:
    names = [item["name"] for item in pod.spec.get("volumes") or () if item.get("hostPath") is not None]
    return Violation("hostPath volumes", f"{plural('volume', len(names))} {quoted(names)}") if names else None


def host_ports(pod: PodView) -> Violation | None:
    ports: set[str] = set()
    names = []
    for name, container, _ in pod.containers:
        used = {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")}
        if used:
            names.append(name)
            ports |= used
    if not names:
        return None
    uses, word = plural("uses", len(names), "use"), plural("hostPort", len(ports))
    return Violation("hostPort", f"{named(names)} {uses} {word} {', '.join(sorted(ports))}")


def host_probes(pod: PodView) -> Violation | None:
    names: set[str] = set()
    hosts: set[str] = set()
    for name, container, _ in pod.containers:
        if found := set(_hosts(container)):
            names.add(name)
            hosts |= found
    if not names:
        return None
    uses, word = plural("uses", len(names), "use"), plural(_HOST_TEXT, len(hosts))
    return Violation(_HOST_TEXT, f"{named(sorted(names))} {uses} {word} {quoted(sorted(hosts))}")


def _hosts(container: Obj) -> Iterator[str]:
    hooks = container.get("lifecycle") or {}
    for handler in (*map(container.get, _PROBES), *map(hooks.get, _HOOKS)):
        for kind in ("httpGet", "tcpSocket"):
            if host := ((handler or {}).get(kind) or {}).get("host"):
                yield host
