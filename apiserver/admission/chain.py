"""The admission plugins in order, and the chain that runs those that care for a kind of request.

    mutate:   every mutator in order, each on what the one before returned
    validate: every validator in order, on the final object

Which plugins care is asked once per (operation, resource, subresource) and remembered until `forget`:
`handles` of a plugin may look at nothing else of a request. A plugin that decides by anything else returns
True and looks again when run; one that is configured by objects has `forget` called when those change.

DEVIATION: a plugin that does what users configure (`of_users`: webhooks, policies) is not asked about what
the API server writes for itself, its lease and the bootstrap objects: a webhook that does not answer would
keep the server from starting, and then nobody could remove it.

Called by the generic verbs of the REST layer; built by `app.py`. Source:
pkg/kubeapiserver/options/plugins.go (1.36).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from api.resource import Obj, Resource
from api.types.scheduling_v1alpha2 import PODGROUPS
from apiserver.admission.plugin import AdmissionRequest, Mutator, Rounds, Validator
from apiserver.admission.plugins.always_deny import AlwaysDeny
from apiserver.admission.plugins.always_pull_images import AlwaysPullImages
from apiserver.admission.plugins.certificate_approval import CertificateApproval
from apiserver.admission.plugins.certificate_signing import CertificateSigning
from apiserver.admission.plugins.certificate_subject_restriction import CertificateSubjectRestriction
from apiserver.admission.plugins.default_ingress_class import DefaultIngressClass
from apiserver.admission.plugins.default_storage_class import DefaultStorageClass
from apiserver.admission.plugins.default_toleration_seconds import DefaultTolerationSeconds
from apiserver.admission.plugins.deny_service_external_ips import DenyServiceExternalIPs
from apiserver.admission.plugins.event_rate_limit import EventRateLimit
from apiserver.admission.plugins.extended_resource_toleration import ExtendedResourceToleration
from apiserver.admission.plugins.job_validation import JobValidation
from apiserver.admission.plugins.limit_pod_hard_anti_affinity_topology import LimitPodHardAntiAffinityTopology
from apiserver.admission.plugins.limit_ranger import LimitRanger
from apiserver.admission.plugins.mutating_admission_policy import MutatingAdmissionPolicy
from apiserver.admission.plugins.mutating_webhook import MutatingWebhook
from apiserver.admission.plugins.namespace_auto_provision import NamespaceAutoProvision
from apiserver.admission.plugins.namespace_exists import NamespaceExists
from apiserver.admission.plugins.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.plugins.node_restriction import NodeRestriction
from apiserver.admission.plugins.owner_references_permission_enforcement import (
    OwnerReferencesPermissionEnforcement,
)
from apiserver.admission.plugins.persistent_volume_claim_resize import PersistentVolumeClaimResize
from apiserver.admission.plugins.pod_group_workload_exists import PodGroupWorkloadExists
from apiserver.admission.plugins.pod_node_selector import PodNodeSelector
from apiserver.admission.plugins.pod_security import PodSecurity
from apiserver.admission.plugins.pod_toleration_restriction import PodTolerationRestriction
from apiserver.admission.plugins.pod_topology_labels import PodTopologyLabels
from apiserver.admission.plugins.priority import Priority
from apiserver.admission.plugins.rbac_escalation import RBACEscalation
from apiserver.admission.plugins.resource_claim_rights import ResourceClaimRights
from apiserver.admission.plugins.resource_quota import ResourceQuota
from apiserver.admission.plugins.runtime_class import RuntimeClass
from apiserver.admission.plugins.service_account import ServiceAccount
from apiserver.admission.plugins.storage_object_in_use_protection import StorageObjectInUseProtection
from apiserver.admission.plugins.taint_nodes_by_condition import TaintNodesByCondition
from apiserver.admission.plugins.timestamps import Timestamps
from apiserver.admission.plugins.validating_admission_policy import ValidatingAdmissionPolicy
from apiserver.admission.plugins.validating_webhook import ValidatingWebhook
from apiserver.authz.authorizer import Authorizer
from apiserver.authz.rbac import RBAC
from apiserver.features import Features
from apiserver.registry import Registry
from apiserver.rest.versions import Versions
from apiserver.webhooks import dispatch
from apiserver.webhooks.client import WebhookClient

Plugin: TypeAlias = Mutator | Validator

# Off unless asked for with --enable-admission-plugins, as upstream.
OFF_BY_DEFAULT = frozenset(
    (
        "AlwaysDeny",
        "AlwaysPullImages",
        "DenyServiceExternalIPs",
        "EventRateLimit",
        "ExtendedResourceToleration",
        "LimitPodHardAntiAffinityTopology",
        "NamespaceAutoProvision",
        "NamespaceExists",
        "OwnerReferencesPermissionEnforcement",
        "PodNodeSelector",
        "PodTolerationRestriction",
    )
)


# What plans are remembered by: operation, resource, subresource, whether the API server acts for itself.
_Key: TypeAlias = tuple[str, Resource[Any], str, bool]


def _key(request: AdmissionRequest) -> _Key:
    return request.operation, request.resource, request.subresource, request.request is None


class Chain:
    """Runs the plugins. Any plugin may raise an API error to refuse."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = tuple(plugins)
        self._mutators: dict[_Key, tuple[tuple[Mutator, ...], bool]] = {}
        self._validators: dict[_Key, tuple[Validator, ...]] = {}

    @property
    def names(self) -> list[str]:
        return [plugin.name for plugin in self._plugins]

    async def mutate(self, request: AdmissionRequest) -> Obj:
        """Return the object as the mutators leave it (`{}` on DELETE). Raises the API error of the first
        refusal."""
        key = _key(request)
        plan = self._mutators.get(key)
        if plan is None:
            plan = self._plan(request)[0]
        mutators, in_rounds = plan
        if not in_rounds:
            return (await _mutated(mutators, request)).object or {}
        rounds = Rounds()
        request = await _mutated(mutators, replace(request, rounds=rounds))
        if rounds.again:
            rounds.second = True
            request = await _mutated(mutators, request)
        return request.object or {}

    async def validate(self, request: AdmissionRequest) -> None:
        """Let every validator see the final object. Raises the API error of the first refusal."""
        key = _key(request)
        validators = self._validators.get(key)
        if validators is None:
            validators = self._plan(request)[1]
        for plugin in validators:
            await plugin.validate(request)

    def forget(self) -> None:
        """Ask the plugins anew what they care for: something that they are configured by has changed."""
        self._mutators.clear()
        self._validators.clear()
        for plugin in self._plugins:
            forget = getattr(plugin, "forget", None)
            if forget is not None:
                forget()

    def _plan(
        self, request: AdmissionRequest
    ) -> tuple[tuple[tuple[Mutator, ...], bool], tuple[Validator, ...]]:
        key = _key(request)
        asked = [plugin for plugin in self._plugins if not (key[3] and getattr(plugin, "of_users", False))]
        caring = [plugin for plugin in asked if plugin.handles(request)]
        # Told apart by what they have: a plugin may be both.
        mutators: Any = tuple(plugin for plugin in caring if hasattr(plugin, "mutate"))
        validators: Any = tuple(plugin for plugin in caring if hasattr(plugin, "validate"))
        in_rounds = any(getattr(plugin, "in_rounds", False) for plugin in mutators)
        self._mutators[key], self._validators[key] = (mutators, in_rounds), validators
        return self._mutators[key], validators


