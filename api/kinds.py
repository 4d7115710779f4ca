"""The rules of every kind: what it defaults, what it refuses. Called by the API server for each write.

Kinds with a file of their own are listed in `_MODULES`; the others get the checks of their metadata alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

from api import names
from api.apps import deployment, replicaset
from api.core import namespace, node, pod, service
from api.defaulting import fresh, unchanged
from api.field import FieldError
from api.meta import NameRule, validate_metadata, validate_metadata_update
from api.resource import Obj, Resource


@dataclass(frozen=True)
class KindRules:
    """Pure functions of objects whose structure was checked; `subresources`: of other updates."""

    defaults: Callable[[Obj], Obj]
    validate: Callable[[Obj], list[FieldError]]
    validate_update: Callable[[Obj, Obj], list[FieldError]]
    validate_status: Callable[[Obj, Obj], list[FieldError]]
    # The status of an object that was just created.
    initial_status: Mapping[str, Any] = field(default_factory=dict)
    subresources: Mapping[str, Callable[[Obj, Obj], list[FieldError]]] = field(default_factory=dict)

    def new_status(self) -> Obj:
        """Return a fresh copy of `initial_status`; empty: the object is stored without a status."""
        made: Obj = fresh(dict(self.initial_status))
        return made


_MODULES: Mapping[tuple[str, str], ModuleType] = {
    ("", "pods"): pod,
    ("", "nodes"): node,
    ("", "namespaces"): namespace,
    ("", "services"): service,
    ("apps", "deployments"): deployment,
    ("apps", "replicasets"): replicaset,
}

# Names that are not DNS subdomains, of kinds without a file.
_NAMES: Mapping[tuple[str, str], NameRule] = {
    ("rbac.authorization.k8s.io", "roles"): names.is_path_segment,
    ("rbac.authorization.k8s.io", "rolebindings"): names.is_path_segment,
    ("rbac.authorization.k8s.io", "clusterroles"): names.is_path_segment,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): names.is_path_segment,
}

# What a new object's status says before any controller has seen it: fields that upstream always writes.
_STATUSES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("", "pods"): {"phase": "Pending"},
    ("", "namespaces"): {"phase": "Active"},
    ("", "services"): {"loadBalancer": {}},
    ("", "replicationcontrollers"): {"replicas": 0},
    ("", "persistentvolumes"): {"phase": "Pending"},
    ("", "persistentvolumeclaims"): {"phase": "Pending"},
    ("apps", "replicasets"): {"replicas": 0},
    ("apps", "statefulsets"): {"replicas": 0, "availableReplicas": 0},
    ("apps", "daemonsets"): {
        "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0,
    },
    ("networking.k8s.io", "ingresses"): {"loadBalancer": {}},
    ("policy", "poddisruptionbudgets"): {
        "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0,
    },
    ("storage.k8s.io", "volumeattachments"): {"attached": False},
}  # fmt: skip
_OTHER_UPDATES = ("ephemeralcontainers", "finalize", "resize")


@cache
def kind_of(resource: Resource[Any]) -> KindRules:
    """Return the rules of a resource's objects."""
    key = (resource.group, resource.plural)
    module = _MODULES.get(key)
    status = _STATUSES.get(key, {})
    if module is None:
        return _plain(resource, _NAMES.get(key, names.is_dns1123_subdomain), status)
    others = {name: getattr(module, f"validate_{name}_update") for name in _OTHER_UPDATES
              if hasattr(module, f"validate_{name}_update")}  # fmt: skip
    return KindRules(
        module.defaults,
        module.validate,
        module.validate_update,
        getattr(module, "validate_status_update", validate_metadata_update),
        status,
        others,
    )


def _plain(resource: Resource[Any], rule: NameRule, status: Mapping[str, Any]) -> KindRules:
    def validate(obj: Obj) -> list[FieldError]:
        return validate_metadata(obj, resource.namespaced, rule)

    return KindRules(unchanged, validate, validate_metadata_update, validate_metadata_update, status)
