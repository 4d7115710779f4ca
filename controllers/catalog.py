"""Every controller, one line each, in the order in which they are started."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from controllers.clusterrole_aggregation import clusterrole_aggregation
from controllers.config import Config
from controllers.cronjob.plan import cronjob
from controllers.daemonset.plan import daemonset
from controllers.deployment.plan import deployment
from controllers.disruption import disruption
from controllers.endpoints import abandoned_endpoints, endpoints
from controllers.endpointslice import endpointslice
from controllers.endpointslice_mirroring import endpointslice_mirroring
from controllers.framework.controller import Controller
from controllers.framework.process import Process
from controllers.garbage_collector.process import GarbageCollector
from controllers.job.plan import abandoned_job_pods, job
from controllers.namespace import NamespaceController
from controllers.node_ipam import node_ipam
from controllers.node_lifecycle.plan import Timing, node_lifecycle, ready_taints
from controllers.node_lifecycle.zones import Limits
from controllers.persistentvolume_protection import persistentvolume_protection
from controllers.persistentvolumeclaim_protection import persistentvolumeclaim_protection
from controllers.pod_garbage_collector import pod_garbage_collector
from controllers.podgroup_protection import podgroup_protection
from controllers.replicaset import replicaset
from controllers.replicationcontroller import replicationcontroller
from controllers.resourcequota.process import ResourceQuotaController
from controllers.root_ca_certificate_publisher import root_ca_certificate_publisher
from controllers.serviceaccount import serviceaccount
from controllers.statefulset.plan import statefulset
from controllers.taint_eviction import taint_eviction
from controllers.ttl_after_finished import ttl_after_finished
from controllers.volumeattributesclass_protection import volumeattributesclass_protection

Entry: TypeAlias = Controller[Any] | Process


# The service accounts to which upstream's bootstrap policy gives the rights, where named otherwise.
ACCOUNTS = {
    "daemonset-controller": "daemon-set-controller",
    "endpoints-controller": "endpoint-controller",
    "endpointslice-mirroring-controller": "endpointslicemirroring-controller",
    "garbage-collector-controller": "generic-garbage-collector",
    "node-ipam-controller": "node-controller",
    "node-lifecycle-controller": "node-controller",
    "persistentvolume-protection-controller": "pv-protection-controller",
    "persistentvolumeclaim-protection-controller": "pvc-protection-controller",
    "pod-garbage-collector-controller": "pod-garbage-collector",
    "replicationcontroller-controller": "replication-controller",
    "root-ca-certificate-publisher-controller": "root-ca-cert-publisher",
    "serviceaccount-controller": "service-account-controller",
    "taint-eviction-controller": "node-controller",
}


def catalog(config: Config) -> tuple[Entry, ...]:
    """Return all controllers, set up as `config` says."""
    return (
        replicaset,
        deployment,
        replicationcontroller,
        endpointslice,
        endpoints,
        abandoned_endpoints,
        endpointslice_mirroring,
        NamespaceController(),
        GarbageCollector(),
        ResourceQuotaController(),
        serviceaccount,
        *_root_ca(config),
        node_lifecycle(
            Timing(
                config.node_monitor_period_s,
                config.node_monitor_grace_period_s,
                config.node_startup_grace_period_s,
            ),
            Limits(
                config.node_eviction_rate,
                config.secondary_node_eviction_rate,
                config.unhealthy_zone_threshold,
                config.large_cluster_size_threshold,
            ),
            ranges=_together(config),
        ),
        taint_eviction(),
        *_node_ipam(config),
        pod_garbage_collector(config.terminated_pod_gc_threshold),
        daemonset,
        statefulset,
        job,
        abandoned_job_pods,
        cronjob,
        clusterrole_aggregation,
        disruption,
        ttl_after_finished,
        persistentvolumeclaim_protection(),
        persistentvolume_protection,
        volumeattributesclass_protection,
        podgroup_protection,
    )


def _root_ca(config: Config) -> list[Entry]:
    if not config.root_ca_file:
        return []
    return [root_ca_certificate_publisher(Path(config.root_ca_file).read_text())]


def _node_ipam(config: Config) -> list[Entry]:
    if not (config.allocate_node_cidrs and config.cluster_cidr):
        return []
    also = {"also": ready_taints} if _together(config) else {}
    return [node_ipam(config.cluster_cidr, config.node_cidr_mask_size, **also)]


def _together(config: Config) -> bool:
    """Say whether new nodes are looked after by both of their controllers, here: one write does for both."""
    both = ("node-ipam-controller", "node-lifecycle-controller")
    ranges = config.allocate_node_cidrs and bool(config.cluster_cidr)
    return ranges and all(_is_chosen(one, config.controllers) for one in both)


def is_optional(entry: Entry) -> bool:
    """Say whether an entry has work only if its resource is served: alpha ones often are not."""
    return isinstance(entry, Controller) and "alpha" in entry.of.version


def chosen(entries: Iterable[Entry], names: tuple[str, ...]) -> list[Entry]:
    """Return the entries that `--controllers` names: `*`, `name`, `-name`."""
    return [entry for entry in entries if _is_chosen(entry.id, names)]


def _is_chosen(name: str, names: tuple[str, ...]) -> bool:
    return name in names or ("*" in names and f"-{name}" not in names)
