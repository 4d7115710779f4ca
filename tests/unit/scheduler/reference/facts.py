"""What the rules ask of plain objects: labels, selectors, amounts. Used by the slow rules beside it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.labels import Selector, from_label_selector
from api.podspec import amounts, pod_requests
from api.taints import tolerates

Node = Mapping[str, Any]
Pod = Mapping[str, Any]


@dataclass
class World:
    """A cluster as plain objects; `spreads` is what services and controllers say about the new pod."""

    nodes: Sequence[Node]
    pods: Sequence[Pod]
    namespaces: Mapping[str, Mapping[str, str]]
    spreads: Selector | None = None
    _by_node: dict[str, list[Pod]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for pod in self.pods:
            self._by_node.setdefault(pod["spec"]["nodeName"], []).append(pod)

    def on(self, node: Node) -> list[Pod]:
        return self._by_node.get(name(node), [])

    def used(self, node: Node) -> dict[str, int]:
        used: dict[str, int] = {}
        for pod in self.on(node):
            for resource, need in pod_requests(pod).items():
                used[resource] = used.get(resource, 0) + need
        return used

    def together(self, key: str, node: Node) -> list[Node]:
        """Return the nodes in the same domain of a label; none without the label."""
        value = labels(node).get(key)
        return [each for each in self.nodes if value is not None and labels(each).get(key) == value]

    def means(self, term: Any, holder: Pod, other: Pod) -> bool:
        """Say whether an affinity term of one pod is about another pod."""
        named, by_label = term.get("namespaces") or [], term.get("namespaceSelector")
        if not named and by_label is None:
            named = [space(holder)]
        inside = space(other) in named or (
            by_label is not None and from_label_selector(by_label).matches(self.namespaces[space(other)])
        )
        return inside and selector_of(term, holder).matches(labels(other))


def name(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"]["name"])


def space(pod: Pod) -> str:
    return str(pod["metadata"]["namespace"])


def labels(obj: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return found


def offered(node: Node) -> dict[str, int]:
    return amounts(node["status"]["allocatable"])


def selector_of(holder: Any, pod: Pod) -> Selector:
    """Return the selector of a constraint or term of a pod, with what its label keys add."""
    selector = dict(holder["labelSelector"])
    extra = {key: labels(pod)[key] for key in holder.get("matchLabelKeys", ()) if key in labels(pod)}
    selector["matchLabels"] = {**selector.get("matchLabels", {}), **extra}
    return from_label_selector(selector)


def hard_taints(node: Node) -> list[Any]:
    return [t for t in node["spec"].get("taints", ()) if t["effect"] in ("NoSchedule", "NoExecute")]


def tolerated(pod: Pod, taints: Iterable[Any]) -> bool:
    return all(tolerates(pod["spec"].get("tolerations"), taint) for taint in taints)


def node_selected(pod: Pod, node: Node) -> bool:
    """Say whether nodeSelector and required node affinity take the node."""
    spec = pod["spec"]
    if any(labels(node).get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
        return False
    required = node_affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(term_takes(term, node) for term in required["nodeSelectorTerms"])


def named_nodes(pod: Pod) -> set[str] | None:
    """Return the nodes that required affinity asks for by name alone: others are not even looked at."""
    required = node_affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return None
    found: set[str] = set()
    for term in required["nodeSelectorTerms"]:
        names = [each["values"] for each in term.get("matchFields", ()) if each["operator"] == "In"]
        if not names:
            return None
        found.update(*names)
    return found


def node_affinity(pod: Pod) -> Mapping[str, Any]:
    found: Mapping[str, Any] = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    return found


def term_takes(term: Any, node: Node) -> bool:
    by_label, by_field = term.get("matchExpressions", ()), term.get("matchFields", ())
    if not by_label and not by_field:
        return False
    return all(holds(each, labels(node)) for each in by_label) and all(
        holds(each, {"metadata.name": name(node)}) for each in by_field
    )


def holds(expression: Any, values: Mapping[str, str]) -> bool:
    key, wanted = expression["key"], expression.get("values", ())
    present = key in values
    match expression["operator"]:
        case "In":
            return present and values[key] in wanted
        case "NotIn":
            return not present or values[key] not in wanted
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
        case "Gt":
            return present and values[key].isdigit() and int(values[key]) > int(wanted[0])
        case _:
            return present and values[key].isdigit() and int(values[key]) < int(wanted[0])


def required_terms(pod: Pod, kind: str) -> list[Any]:
    affinity = pod["spec"].get("affinity", {}).get(kind, {})
    return list(affinity.get("requiredDuringSchedulingIgnoredDuringExecution", ()))


def wishes(pod: Pod) -> list[tuple[int, Any]]:
    """Return (weight, term) of preferred affinity; negative for anti-affinity."""
    found: list[tuple[int, Any]] = []
    for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        affinity = pod["spec"].get("affinity", {}).get(kind, {})
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution", ())
        found += [(sign * each["weight"], each["podAffinityTerm"]) for each in preferred]
    return found


def constraints(pod: Pod, hard: bool) -> list[Any]:
    found = pod["spec"].get("topologySpreadConstraints", ())
    return [each for each in found if (each["whenUnsatisfiable"] == "DoNotSchedule") == hard]


def matching(world: World, pod: Pod, node: Node, selector: Selector) -> int:
    """Return how many pods of a node are of the pod's namespace, not on their way out, and selected."""
    return sum(
        space(other) == space(pod)
        and "deletionTimestamp" not in other["metadata"]
        and selector.matches(labels(other))
        for other in world.on(node)
    )


def counts_for(pod: Pod, node: Node, constraint: Any) -> bool:
    """Say whether the node's pods count under a spread constraint, by its two policies."""
    if constraint.get("nodeAffinityPolicy", "Honor") == "Honor" and not node_selected(pod, node):
        return False
    return constraint.get("nodeTaintsPolicy", "Ignore") != "Honor" or tolerated(pod, hard_taints(node))


def has_keys(node: Node, constraints: Iterable[Any]) -> bool:
    return all(each["topologyKey"] in labels(node) for each in constraints)


def domain_sums(world: World, pod: Pod, constraint: Any, needed: Sequence[Any]) -> dict[str, int]:
    """Return matching pods by domain over the nodes that count and have the labels of all `needed`."""
    sums: dict[str, int] = {}
    for node in world.nodes:
        if has_keys(node, (constraint, *needed)) and counts_for(pod, node, constraint):
            domain = labels(node)[constraint["topologyKey"]]
            found = matching(world, pod, node, selector_of(constraint, pod))
            sums[domain] = sums.get(domain, 0) + found
    return sums
