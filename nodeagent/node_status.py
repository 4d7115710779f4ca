"""The Node object as this agent sees it: labels, capacity, conditions, information. PURE.

Called by `nodeagent/node.py`. Source: pkg/kubelet/nodestatus/setters.go, kubelet_node_status.go (1.36).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.quantity import canonical
from api.resource import Obj
from api.times import format_time
from api.version import KUBERNETES
from nodeagent.machine import Load, Machine

MAX_IMAGES = 50
HEARTBEAT_ONLY = ("lastHeartbeatTime",)


@dataclass(frozen=True)
class Runtime:
    """What the runtime said: its conditions as name -> (status, reason, message); None: it did not answer."""

    version: str = ""
    conditions: Mapping[str, tuple[bool, str, str]] | None = None
    # (names, bytes), any order.
    images: Sequence[tuple[Sequence[str], int]] = ()


@dataclass(frozen=True)
class NodeSpec:
    """What the agent's settings say about its node."""

    name: str
    ips: tuple[str, ...]
    port: int = 10250
    max_pods: int = 110
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Obj] = ()
    provider_id: str = ""
    # Kept from pods: cpu in millicores, the rest in units.
    reserved: Mapping[str, int] = field(default_factory=dict)
    eviction_memory_bytes: int = 100 << 20
    eviction_disk_percent: float = 3.0


def new_node(spec: NodeSpec, machine: Machine) -> Obj:
    """Return the object with which the node registers, without its status."""
    body: Obj = {"taints": list(spec.taints)} if spec.taints else {}
    if spec.provider_id:
        body["providerID"] = spec.provider_id
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": spec.name,
            "labels": default_labels(spec, machine),
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": body,
    }


def default_labels(spec: NodeSpec, machine: Machine) -> dict[str, str]:
    arch = machine.architecture
    return {
        "kubernetes.io/hostname": spec.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": arch,
        **spec.labels,
    }


def capacity(spec: NodeSpec, machine: Machine) -> dict[str, str]:
    return {
        "cpu": str(machine.cpus),
        "memory": f"{machine.memory_bytes // 1024}Ki",
        "ephemeral-storage": f"{machine.disk_bytes // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "pods": str(spec.max_pods),
    }


def allocatable(spec: NodeSpec, machine: Machine) -> dict[str, str]:
    """Return what pods may ask for: capacity less what is reserved and what eviction keeps free."""
    reserved = spec.reserved
    cpu = machine.cpus * 1000 - reserved.get("cpu", 0)
    memory = machine.memory_bytes - reserved.get("memory", 0) - spec.eviction_memory_bytes
    disk = int(machine.disk_bytes * (1 - spec.eviction_disk_percent / 100)) - reserved.get(
        "ephemeral-storage", 0
    )
    return {
        **capacity(spec, machine),
        "cpu": str(cpu // 1000) if cpu % 1000 == 0 else f"{cpu}m",
        "memory": f"{max(0, memory) // 1024}Ki",
        "ephemeral-storage": str(max(0, disk)),
    }


def compute_node_status(
    spec: NodeSpec, machine: Machine, load: Load, runtime: Runtime, old: Obj, now: datetime
) -> Obj:
    """Return the status to be. What others keep in it (extended resources, their conditions) is left
    alone.
    """
    kept = {
        key: amount
        for key, amount in (old.get("capacity") or {}).items()
        if "/" in key and not key.startswith("hugepages")
    }
    kept_allocatable = {key: amount for key, amount in (old.get("allocatable") or {}).items() if key in kept}
    images = sorted(runtime.images, key=lambda one: one[1], reverse=True)[:MAX_IMAGES]
    status: Obj = {
        "addresses": [
            *({"type": "InternalIP", "address": ip} for ip in spec.ips),
            {"type": "Hostname", "address": spec.name},
        ],
        "capacity": {**kept, **capacity(spec, machine)},
        "allocatable": {**kept_allocatable, **allocatable(spec, machine)},
        "conditions": _conditions(spec, load, runtime, old, now),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": spec.port}},
        "nodeInfo": _node_info(machine, runtime),
    }
    if runtime.conditions is not None:
        status["images"] = [{"names": list(names), "sizeBytes": size} for names, size in images]
    return status


def _node_info(machine: Machine, runtime: Runtime) -> Obj:
    return {
        "architecture": machine.architecture,
        "bootID": machine.boot_id,
        "containerRuntimeVersion": runtime.version,
        "kernelVersion": machine.kernel,
        "kubeProxyVersion": "",
        "kubeletVersion": KUBERNETES,
        "machineID": machine.machine_id,
        "operatingSystem": "linux",
        "osImage": machine.os_image,
        "systemUUID": machine.system_uuid,
    }


def _conditions(spec: NodeSpec, load: Load, runtime: Runtime, old: Obj, now: datetime) -> list[Obj]:
    before = {one["type"]: one for one in old.get("conditions") or ()}
    low_memory = 0 <= load.memory_available_bytes < spec.eviction_memory_bytes
    low_disk = 0 <= load.disk_available_percent < spec.eviction_disk_percent
    wanted = (
        ("MemoryPressure", *_memory(low_memory)),
        ("DiskPressure", *_disk(low_disk)),
        (
            "PIDPressure",
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        ("Ready", *_ready(runtime)),
    )
    text = format_time(now)
    conditions = []
    for kind, status, reason, message in wanted:
        same = before.get(kind, {}).get("status") == status
        moment = before[kind].get("lastTransitionTime") or text if same else text
        conditions.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": text,
                "lastTransitionTime": moment,
            }
        )
    return conditions


