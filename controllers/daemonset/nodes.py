"""On which nodes a DaemonSet's pod belongs. Pure.

Source: pkg/controller/daemon daemon_controller.go `NodeShouldRunDaemonPod`, util/daemonset_util.go (1.36).
"""

from collections.abc import Mapping
from typing import Any

from api.labels import new_requirement
from api.resource import Obj
from api.taints import untolerated
from api.types.core_v1 import Node

_OPERATORS = {
    "In": "in",
    "NotIn": "notin",
    "Exists": "exists",
    "DoesNotExist": "!",
    "Gt": "gt",
    "Lt": "lt",
}
_PREFIX = "node.kubernetes.io/"
# Taints that never keep a daemon from its node.
_TOLERATED = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def tolerations_of(spec: Mapping[str, Any]) -> list[Obj]:
    """Return the template's tolerations and those that every daemon has."""
    known = list(_TOLERATED)
    if spec.get("hostNetwork"):
        known.append(("network-unavailable", "NoSchedule"))
    added = [{"key": _PREFIX + key, "operator": "Exists", "effect": effect} for key, effect in known]
    given = spec.get("tolerations") or []
    return [*given, *(toleration for toleration in added if toleration not in given)]


def should_run(spec: Mapping[str, Any], node: Node) -> tuple[bool, bool]:
    """Return (a pod should be started there, a pod that is there may stay)."""
    name = node["metadata"]["name"]
    if spec.get("nodeName") not in (None, "", name) or not _selects(spec, node):
        return False, False
    taints = node["spec"].get("taints")
    tolerations: list[Any] = tolerations_of(spec)
    start = untolerated(taints, tolerations, ("NoSchedule", "NoExecute")) is None
    return start, start or untolerated(taints, tolerations, ("NoExecute",)) is None


def _selects(spec: Mapping[str, Any], node: Node) -> bool:
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get(_REQUIRED)
    if required is None:
        return True
    return any(_matches(term, node) for term in required.get("nodeSelectorTerms") or ())


def _matches(term: Mapping[str, Any], node: Node) -> bool:
    """A term without any expression matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    labels = node["metadata"].get("labels") or {}
    named = {"metadata.name": node["metadata"]["name"]}
    return bool(expressions or fields) and all(
        _fits(expression, values)
        for group, values in ((expressions, labels), (fields, named))
        for expression in group
    )


def _fits(expression: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    operator = _OPERATORS[expression["operator"]]
    try:
        requirement = new_requirement(expression["key"], operator, expression.get("values") or ())
    except ValueError:
        return False
    return requirement.matches(values)


def pinned(spec: Mapping[str, Any], node_name: str) -> Obj:
    """Return the pod spec that the scheduler can only put onto one node."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node_name]}]}
    affinity = spec.get("affinity") or {}
    node_affinity = {**(affinity.get("nodeAffinity") or {}), _REQUIRED: {"nodeSelectorTerms": [term]}}
    return {
        **spec,
        "affinity": {**affinity, "nodeAffinity": node_affinity},
        "tolerations": tolerations_of(spec),
    }


def node_of(pod: Mapping[str, Any]) -> str:
    """Return the node a daemon pod is on, or is meant for."""
    spec = pod["spec"]
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    for term in (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and len(field.get("values") or ()) == 1:
                return str(field["values"][0])
    return ""
