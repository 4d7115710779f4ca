"""The rules of every kind: what it defaults, what it refuses. Called by the API server for each write.

Kinds with a file of their own are listed in `_MODULES`; the others get the checks of their metadata alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

from api.admissionregistration import policies, policybindings, webhooks
from api.apiextensions import customresourcedefinition
from api.apiregistration import apiservice
from api.apps import controllerrevision, daemonset, deployment, replicaset, statefulset
from api.autoscaling import horizontalpodautoscaler
from api.batch import cronjob, job
from api.certificates import certificatesigningrequest
from api.coordination import lease
from api.core import (
    configmap,
    endpoints,
    event,
    limitrange,
    namespace,
    node,
    persistentvolume,
    persistentvolumeclaim,
    pod,
    podtemplate,
    replicationcontroller,
    resourcequota,
    secret,
    service,
    serviceaccount,
)
from api.defaulting import fresh, unchanged
from api.discovery import endpointslice
from api.dra import deviceclass, resourceclaim, resourceclaimtemplate, resourceslice
from api.field import FieldError
from api.flowcontrol import flowschema, prioritylevelconfiguration
from api.meta import validate_metadata, validate_metadata_update
from api.networking import ingress, ingressclass, ipaddress, networkpolicy, servicecidr
from api.node import runtimeclass
from api.policy import poddisruptionbudget
from api.rbac import role, rolebinding
from api.resource import Obj, Resource
from api.scheduling import podgroup, priorityclass, workload
from api.storage import (
    csidriver,
    csinode,
    csistoragecapacity,
    storageclass,
    volumeattachment,
    volumeattributesclass,
)


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
        """Return a fresh copy of `initial_status`."""
        made: Obj = fresh(dict(self.initial_status))
        return made


_RBAC, _ADMISSION, _NETWORK = "rbac.authorization.k8s.io", "admissionregistration.k8s.io", "networking.k8s.io"
_MODULES: Mapping[tuple[str, str], ModuleType] = {
    ("", "configmaps"): configmap,
    ("", "endpoints"): endpoints,
    ("", "events"): event,
    ("", "limitranges"): limitrange,
    ("", "namespaces"): namespace,
    ("", "nodes"): node,
    ("", "persistentvolumeclaims"): persistentvolumeclaim,
    ("", "persistentvolumes"): persistentvolume,
    ("", "pods"): pod,
    ("", "podtemplates"): podtemplate,
    ("", "replicationcontrollers"): replicationcontroller,
    ("", "resourcequotas"): resourcequota,
    ("", "secrets"): secret,
    ("", "serviceaccounts"): serviceaccount,
    ("", "services"): service,
    ("apps", "controllerrevisions"): controllerrevision,
    ("apps", "daemonsets"): daemonset,
    ("apps", "deployments"): deployment,
    ("apps", "replicasets"): replicaset,
    ("apps", "statefulsets"): statefulset,
    ("autoscaling", "horizontalpodautoscalers"): horizontalpodautoscaler,
    ("batch", "cronjobs"): cronjob,
    ("batch", "jobs"): job,
    ("certificates.k8s.io", "certificatesigningrequests"): certificatesigningrequest,
    ("coordination.k8s.io", "leases"): lease,
    ("discovery.k8s.io", "endpointslices"): endpointslice,
    ("events.k8s.io", "events"): event,
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): flowschema,
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): prioritylevelconfiguration,
    ("node.k8s.io", "runtimeclasses"): runtimeclass,
    ("policy", "poddisruptionbudgets"): poddisruptionbudget,
    ("resource.k8s.io", "deviceclasses"): deviceclass,
    ("resource.k8s.io", "resourceclaims"): resourceclaim,
    ("resource.k8s.io", "resourceclaimtemplates"): resourceclaimtemplate,
    ("resource.k8s.io", "resourceslices"): resourceslice,
    ("scheduling.k8s.io", "podgroups"): podgroup,
    ("scheduling.k8s.io", "priorityclasses"): priorityclass,
    ("scheduling.k8s.io", "workloads"): workload,
    ("storage.k8s.io", "csidrivers"): csidriver,
    ("storage.k8s.io", "csinodes"): csinode,
    ("storage.k8s.io", "csistoragecapacities"): csistoragecapacity,
    ("storage.k8s.io", "storageclasses"): storageclass,
    ("storage.k8s.io", "volumeattachments"): volumeattachment,
    ("storage.k8s.io", "volumeattributesclasses"): volumeattributesclass,
    ("apiextensions.k8s.io", "customresourcedefinitions"): customresourcedefinition,
    ("apiregistration.k8s.io", "apiservices"): apiservice,
    (_NETWORK, "ingresses"): ingress,
    (_NETWORK, "ingressclasses"): ingressclass,
    (_NETWORK, "ipaddresses"): ipaddress,
    (_NETWORK, "networkpolicies"): networkpolicy,
    (_NETWORK, "servicecidrs"): servicecidr,
    (_RBAC, "roles"): role,
    (_RBAC, "rolebindings"): rolebinding,
    (_RBAC, "clusterroles"): role,
    (_RBAC, "clusterrolebindings"): rolebinding,
    (_ADMISSION, "mutatingadmissionpolicies"): policies,
    (_ADMISSION, "mutatingadmissionpolicybindings"): policybindings,
    (_ADMISSION, "mutatingwebhookconfigurations"): webhooks,
    (_ADMISSION, "validatingadmissionpolicies"): policies,
    (_ADMISSION, "validatingadmissionpolicybindings"): policybindings,
    (_ADMISSION, "validatingwebhookconfigurations"): webhooks,
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
_OTHER_UPDATES = ("approval", "ephemeralcontainers", "finalize", "resize")


@cache
def kind_of(resource: Resource[Any]) -> KindRules:
    """Return the rules of a resource's objects."""
    key = (resource.group, resource.plural)
    module = _MODULES.get(key)
    status = _STATUSES.get(key, {})
    if module is None:
        return _plain(resource, status)
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


def _plain(resource: Resource[Any], status: Mapping[str, Any]) -> KindRules:
    def validate(obj: Obj) -> list[FieldError]:
        return validate_metadata(obj, resource.namespaced)

    return KindRules(unchanged, validate, validate_metadata_update, validate_metadata_update, status)
