"""How much of a quota an object uses, and which quotas look at it. Pure.

Called by the ResourceQuota plugin. Amounts are billionths (`Quantity.nano`).
Source: k8s.io/apiserver/pkg/quota/v1, pkg/quota/v1/evaluator/core (1.36).
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

from api.podspec import is_terminal, pod_limits, pod_requests, qos_class
from api.quantity import NANO, parse_quantity
from api.resource import Obj, Resource
from api.types.core_v1 import (
    CONFIGMAPS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SECRETS,
    SERVICES,
)

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
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_CLASS_SUFFIX = ".storageclass.storage.k8s.io/"
# Names of compute resources that make it a duty to state them: a pod that does not is refused.
REQUIRED = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")


def usage_of(resource: Resource[Any], obj: Obj) -> Usage:
    """Return what an object uses, by quota name."""
    used: Usage = {f"count/{resource.group_resource}": NANO}
    if resource is PODS:
        return {**used, **_pod_usage(obj)} if not is_terminal(obj) else used
    if resource in _COUNTED:
        used[resource.plural] = NANO
    if resource is SERVICES:
        used |= _service_usage(obj)
    elif resource is PERSISTENTVOLUMECLAIMS:
        used |= _claim_usage(obj)
    return used


def _pod_usage(pod: Obj) -> Usage:
    used: Usage = {"pods": NANO}
    for name, number in pod_requests(pod).items():
        nano = number * (10**6 if name == "cpu" else NANO)
        used[f"requests.{name}"] = nano
        if name in _COMPUTE or name.startswith("hugepages-"):
            used[name] = nano
    for name, number in pod_limits(pod).items():
        if name in _COMPUTE:
            used[f"limits.{name}"] = number * (10**6 if name == "cpu" else NANO)
    return used


def _service_usage(service: Obj) -> Usage:
    spec = service.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    ports = len(spec.get("ports") or ())
    if kind == "LoadBalancer":
        with_ports = spec.get("allocateLoadBalancerNodePorts", True)
        given = sum(1 for port in spec.get("ports") or () if port.get("nodePort"))
        return {"services.loadbalancers": NANO, "services.nodeports": (ports if with_ports else given) * NANO}
    return {"services.nodeports": ports * NANO} if kind == "NodePort" else {}


def _claim_usage(claim: Obj) -> Usage:
    spec = claim.get("spec") or {}
    size = parse_quantity((((spec.get("resources") or {}).get("requests")) or {}).get("storage", 0)).nano
    used: Usage = {"requests.storage": size}
    storage_class = spec.get("storageClassName")
    if storage_class:
        used[f"{storage_class}{_CLASS_SUFFIX}requests.storage"] = size
        used[f"{storage_class}{_CLASS_SUFFIX}persistentvolumeclaims"] = NANO
    return used


def matches(quota: Obj, resource: Resource[Any], obj: Obj) -> bool:
    """Tell whether a quota's scopes take an object in; scopes concern pods alone."""
    spec = quota.get("spec") or {}
    terms = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    terms += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    if not terms:
        return True
    return resource is PODS and all(_in_scope(term, obj) for term in terms)


def _in_scope(term: Obj, pod: Obj) -> bool:
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
            return _priority_matches(term, spec.get("priorityClassName") or "")
        case "CrossNamespacePodAffinity":
            return _crosses_namespaces(spec)
    return False


def _priority_matches(term: Obj, name: str) -> bool:
    values = term.get("values") or ()
    match term.get("operator"):
        case "In":
            return name in values
        case "NotIn":
            return name not in values
        case "Exists":
            return bool(name)
        case "DoesNotExist":
            return not name
    return False


def _crosses_namespaces(spec: Obj) -> bool:
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        weighted = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [item["podAffinityTerm"] for item in weighted]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def missing_amounts(hard: Iterable[str], pod: Obj) -> list[str]:
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