async def _mutated(mutators: Sequence[Mutator], request: AdmissionRequest) -> AdmissionRequest:
    for plugin in mutators:
        obj = await plugin.mutate(request)
        if obj is not request.object and request.object is not None:
            request = request.with_object(obj)
    return request


@dataclass(frozen=True)
class Parts:
    """What the plugins are made of."""

    registry: Registry
    rbac: RBAC
    authorizer: Authorizer
    versions: Versions
    webhooks: WebhookClient
    features: Features


def build_chain(
    parts: Parts,
    disabled: Collection[str] = (),
    enabled: Collection[str] = (),
    configuration: Mapping[str, Obj] | None = None,
) -> Chain:
    """Return the chain of all plugins but the disabled ones. Raises `ValueError` for a name that no plugin
    has.

    `configuration` is what `configuration.py` read of each plugin.
    """
    settings = configuration or {}
    registry, authorizer = parts.registry, parts.authorizer
    hearing = dispatch.Parts(registry, parts.versions, parts.webhooks, authorizer)
    plugins: list[Plugin] = [
        NamespaceAutoProvision(registry),
        NamespaceLifecycle(registry),
        NamespaceExists(registry),
        LimitPodHardAntiAffinityTopology(),
        LimitRanger(registry),
        ServiceAccount(registry),
        NodeRestriction(registry),
        TaintNodesByCondition(),
        AlwaysPullImages(),
        PodSecurity(registry, settings.get("PodSecurity")),
        PodNodeSelector(registry, settings.get("PodNodeSelector")),
        Priority(registry),
        DefaultTolerationSeconds(),
        PodTolerationRestriction(registry, settings.get("PodTolerationRestriction")),
        EventRateLimit(settings.get("EventRateLimit")),
        ExtendedResourceToleration(),
        DefaultStorageClass(registry),
        StorageObjectInUseProtection(),
        OwnerReferencesPermissionEnforcement(authorizer),
        PersistentVolumeClaimResize(registry),
        RuntimeClass(registry),
        CertificateApproval(authorizer),
        CertificateSigning(authorizer),
        CertificateSubjectRestriction(),
        DefaultIngressClass(registry),
        Timestamps(),
        DenyServiceExternalIPs(),
        PodTopologyLabels(registry),
        PodGroupWorkloadExists(registry),
        JobValidation(registry, parts.features.serves(PODGROUPS)),
        RBACEscalation(registry, parts.rbac, authorizer),
        ResourceClaimRights(registry, authorizer),
        MutatingAdmissionPolicy(registry, parts.versions, authorizer),
        MutatingWebhook(hearing),
        ValidatingAdmissionPolicy(registry, parts.versions, authorizer),
        ValidatingWebhook(hearing),
        ResourceQuota(registry),
        AlwaysDeny(),
    ]
    known = {plugin.name for plugin in plugins}
    off = (set(disabled) | OFF_BY_DEFAULT) - set(enabled)
    # Names of upstream's plugins that we do not have may be disabled all the same.
    if unknown := set(enabled) - known:
        raise ValueError(f"unknown admission plugins: {', '.join(sorted(unknown))}")
    return Chain([plugin for plugin in plugins if plugin.name not in off])
