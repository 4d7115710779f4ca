"""replicationcontroller-controller: as replicaset, with a selector that is a plain map."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api.labels import Selector, from_map
from api.podspec import is_pod_active
from api.types.core_v1 import PODS, REPLICATIONCONTROLLERS, Pod, ReplicationController
from controllers.claims import owners_by_selector
from controllers.framework.controller import View, controller
from controllers.framework.plan import Plan
from controllers.replicas import Kind, keep_replicas


def _selector(rc: Mapping[str, Any]) -> Selector:
    return from_map(rc["spec"].get("selector"))


def _related(rc: Mapping[str, Any], view: View) -> Iterable[Pod]:
    return [pod for pod in view.owned(PODS, rc) if is_pod_active(pod)]


_KIND = Kind(REPLICATIONCONTROLLERS, _selector, _related)


@controller(
    "replicationcontroller-controller",
    of=REPLICATIONCONTROLLERS,
    owns=(PODS,),
    watches={PODS: owners_by_selector(REPLICATIONCONTROLLERS, _selector)},
)
def replicationcontroller(rc: ReplicationController, view: View, now: datetime) -> Plan:
    return keep_replicas(rc, view, now, _KIND)
