"""How much of a quota an object uses, which quotas look at it, and what a name in a quota counts. Pure.

Called by the ResourceQuota plugin (what a new object takes) and by the quota controller (what is taken).
Amounts are billionths (`Quantity.nano`).
Source: k8s.io/apiserver/pkg/quota/v1, pkg/quota/v1/evaluator/core (1.36).
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from api.core.pod_resources import is_native
from api.podspec import add_to, exact_amounts, is_terminal, qos_class, raise_to
from api.quantity import NANO, value
from api.resource import Resource
from api.times import parse_time
from api.types.core_v1 import (
    CONFIGMAPS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SECRETS,
    SERVICES,
)
from api.types.resource_v1 import RESOURCECLAIMS

Usage: TypeAlias = dict[str, int]

# Kinds that are counted under their bare plural as well as under `count/...`.
_COUNTED = (
    CONFIGMAPS,
    SECRETS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SERVICES,
    PERSISTENTVOLUMECLAIMS,
    PODS,
)
# Kinds of which more is counted than that they exist.
MEASURED = (PODS, SERVICES, PERSISTENTVOLUMECLAIMS, RESOURCECLAIMS)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNT, _REQUESTS, _HUGE = "count/", "requests.", "hugepages-"
_CLASS_SUFFIX = ".storageclass.storage.k8s.io/"
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEVICES_SUFFIX = ".deviceclass.resource.k8s.io/devices"
# Devices that a request for all of a class is counted as: an allocation holds no more.
_ALL_DEVICES = 32
# Names of compute resources that make it a duty to state them: a pod that does not is refused.
REQUIRED = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
_KINDS = {
    **{resource.plural: resource.plural for resource in _COUNTED},
    **dict.fromkeys(_COMPUTE, "pods"),
    **{f"{prefix}.{name}": "pods" for prefix in ("requests", "limits") for name in _COMPUTE},
    "requests.storage": "persistentvolumeclaims",
    "services.nodeports": "services",
    "services.loadbalancers": "services",
}


def counted_by(name: str) -> str:
    """Return whose objects use up what a quota calls `name`: `pods`, `deployments.apps`; "" if none do."""
    if name.startswith(_COUNT):
        return name.removeprefix(_COUNT)
    if name in _KINDS:
        return _KINDS[name]
    if name.endswith((f"{_CLASS_SUFFIX}requests.storage", f"{_CLASS_SUFFIX}persistentvolumeclaims")):
        return "persistentvolumeclaims"
    if name.endswith(_DEVICES_SUFFIX):
        return RESOURCECLAIMS.group_resource
    plain = name.removeprefix(_REQUESTS)
    extended = plain != name and not is_native(name)
    return "pods" if extended or plain.startswith(_HUGE) else ""


def usage_of(resource: Resource[Any], obj: Mapping[str, Any], now: datetime | None = None) -> Usage:
    """Return what an object uses, by quota name; pods that should be gone by `now` only count as objects."""
    used: Usage = {f"{_COUNT}{resource.group_resource}": NANO}
    if resource is PODS:
        return {**used, **_pod_usage(obj)} if _takes_part(obj, now) else used
    if resource in _COUNTED:
        used[resource.plural] = NANO
    if resource is SERVICES:
        used |= _service_usage(obj)
    elif resource is PERSISTENTVOLUMECLAIMS:
        used |= _claim_usage(obj)
    elif resource is RESOURCECLAIMS:
        used |= _device_usage(obj)
    return used


def _takes_part(pod: Mapping[str, Any], now: datetime | None) -> bool:
    if is_terminal(pod):
        return False
    freed = freed_at(pod) if now is not None else None
    return freed is None or now is None or now <= freed


def freed_at(pod: Mapping[str, Any]) -> datetime | None:
    """Return after which moment a pod that is being deleted is no longer counted: its node may be lost."""
    metadata = pod["metadata"]
    grace_s = metadata.get("deletionGracePeriodSeconds")
    if "deletionTimestamp" not in metadata or grace_s is None:
        return None
    return parse_time(metadata["deletionTimestamp"]) + timedelta(seconds=grace_s)


def _pod_usage(pod: Mapping[str, Any]) -> Usage:
    used: Usage = {"pods": NANO}
    for name, nano in exact_amounts(pod, "requests").items():
        used[f"{_REQUESTS}{name}"] = nano
        if name in _COMPUTE or name.startswith(_HUGE):
            used[name] = nano
    for name, nano in exact_amounts(pod, "limits").items():
        if name in _COMPUTE:
            used[f"limits.{name}"] = nano
    return used


def _service_usage(service: Mapping[str, Any]) -> Usage:
    spec = service.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    ports = len(spec.get("ports") or ())
    if kind == "LoadBalancer":
        with_ports = spec.get("allocateLoadBalancerNodePorts", True)
        given = sum(1 for port in spec.get("ports") or () if port.get("nodePort"))
        return {"services.loadbalancers": NANO, "services.nodeports": (ports if with_ports else given) * NANO}
    return {"services.nodeports": ports * NANO} if kind == "NodePort" else {}


def _claim_usage(claim: Mapping[str, Any]) -> Usage:
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    used: Usage = {}
    requests = (spec.get("resources") or {}).get("requests") or {}
    if "storage" in requests:
        # While a volume grows, or a growth is taken back, the larger size is what it takes.
        sizes = (requests["storage"], (status.get("allocatedResources") or {}).get("storage", 0))
        used["requests.storage"] = max(value(size) for size in sizes) * NANO
    annotations = claim["metadata"].get("annotations") or {}
    storage_class = annotations.get(_OLD_CLASS) or spec.get("storageClassName")
    if storage_class:
        counted = {**used, "persistentvolumeclaims": NANO}
        used |= {f"{storage_class}{_CLASS_SUFFIX}{name}": nano for name, nano in counted.items()}
    return used


def _device_usage(claim: Mapping[str, Any]) -> Usage:
    used: Usage = {}
    for request in ((claim.get("spec") or {}).get("devices") or {}).get("requests") or ():
        most: Usage = {}
        for choice in request.get("firstAvailable") or [request.get("exactly") or {}]:
            raise_to(most, _devices(choice))
        add_to(used, most)
    return used


def _devices(choice: Mapping[str, Any]) -> Usage:
    if "deviceClassName" not in choice:
        return {}
    all_of_them = choice.get("allocationMode") == "All"
    number = _ALL_DEVICES if all_of_them else choice.get("count", 1)
    return {f"{choice['deviceClassName']}{_DEVICES_SUFFIX}": number * NANO}


def matches(quota: Mapping[str, Any], resource: Resource[Any], obj: Mapping[str, Any]) -> bool:
    """Tell whether a quota's scopes take an object in: they name pods, or claims by their attributes."""
    spec = quota.get("spec") or {}
    terms = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    terms += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    if not terms:
        return True
    if resource is PODS:
        return all(_in_scope(term, obj) for term in terms)
    return resource is PERSISTENTVOLUMECLAIMS and all(_has_attributes(term, obj) for term in terms)


