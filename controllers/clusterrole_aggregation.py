"""clusterrole-aggregation-controller: fills ClusterRoles that are sums of others (`admin`, `edit`, `view`).

Source: pkg/controller/clusterroleaggregation (1.36).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api.labels import Selector, from_label_selector
from api.resource import Key, key_of
from api.types.rbac_v1 import CLUSTERROLES, ClusterRole
from controllers.framework.controller import View, controller
from controllers.framework.plan import NOTHING, Plan, Update


def _selectors(role: Mapping[str, Any]) -> list[Selector]:
    chosen = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
    return [from_label_selector(selector) for selector in chosen]


def _sums(role: Mapping[str, Any]) -> list[str]:
    return ["sum"] if role.get("aggregationRule") else []


def _sums_with(role: Mapping[str, Any], view: View) -> Iterable[Key]:
    labels = role["metadata"].get("labels")
    for total in view.by(CLUSTERROLES, "aggregated", "sum"):
        if any(selector.matches(labels) for selector in _selectors(total)):
            yield key_of(total)


@controller(
    "clusterrole-aggregation-controller",
    of=CLUSTERROLES,
    watches={CLUSTERROLES: _sums_with},
    indexes={CLUSTERROLES: {"aggregated": _sums}},
)
def clusterrole_aggregation(role: ClusterRole, view: View, now: datetime) -> Plan:
    selectors = _selectors(role)
    if not selectors:
        return NOTHING
    rules: list[Any] = []
    for selector in selectors:
        parts = [part for part in view.list(CLUSTERROLES) if selector.matches(part["metadata"].get("labels"))]
        for part in sorted(parts, key=lambda each: each["metadata"]["name"]):
            if part["metadata"]["name"] != role["metadata"]["name"]:
                rules += [rule for rule in part.get("rules") or () if rule not in rules]
    if rules == (role.get("rules") or []):
        return NOTHING
    return Plan((Update(CLUSTERROLES, {**role, "rules": rules}),))
