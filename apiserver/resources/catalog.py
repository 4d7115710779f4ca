"""Which strategy each resource has, and which ones are views of others. Called by `app.py`.

Those not listed have the generic strategy, with the small differences of the tables below.
"""

from collections.abc import Mapping
from typing import Any

from api.kinds import kind_of
from api.resource import Resource
from api.types.autoscaling_v1 import HORIZONTALPODAUTOSCALERS as HPA_V1
from api.types.autoscaling_v2 import HORIZONTALPODAUTOSCALERS as HPA_V2
from api.types.core_v1 import EVENTS
from api.types.events_v1 import EVENTS as NEW_EVENTS
from apiserver.resources.apiextensions.customresourcedefinition import CustomResourceDefinitionStrategy
from apiserver.resources.apiregistration.apiservice import APIServiceStrategy
from apiserver.resources.apps.workload import DeploymentStrategy, StatefulSetStrategy, WorkloadStrategy
from apiserver.resources.autoscaling.horizontalpodautoscaler import to_v1, to_v2
from apiserver.resources.batch.cronjob import CronJobStrategy
from apiserver.resources.batch.job import JobStrategy
from apiserver.resources.certificates.certificatesigningrequest import CertificateSigningRequestStrategy
from apiserver.resources.coordination.lease import LeaseStrategy
from apiserver.resources.core.namespace import NamespaceStrategy
from apiserver.resources.core.node import NodeStrategy
from apiserver.resources.core.pod import PodStrategy
from apiserver.resources.core.podtemplate import PodTemplateStrategy
from apiserver.resources.core.replicationcontroller import ReplicationControllerStrategy
from apiserver.resources.core.service import ServiceStrategy
from apiserver.resources.discovery.endpointslice import EndpointSliceStrategy
from apiserver.resources.dra.resourceclaim import ResourceClaimStrategy
from apiserver.resources.dra.resourceslice import ResourceSliceStrategy
from apiserver.resources.events.event import EventStrategy, NewEventStrategy, from_core, to_core
from apiserver.resources.networking.ingress import IngressStrategy
from apiserver.resources.node.runtimeclass import RuntimeClassStrategy
from apiserver.resources.scheduling.podgroup import PodGroupStrategy
from apiserver.resources.scheduling.workload import WorkloadStrategy as SchedulingWorkloadStrategy
from apiserver.resources.storage.storageclass import StorageClassStrategy
from apiserver.resources.storage.volumeattachment import VolumeAttachmentStrategy
from apiserver.rest.strategy import Strategy, StrategyType
from apiserver.watchcache.translation import Conversion

_BY_RESOURCE: Mapping[tuple[str, str], StrategyType] = {
    ("", "events"): EventStrategy,
    ("", "namespaces"): NamespaceStrategy,
    ("", "nodes"): NodeStrategy,
    ("", "pods"): PodStrategy,
    ("", "podtemplates"): PodTemplateStrategy,
    ("", "replicationcontrollers"): ReplicationControllerStrategy,
    ("", "services"): ServiceStrategy,
    ("apiextensions.k8s.io", "customresourcedefinitions"): CustomResourceDefinitionStrategy,
    ("apiregistration.k8s.io", "apiservices"): APIServiceStrategy,
    ("apps", "daemonsets"): WorkloadStrategy,
    ("apps", "deployments"): DeploymentStrategy,
    ("apps", "replicasets"): WorkloadStrategy,
    ("apps", "statefulsets"): StatefulSetStrategy,
    ("batch", "cronjobs"): CronJobStrategy,
    ("batch", "jobs"): JobStrategy,
    ("certificates.k8s.io", "certificatesigningrequests"): CertificateSigningRequestStrategy,
    ("coordination.k8s.io", "leases"): LeaseStrategy,
    ("discovery.k8s.io", "endpointslices"): EndpointSliceStrategy,
    ("events.k8s.io", "events"): NewEventStrategy,
    ("networking.k8s.io", "ingresses"): IngressStrategy,
    ("node.k8s.io", "runtimeclasses"): RuntimeClassStrategy,
    ("resource.k8s.io", "resourceclaims"): ResourceClaimStrategy,
    ("resource.k8s.io", "resourceslices"): ResourceSliceStrategy,
    ("scheduling.k8s.io", "podgroups"): PodGroupStrategy,
    ("scheduling.k8s.io", "workloads"): SchedulingWorkloadStrategy,
    ("storage.k8s.io", "storageclasses"): StorageClassStrategy,
    ("storage.k8s.io", "volumeattachments"): VolumeAttachmentStrategy,
}