def _in_scope(term: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    spec = pod["spec"]
    match term["scopeName"]:
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return qos_class(pod) == "BestEffort"
        case "NotBestEffort":
            return qos_class(pod) != "BestEffort"
        case "PriorityClass":
            return _selects(term, {spec.get("priorityClassName") or ""})
        case "CrossNamespacePodAffinity":
            return _crosses_namespaces(spec)
    return False


def _has_attributes(term: Mapping[str, Any], claim: Mapping[str, Any]) -> bool:
    if term["scopeName"] != "VolumeAttributesClass":
        return False
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    target = (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName")
    found = (spec.get("volumeAttributesClassName"), status.get("currentVolumeAttributesClassName"), target)
    return _selects(term, {name for name in found if name} or {""})


def _selects(term: Mapping[str, Any], names: Collection[str]) -> bool:
    """Say whether a term takes one of these names; "" stands for none."""
    values = term.get("values") or ()
    match term.get("operator"):
        case "In":
            return any(name in values for name in names)
        case "NotIn":
            return any(name not in values for name in names)
        case "Exists":
            return any(names)
        case "DoesNotExist":
            return not any(names)
    return False


def _crosses_namespaces(spec: Mapping[str, Any]) -> bool:
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        weighted = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [item["podAffinityTerm"] for item in weighted]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def missing_amounts(hard: Iterable[str], pod: Mapping[str, Any]) -> list[str]:
    """Return what a pod must state under these limits and does not: `limits.cpu for: a,b`."""
    wanted = sorted(name for name in hard if name in REQUIRED)
    spec = pod["spec"]
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    found = []
    for name in wanted:
        kind, _, amount = name.rpartition(".")
        key = kind or "requests"
        if amount in ((spec.get("resources") or {}).get(key) or {}):
            continue
        lacking = [
            item["name"]
            for item in containers
            if amount not in ((item.get("resources") or {}).get(key) or {})
        ]
        if lacking:
            found.append(f"{name} for: {','.join(sorted(lacking))}")
    return found
