"""What decisions depend on, and who takes in its changes: followed by the process, read once by a what-if."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from api.resource import Resource
from api.types.apps_v1 import REPLICASETS, STATEFULSETS
from api.types.core_v1 import (
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    REPLICATIONCONTROLLERS,
    SERVICES,
)
from api.types.policy_v1 import PODDISRUPTIONBUDGETS
from api.types.resource_v1 import DEVICECLASSES, RESOURCECLAIMS, RESOURCESLICES
from api.types.scheduling_v1alpha2 import PODGROUPS
from api.types.storage_v1 import (
    CSIDRIVERS,
    CSINODES,
    CSISTORAGECAPACITIES,
    STORAGECLASSES,
    VOLUMEATTACHMENTS,
)
from scheduler.cluster import Cluster

# (the object before, after, the time); None before an addition, and after a deletion.
Take: TypeAlias = Callable[[Any, Any, float], None]
# Pods that have ended take no room; the server leaves them out.
_LIVE = "status.phase!=Succeeded,status.phase!=Failed"
# Read by plugins through `cycle.objects`.
_OBJECTS: tuple[Resource[Any], ...] = (
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    STORAGECLASSES,
    CSINODES,
    CSIDRIVERS,
    CSISTORAGECAPACITIES,
    VOLUMEATTACHMENTS,
    RESOURCECLAIMS,
    RESOURCESLICES,
    DEVICECLASSES,
)
# Their selectors spread pods by default.
_CONTROLLERS: tuple[Resource[Any], ...] = (REPLICASETS, STATEFULSETS, REPLICATIONCONTROLLERS)


@dataclass(frozen=True)
class Source:
    """One resource. `binds`: bindings may wait for its objects."""

    resource: Resource[Any]
    take: Take
    field_selector: str = ""
    metadata_only: bool = False
    binds: bool = False


def sources(cluster: Cluster) -> tuple[Source, ...]:
    """Return what to tell a cluster of. Nodes come before pods, so that pods find theirs."""
    groups = (Source(PODGROUPS, cluster.group_changed),) if cluster.groups.followed else ()
    return (
        Source(NODES, cluster.node_changed),
        *groups,
        Source(NAMESPACES, cluster.namespace_changed, metadata_only=True),
        Source(PODS, cluster.pod_changed, field_selector=_LIVE),
        Source(PODDISRUPTIONBUDGETS, cluster.budget_changed),
        Source(SERVICES, _timeless(cluster.spreading.service_changed)),
        *(
            Source(each, _timeless(partial(cluster.spreading.controller_changed, each.kind)))
            for each in _CONTROLLERS
        ),
        *(Source(each, partial(cluster.object_changed, each), binds=True) for each in _OBJECTS),
    )


def _timeless(take: Callable[[Any, Any], None]) -> Take:
    return lambda old, new, now: take(old, new)
