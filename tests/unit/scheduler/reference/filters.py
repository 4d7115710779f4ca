"""Who refuses a node, and why: the documented rules, one node at a time. Reasons are as users read them.

Source: the documentation of the plugins, pkg/scheduler/framework/plugins (1.36).
"""

from collections.abc import Callable

from api.podspec import host_ports, pod_requests
from api.taints import tolerates
from api.types.core_v1 import Taint
from tests.unit.scheduler.reference.facts import (
    Node,
    Pod,
    World,
    constraints,
    domain_sums,
    hard_taints,
    labels,
    name,
    named_nodes,
    node_selected,
    offered,
    required_terms,
    selector_of,
    tolerated,
)

Rule = Callable[[World, Pod, Node], list[str]]


def verdict(world: World, pod: Pod, node: Node) -> tuple[str, frozenset[str]] | None:
    """Return the first plugin that refuses the node, and all its reasons; None if nobody does."""
    named = named_nodes(pod)
    if named is not None and name(node) not in named:
        return "NodeAffinity", frozenset(["node(s) didn't satisfy plugin(s) [NodeAffinity]"])
    for plugin, rule in RULES:
        if reasons := rule(world, pod, node):
            return plugin, frozenset(reasons)
    return None


def feasible(world: World, pod: Pod) -> list[Node]:
    return [node for node in world.nodes if verdict(world, pod, node) is None]


def _unschedulable(world: World, pod: Pod, node: Node) -> list[str]:
    taint: Taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if not node["spec"].get("unschedulable") or tolerates(pod["spec"].get("tolerations"), taint):
        return []
    return ["node(s) were unschedulable"]


def _taints(world: World, pod: Pod, node: Node) -> list[str]:
    return [] if tolerated(pod, hard_taints(node)) else ["node(s) had untolerated taint(s)"]


def _node_affinity(world: World, pod: Pod, node: Node) -> list[str]:
    return [] if node_selected(pod, node) else ["node(s) didn't match Pod's node affinity/selector"]


def _ports(world: World, pod: Pod, node: Node) -> list[str]:
    used = [port for other in world.on(node) for port in host_ports(other["spec"])]
    for ip, protocol, port in host_ports(pod["spec"]):
        for other_ip, *other in used:
            if other == [protocol, port] and (ip == other_ip or "0.0.0.0" in (ip, other_ip)):
                return ["node(s) didn't have free ports for the requested pod ports"]
    return []


def _fit(world: World, pod: Pod, node: Node) -> list[str]:
    has, used, reasons = offered(node), world.used(node), []
    if len(world.on(node)) + 1 > has.get("pods", 0):
        reasons.append("Too many pods")
    for resource, need in pod_requests(pod).items():
        if need and used.get(resource, 0) + need > has.get(resource, 0):
            reasons.append(f"Insufficient {resource}")
    return reasons


def _spread(world: World, pod: Pod, node: Node) -> list[str]:
    hard = constraints(pod, hard=True)
    for constraint in hard:
        key = constraint["topologyKey"]
        if key not in labels(node):
            return ["node(s) didn't match pod topology spread constraints (missing required label)"]
        sums = domain_sums(world, pod, constraint, hard)
        least = min(sums.values(), default=0) if len(sums) >= constraint.get("minDomains", 1) else 0
        own = int(selector_of(constraint, pod).matches(labels(pod)))
        if sums.get(labels(node)[key], 0) + own - least > constraint["maxSkew"]:
            return ["node(s) didn't match pod topology spread constraints"]
    return []


def _pod_affinity(world: World, pod: Pod, node: Node) -> list[str]:
    if not _near_wanted(world, pod, node):
        return ["node(s) didn't match pod affinity rules"]
    if _near_unwanted(world, pod, node):
        return ["node(s) didn't match pod anti-affinity rules"]
    if _near_unwilling(world, pod, node):
        return ["node(s) didn't satisfy existing pods anti-affinity rules"]
    return []


def _near_wanted(world: World, pod: Pod, node: Node) -> bool:
    terms = required_terms(pod, "podAffinity")
    if not all(term["topologyKey"] in labels(node) for term in terms):
        return False

    def wanted(nodes: list[Node]) -> bool:
        return any(
            all(world.means(term, pod, other) for term in terms) for each in nodes for other in world.on(each)
        )

    if all(wanted(world.together(term["topologyKey"], node)) for term in terms):
        return True
    labelled = [[each for each in world.nodes if term["topologyKey"] in labels(each)] for term in terms]
    # The first of a group that wants its own kind may go anywhere.
    return not any(map(wanted, labelled)) and all(world.means(term, pod, pod) for term in terms)


def _near_unwanted(world: World, pod: Pod, node: Node) -> bool:
    return any(
        world.means(term, pod, other)
        for term in required_terms(pod, "podAntiAffinity")
        for each in world.together(term["topologyKey"], node)
        for other in world.on(each)
    )


def _near_unwilling(world: World, pod: Pod, node: Node) -> bool:
    return any(
        world.means(term, other, pod) and node in world.together(term["topologyKey"], each)
        for each in world.nodes
        for other in world.on(each)
        for term in required_terms(other, "podAntiAffinity")
    )


RULES: list[tuple[str, Rule]] = [
    ("NodeUnschedulable", _unschedulable),
    ("TaintToleration", _taints),
    ("NodeAffinity", _node_affinity),
    ("NodePorts", _ports),
    ("NodeResourcesFit", _fit),
    ("PodTopologySpread", _spread),
    ("InterPodAffinity", _pod_affinity),
]
