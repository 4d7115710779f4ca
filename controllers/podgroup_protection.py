"""podgroup-protection-controller: a PodGroup that is being deleted stays while pods of it are under way.

    pods that have not ended, not being deleted --> the finalizer is added
    no such pods left, being deleted            --> it is removed; then the group goes

As upstream's it trusts its caches: a pod made at the moment of the deletion may find the group gone.

Source: pkg/controller/scheduling/podgroupprotection (1.36).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api.podspec import is_terminal
from api.resource import Key, key_of
from api.types.core_v1 import PODS
from api.types.scheduling_v1alpha2 import PODGROUPS, PodGroup
from controllers.framework.controller import View, Watch, controller
from controllers.framework.plan import NOTHING, Plan
from controllers.protection import Protection

_PROTECTION = Protection(PODGROUPS, "scheduling.k8s.io/podgroup-protection")
_INDEX = "podgroup"


def _group(pod: Mapping[str, Any]) -> Iterable[Key]:
    named = pod["spec"].get("schedulingGroup")
    if named and (name := named.get("podGroupName")):
        yield Key(pod["metadata"]["namespace"], name)


def _users(pod: Mapping[str, Any]) -> list[str]:
    return [] if is_terminal(pod) else [str(key) for key in _group(pod)]


def _due(pod: Mapping[str, Any], view: View) -> Iterable[Key]:
    for key in _group(pod):
        group = view.get(PODGROUPS, *key)
        if group is not None and _PROTECTION.due(group) is not None:
            yield key


@controller(
    "podgroup-protection-controller",
    of=PODGROUPS,
    watches={PODS: Watch(_due, is_terminal)},
    indexes={PODS: {_INDEX: _users}},
    relevant=_PROTECTION.due,
)
def podgroup_protection(group: PodGroup, view: View, now: datetime) -> Plan:
    in_use = any(True for _ in view.by(PODS, _INDEX, str(key_of(group))))
    if not in_use and not _PROTECTION.is_leaving(group):
        return NOTHING
    return _PROTECTION.plan(group, in_use)