# Served resource -> the resource as which it is stored, and the way between.
VIEWS: Mapping[Resource[Any], tuple[Resource[Any], Conversion]] = {
    HPA_V1: (HPA_V2, Conversion(to_stored=to_v2, from_stored=to_v1)),
    NEW_EVENTS: (EVENTS, Conversion(to_stored=to_core, from_stored=from_core)),
}

_SELECTABLE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "secrets"): ("type",),
    ("apps", "replicasets"): ("status.replicas",),
}
_DEPRECATED: Mapping[tuple[str, str], str] = {
    ("", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}
# Status, but no generation, as upstream.
_NO_GENERATION = frozenset(
    {
        ("", "persistentvolumeclaims"), ("", "persistentvolumes"), ("", "resourcequotas"), ("", "services"),
        ("autoscaling", "horizontalpodautoscalers"),
        ("networking.k8s.io", "servicecidrs"), ("scheduling.k8s.io", "podgroups"),
    }
)  # fmt: skip
# Generation, but no status.
_GENERATION = frozenset(
    {
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("discovery.k8s.io", "endpointslices"), ("networking.k8s.io", "ingressclasses"),
        ("networking.k8s.io", "networkpolicies"), ("resource.k8s.io", "resourceslices"),
        ("", "podtemplates"), ("resource.k8s.io", "deviceclasses"), ("scheduling.k8s.io", "priorityclasses"),
    }
)  # fmt: skip
_CREATE_ON_UPDATE = frozenset(
    {
        ("", "endpoints"), ("", "limitranges"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"), ("rbac.authorization.k8s.io", "clusterroles"),
        ("rbac.authorization.k8s.io", "rolebindings"), ("rbac.authorization.k8s.io", "roles"),
    }
)  # fmt: skip
_RETURNS_DELETED = frozenset(
    {
        ("", "persistentvolumeclaims"), ("", "persistentvolumes"), ("", "podtemplates"),
        ("", "resourcequotas"),
        ("", "serviceaccounts"), ("", "services"), ("storage.k8s.io", "storageclasses"),
        ("storage.k8s.io", "volumeattachments"), ("storage.k8s.io", "csidrivers"),
        ("storage.k8s.io", "csinodes"),
    }
)  # fmt: skip


# Groups whose objects tell the server itself what to do.
_CONFIGURING = frozenset(
    ("admissionregistration.k8s.io", "apiregistration.k8s.io", "flowcontrol.apiserver.k8s.io")
)
# With expressions of which a kilobyte takes 3 ms, or schemas.
_DEAR = frozenset(
    {
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("resource.k8s.io", "deviceclasses"), ("resource.k8s.io", "resourceclaims"),
        ("resource.k8s.io", "resourceclaimtemplates"),
    }
)  # fmt: skip


def strategy_of(resource: Resource[Any]) -> Strategy:
    """Return the strategy of a built-in resource."""
    key = (resource.group, resource.plural)
    make = _BY_RESOURCE.get(key, Strategy)
    strategy = make(resource, kind_of(resource))
    strategy.selectable += _SELECTABLE.get(key, ())
    strategy.deprecation = _DEPRECATED.get(key, "")
    if key in _NO_GENERATION:
        strategy.has_generation = False
    if key in _GENERATION:
        strategy.has_generation = True
    if key in _CREATE_ON_UPDATE:
        strategy.create_on_update = True
    strategy.configures = strategy.configures or resource.group in _CONFIGURING
    if key in _DEAR:
        strategy.dearness = 32
    if key in _RETURNS_DELETED:
        strategy.returns_deleted = True
    return strategy
