"""Requests and limits as the kernel takes them: shares, quotas, bytes, out-of-memory scores. PURE.

Called by `cri/convert.py` (containers) and the pod worker (the pod's own cgroup).
Source: pkg/kubelet/cm/helpers_linux.go, pkg/kubelet/qos/policy.go (1.36).
"""

from dataclasses import dataclass, field

from api.podspec import pod_limits, pod_requests, qos_class
from api.quantity import milli, value
from api.resource import Obj
from nodeagent.pod import order

PERIOD_US = 100_000
MIN_QUOTA_US = 1000
MIN_SHARES, MAX_SHARES = 2, 262_144
GUARANTEED_SCORE, BEST_EFFORT_SCORE = -997, 1000


@dataclass(frozen=True)
class Limits:
    """What one cgroup gets. 0 means: not set (`quota_us` -1: explicitly none)."""

    shares: int = 0
    quota_us: int = 0
    memory_bytes: int = 0
    oom_score_adj: int = 0
    hugepages: tuple[tuple[str, int], ...] = field(default=())


def shares_of(millicores: int) -> int:
    """Return cgroup v1 `cpu.shares` for a CPU request."""
    return min(MAX_SHARES, max(MIN_SHARES, millicores * 1024 // 1000))


def quota_of(millicores: int) -> int:
    """Return `cpu.cfs_quota_us` for a CPU limit; 0 without one."""
    return max(MIN_QUOTA_US, millicores * PERIOD_US // 1000) if millicores else 0


def weight_of(shares: int) -> int:
    """Return cgroup v2 `cpu.weight` for v1 shares."""
    return 1 + (min(MAX_SHARES, max(MIN_SHARES, shares)) - 2) * 9999 // 262142


def container_limits(pod: Obj, container: Obj, memory_capacity: int) -> Limits:
    """Return what a container's cgroup gets."""
    resources = container.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    cpu_request = requests.get("cpu", limits.get("cpu", 0))
    huge = tuple(
        sorted(
            (name.removeprefix("hugepages-"), value(amount))
            for name, amount in limits.items()
            if name.startswith("hugepages-")
        )
    )
    return Limits(
        shares_of(milli(cpu_request)),
        quota_of(milli(limits.get("cpu", 0))),
        value(limits.get("memory", 0)),
        oom_score(pod, container, memory_capacity),
        huge,
    )


def pod_cgroup_limits(pod: Obj) -> Limits:
    """Return what a pod's cgroup gets: limits only where every container has one."""
    requests, limits = pod_requests(pod), pod_limits(pod)
    containers = order.app_containers(pod) + order.init_containers(pod)
    bounded = {
        name: all(((one.get("resources") or {}).get("limits") or {}).get(name) for one in containers)
        for name in ("cpu", "memory")
    }
    return Limits(
        shares_of(requests.get("cpu", 0)),
        quota_of(limits.get("cpu", 0)) if bounded["cpu"] else 0,
        limits.get("memory", 0) if bounded["memory"] else 0,
    )


def oom_score(pod: Obj, container: Obj, memory_capacity: int) -> int:
    """Return `oom_score_adj`: the more of the node's memory a burstable container asked for, the safer it
    is.
    """
    if pod["spec"].get("priority", 0) >= 2_000_000_000:
        return GUARANTEED_SCORE
    match qos_class(pod):
        case "Guaranteed":
            return GUARANTEED_SCORE
        case "BestEffort":
            return BEST_EFFORT_SCORE
    requests = (container.get("resources") or {}).get("requests") or {}
    if not memory_capacity:
        return BEST_EFFORT_SCORE - 1
    score = 1000 - 1000 * value(requests.get("memory", 0)) // memory_capacity
    return min(BEST_EFFORT_SCORE - 1, max(1000 + GUARANTEED_SCORE, score))


def cgroup_parent(pod: Obj, root: str) -> str:
    """Return the pod's cgroup path: `/<root>/kubepods[/burstable|/besteffort]/pod<uid>`."""
    qos = (pod.get("status") or {}).get("qosClass") or qos_class(pod)
    return f"{_kubepods(root)}{_QOS_FOLDERS[qos]}/pod{pod['metadata']['uid']}"


def cgroup_paths(uid: str, root: str) -> list[str]:
    """Return every path that the cgroup of a pod may have."""
    return [f"{folder}/pod{uid}" for folder in pod_cgroup_folders(root)]


def pod_cgroup_folders(root: str) -> list[str]:
    """Return the cgroups in which those of pods may be: one per QoS class."""
    return [f"{_kubepods(root)}{folder}" for folder in _QOS_FOLDERS.values()]


_QOS_FOLDERS = {"Guaranteed": "", "Burstable": "/burstable", "BestEffort": "/besteffort"}


def _kubepods(root: str) -> str:
    return ("/" + root.strip("/") if root.strip("/") else "") + "/kubepods"