def _memory(low: bool) -> tuple[str, str, str]:
    if low:
        return "True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"
    return "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"


def _disk(low: bool) -> tuple[str, str, str]:
    if low:
        return "True", "KubeletHasDiskPressure", "kubelet has disk pressure"
    return "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"


def _ready(runtime: Runtime) -> tuple[str, str, str]:
    if runtime.conditions is None:
        return "False", "KubeletNotReady", "container runtime is down"
    problems = []
    for name, what in (("RuntimeReady", "container runtime"), ("NetworkReady", "container runtime network")):
        good, reason, message = runtime.conditions.get(name, (False, "", "condition missing"))
        if not good:
            problems.append(f"{what} not ready: {name}=false reason:{reason} message:{message}")
    if problems:
        text = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        return "False", "KubeletNotReady", text
    return "True", "KubeletReady", "kubelet is posting ready status"


def differs(old: Obj, new: Obj) -> bool:
    """Return whether anything but heartbeat times differs."""
    for key, wanted in new.items():
        if key == "conditions":
            before = {one["type"]: _timeless(one) for one in old.get("conditions") or ()}
            if any(before.get(one["type"]) != _timeless(one) for one in wanted):
                return True
        elif key == "nodeInfo":
            have = old.get(key) or {}
            if any((have.get(name) or "") != text for name, text in wanted.items()):
                return True
        elif key in ("capacity", "allocatable"):
            if not _same_amounts(old.get(key) or {}, wanted):
                return True
        elif old.get(key) != wanted:
            return True
    return False


def _same_amounts(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """The API server writes quantities in their canonical form: `1048576Ki` comes back as `1Gi`."""
    return old.keys() == new.keys() and all(
        text == new[key] or canonical(text) == canonical(new[key]) for key, text in old.items()
    )


def _timeless(condition: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in condition.items() if key not in HEARTBEAT_ONLY}


def label_patch(node: Obj, spec: NodeSpec, machine: Machine) -> Obj:
    """Return the merge patch that gives an existing node this agent's labels; {} if it has them."""
    have = node["metadata"].get("labels") or {}
    missing = {key: text for key, text in default_labels(spec, machine).items() if have.get(key) != text}
    return {"metadata": {"labels": missing}} if missing else {}
