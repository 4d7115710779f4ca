"""replicaset-controller: keeps `spec.replicas` pods of the template running."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api.owners import controller_of
from api.podspec import is_pod_active
from api.types.apps_v1 import REPLICASETS, ReplicaSet
from api.types.core_v1 import PODS, Pod
from controllers.claims import label_selector_of, owners_by_selector
from controllers.framework.controller import BY_CONTROLLER, View, controller, controller_uids
from controllers.framework.plan import Plan
from controllers.replicas import Kind, keep_replicas


def _related(rs: Mapping[str, Any], view: View) -> Iterable[Pod]:
    """Return the active pods of all ReplicaSets of the same Deployment."""
    owner = controller_of(rs)
    siblings = view.by(REPLICASETS, BY_CONTROLLER, owner["uid"]) if owner else [rs]
    return [pod for sibling in siblings for pod in view.owned(PODS, sibling) if is_pod_active(pod)]


_KIND = Kind(REPLICASETS, label_selector_of, _related)


@controller(
    "replicaset-controller",
    of=REPLICASETS,
    owns=(PODS,),
    watches={PODS: owners_by_selector(REPLICASETS)},
    indexes={REPLICASETS: {BY_CONTROLLER: controller_uids}},
)
def replicaset(rs: ReplicaSet, view: View, now: datetime) -> Plan:
    return keep_replicas(rs, view, now, _KIND)
