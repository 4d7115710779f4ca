"""A new node is not ready, and says so by a taint until the node controller knows better.

Source: plugin/pkg/admission/nodetaint (1.36).
"""

from api.resource import Obj
from api.types.core_v1 import NODES
from apiserver.admission.plugin import AdmissionRequest

_TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition:
    name = "TaintNodesByCondition"

    def handles(self, request: AdmissionRequest) -> bool:
        return request.resource is NODES and request.operation == "CREATE" and not request.subresource

    async def mutate(self, request: AdmissionRequest) -> Obj:
        return with_taint(request.object or {})


def with_taint(node: Obj) -> Obj:
    """Return the node with the not-ready taint."""
    taints = (node.get("spec") or {}).get("taints") or []
    if any(item.get("key") == _TAINT["key"] and item.get("effect") == _TAINT["effect"] for item in taints):
        return node
    return {**node, "spec": {**(node.get("spec") or {}), "taints": [*taints, dict(_TAINT)]}}
