"""Which plugins an event may help: pods that others refused are left alone. Pure; called by `cluster`.

Source: EventsToRegister of each plugin below pkg/scheduler/framework/plugins (1.36).
"""

from api.types.core_v1 import Node

# A pod has left its node.
POD_GONE = ("NodeResourcesFit", "NodePorts", "InterPodAffinity", "PodTopologySpread")
# A pod has come to a node, or its labels have changed.
POD_CAME = ("InterPodAffinity", "PodTopologySpread")
# A domain may be gone that had the fewest pods.
NODE_GONE = ("PodTopologySpread",)
NAMESPACE_CHANGED = ("InterPodAffinity",)


def node_changed(old: Node, new: Node) -> set[str]:
    """Return the plugins that a change of a node may help."""
    plugins = set()
    if _labels(old) != _labels(new):
        plugins |= {"NodeAffinity", "PodTopologySpread", "InterPodAffinity"}
    before, after = old.get("spec") or {}, new.get("spec") or {}
    if before.get("taints") != after.get("taints"):
        plugins |= {"TaintToleration", "PodTopologySpread"}
    if before.get("unschedulable") and not after.get("unschedulable"):
        plugins |= {"NodeUnschedulable", "PodTopologySpread"}
    if (old.get("status") or {}).get("allocatable") != (new.get("status") or {}).get("allocatable"):
        plugins.add("NodeResourcesFit")
    return plugins


def _labels(node: Node) -> object:
    return node["metadata"].get("labels")
