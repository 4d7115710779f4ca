"""Every built-in resource in one list, in the order of discovery, and how to look one up.

Called by the API server (routes, discovery), the client, controllers (GC, namespaces) and the command line.
Custom resources are not here: they are `Resource` values made from their definitions.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from api.resource import Resource
from api.types import (
    admissionregistration_v1,
    apiextensions_v1,
    apiregistration_v1,
    apps_v1,
    authentication_v1,
    authorization_v1,
    autoscaling_v1,
    autoscaling_v2,
    batch_v1,
    certificates_v1,
    coordination_v1,
    core_v1,
    discovery_v1,
    events_v1,
    flowcontrol_v1,
    networking_v1,
    node_v1,
    policy_v1,
    rbac_v1,
    resource_v1,
    scheduling_v1,
    scheduling_v1alpha2,
    storage_v1,
)  # fmt: skip

# In the order of the groups' priorities, and of versions within a group: the first one is preferred.
# Source: kube-aggregator's apiVersionPriorities (pkg/controlplane/apiserver, 1.36).
_MODULES: tuple[ModuleType, ...] = (
    core_v1, apiregistration_v1, apps_v1, events_v1, authentication_v1, authorization_v1, autoscaling_v2,
    autoscaling_v1, batch_v1, certificates_v1, networking_v1, policy_v1, rbac_v1, storage_v1,
    admissionregistration_v1, apiextensions_v1, scheduling_v1, scheduling_v1alpha2, coordination_v1,
    node_v1, discovery_v1, flowcontrol_v1, resource_v1,
)  # fmt: skip

# `groupPriorityMinimum` of the APIService objects of built-in groups.
GROUP_PRIORITIES: dict[str, int] = {
    "": 18000, "apiregistration.k8s.io": 20000, "apps": 17800, "events.k8s.io": 17750,
    "authentication.k8s.io": 17700, "authorization.k8s.io": 17600, "autoscaling": 17500, "batch": 17400,
    "certificates.k8s.io": 17300, "networking.k8s.io": 17200, "policy": 17100,
    "rbac.authorization.k8s.io": 17000, "storage.k8s.io": 16800, "admissionregistration.k8s.io": 16700,
    "apiextensions.k8s.io": 16700, "scheduling.k8s.io": 16600, "coordination.k8s.io": 16500,
    "node.k8s.io": 16300, "discovery.k8s.io": 16200, "flowcontrol.apiserver.k8s.io": 16100,
    "resource.k8s.io": 15900,
}  # fmt: skip


@dataclass(frozen=True)
class Subresource:
    """What discovery says of a subresource: the kind it speaks and its verbs."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]

    @property
    def group_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


def _resources(module: ModuleType) -> tuple[Resource[Any], ...]:
    return tuple(value for value in vars(module).values() if isinstance(value, Resource))


ALL: tuple[Resource[Any], ...] = tuple(item for module in _MODULES for item in _resources(module))

_BY_PLURAL = {(item.group, item.version, item.plural): item for item in ALL}
_BY_KIND = {(item.group_version, item.kind): item for item in ALL}

_READ_WRITE = ("get", "patch", "update")
_CONNECT = ("create", "get")
_PROXY = ("create", "delete", "get", "patch", "update")
# Subresources that speak another kind or other verbs than the object's own get, patch, update.
_SPECIAL: dict[tuple[str, str], Subresource] = {
    ("pods", "attach"): Subresource("attach", "", "v1", "PodAttachOptions", _CONNECT),
    ("pods", "binding"): Subresource("binding", "", "v1", "Binding", ("create",)),
    # Of ours: why the pod is where it is, or nowhere. Asked of the scheduler.
    ("pods", "decision"): Subresource("decision", "scheduling.pelamis.dev", "v1alpha1", "Decision", ("get",)),
    ("pods", "eviction"): Subresource("eviction", "policy", "v1", "Eviction", ("create",)),
    ("pods", "exec"): Subresource("exec", "", "v1", "PodExecOptions", _CONNECT),
    ("pods", "log"): Subresource("log", "", "v1", "Pod", ("get",)),
    ("pods", "portforward"): Subresource("portforward", "", "v1", "PodPortForwardOptions", _CONNECT),
    ("pods", "proxy"): Subresource("proxy", "", "v1", "PodProxyOptions", _PROXY),
    ("services", "proxy"): Subresource("proxy", "", "v1", "ServiceProxyOptions", _PROXY),
    ("nodes", "proxy"): Subresource("proxy", "", "v1", "NodeProxyOptions", _PROXY),
    ("namespaces", "finalize"): Subresource("finalize", "", "v1", "Namespace", ("update",)),
    ("serviceaccounts", "token"): Subresource(
        "token", "authentication.k8s.io", "v1", "TokenRequest", ("create",)
    ),
}


def by_plural(group: str, version: str, plural: str) -> Resource[Any] | None:
    """Return the built-in resource that a URL path names."""
    return _BY_PLURAL.get((group, version, plural))


def by_kind(group_version: str, kind: str) -> Resource[Any] | None:
    """Return the built-in resource whose objects have this `apiVersion` and `kind`."""
    return _BY_KIND.get((group_version, kind))


def find(word: str) -> Resource[Any] | None:
    """Return the first resource with this plural, singular, short name or `plural.group`, in any case."""
    wanted = word.lower()
    for item in ALL:
        if wanted in (item.plural, item.singular, *item.short_names, item.group_resource):
            return item
        if item.group and wanted in (
            f"{item.singular}.{item.group}",
            f"{item.plural}.{item.version}.{item.group}",
        ):
            return item
    return None


def groups() -> tuple[str, ...]:
    """Return the served group names in the order of discovery; "" (core) is the first."""
    return tuple(dict.fromkeys(item.group for item in ALL))


def versions(group: str) -> tuple[str, ...]:
    """Return the served versions of a group, the preferred one first."""
    return tuple(dict.fromkeys(item.version for item in ALL if item.group == group))


def of_group_version(group: str, version: str) -> tuple[Resource[Any], ...]:
    """Return the resources of one group version."""
    return tuple(item for item in ALL if item.group == group and item.version == version)


def subresource(resource: Resource[Any], name: str) -> Subresource:
    """Return what a subresource of `resource` speaks; KeyError if the resource has no such subresource."""
    if name not in resource.subresources:
        raise KeyError(name)
    if name == "scale":
        return Subresource("scale", "autoscaling", "v1", "Scale", _READ_WRITE)
    special = _SPECIAL.get((resource.plural, name)) if not resource.group else None
    return special or Subresource(name, resource.group, resource.version, resource.kind, _READ_WRITE)
