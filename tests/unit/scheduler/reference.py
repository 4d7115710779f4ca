"""The same rules node by node and pod by pod, slowly, to compare the columns with. Objects are plain dicts.

Source: pkg/scheduler/framework/plugins (1.36).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from api.labels import Selector, from_label_selector
from api.podspec import amounts, pod_requests
from api.taints import tolerates

Node = Mapping[str, Any]
Pod = Mapping[str, Any]
HARD = ("NoSchedule", "NoExecute")
HOST = "kubernetes.io/hostname"


class Reference:
    def __init__(
        self, nodes: Sequence[Node], pods: Sequence[Pod], namespaces: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.nodes = list(nodes)
        self.namespaces = namespaces
        self.pods = {name(n): [p for p in pods if p["spec"]["nodeName"] == name(n)] for n in nodes}

    # -- filters

    def feasible(self, pod: Pod) -> set[str]:
        checks: list[Callable[[Pod, Node], bool]] = [
            self.fits, self.tolerated, selected, self.spread_allows, self.affinity_allows,
        ]  # fmt: skip
        return {name(node) for node in self.nodes if all(check(pod, node) for check in checks)}

    def fits(self, pod: Pod, node: Node) -> bool:
        offered = amounts(node["status"]["allocatable"])
        if len(self.pods[name(node)]) + 1 > offered.get("pods", 0):
            return False
        used = self.used(node)
        return all(
            not need or used.get(resource, 0) + need <= offered.get(resource, 0)
            for resource, need in pod_requests(pod).items()
        )

    def used(self, node: Node) -> dict[str, int]:
        used: dict[str, int] = {}
        for other in self.pods[name(node)]:
            for resource, need in pod_requests(other).items():
                used[resource] = used.get(resource, 0) + need
        return used

    def tolerated(self, pod: Pod, node: Node) -> bool:
        taints = [t for t in node["spec"].get("taints", ()) if t["effect"] in HARD]
        return all(tolerates(pod["spec"].get("tolerations"), taint) for taint in taints)

    def spread_allows(self, pod: Pod, node: Node) -> bool:
        constraints = [c for c in constraints_of(pod) if c["whenUnsatisfiable"] == "DoNotSchedule"]
        for constraint in constraints:
            key = constraint["topologyKey"]
            if key not in labels(node):
                return False
            sums = self.sums(pod, constraint, constraints)
            least = min(sums.values(), default=0)
            if len(sums) < constraint.get("minDomains", 1):
                least = 0
            own = int(from_label_selector(constraint["labelSelector"]).matches(labels(pod)))
            if sums.get(labels(node)[key], 0) + own - least > constraint["maxSkew"]:
                return False
        return True

    def sums(self, pod: Pod, constraint: Any, all_of: Sequence[Any]) -> dict[str, int]:
        """Return matching pods by domain, over the nodes that count."""
        sums: dict[str, int] = {}
        for node in self.nodes:
            if all(c["topologyKey"] in labels(node) for c in all_of) and self.included(pod, node, constraint):
                domain = labels(node)[constraint["topologyKey"]]
                sums[domain] = sums.get(domain, 0) + self.matching(pod, node, constraint)
        return sums

    def included(self, pod: Pod, node: Node, constraint: Any) -> bool:
        if constraint.get("nodeAffinityPolicy", "Honor") == "Honor" and not selected(pod, node):
            return False
        return constraint.get("nodeTaintsPolicy", "Ignore") != "Honor" or self.tolerated(pod, node)

    def matching(self, pod: Pod, node: Node, constraint: Any) -> int:
        selector = from_label_selector(constraint["labelSelector"])
        return sum(
            space(other) == space(pod)
            and "deletionTimestamp" not in other["metadata"]
            and selector.matches(labels(other))
            for other in self.pods[name(node)]
        )

    def affinity_allows(self, pod: Pod, node: Node) -> bool:
        return self.near_wanted(pod, node) and self.far_from_unwanted(pod, node) and self.welcome(pod, node)

    def near_wanted(self, pod: Pod, node: Node) -> bool:
        terms = terms_of(pod, "podAffinity")
        if not all(term["topologyKey"] in labels(node) for term in terms):
            return False

        def holds(term: Any, where: Node | None) -> bool:
            key = term["topologyKey"]
            return any(
                all(self.matches(t, pod, other) for t in terms)
                for each in self.nodes
                if key in labels(each) and (where is None or labels(each)[key] == labels(where)[key])
                for other in self.pods[name(each)]
            )

        if all(holds(term, node) for term in terms):
            return True
        nowhere = not any(holds(term, None) for term in terms)
        return nowhere and all(self.matches(term, pod, pod) for term in terms)

    def far_from_unwanted(self, pod: Pod, node: Node) -> bool:
        return not any(
            self.matches(term, pod, other)
            for term in terms_of(pod, "podAntiAffinity")
            for each in self.same_domain(term, node)
            for other in self.pods[name(each)]
        )

    def welcome(self, pod: Pod, node: Node) -> bool:
        return not any(
            self.matches(term, other, pod)
            for each in self.nodes
            for other in self.pods[name(each)]
            for term in terms_of(other, "podAntiAffinity")
            if together(term, node, each)
        )

    def same_domain(self, term: Any, node: Node) -> list[Node]:
        return [each for each in self.nodes if together(term, node, each)]

    def matches(self, term: Any, holder: Pod, other: Pod) -> bool:
        named, by_label = term.get("namespaces") or [], term.get("namespaceSelector")
        if not named and by_label is None:
            named = [space(holder)]
        inside = space(other) in named or (
            by_label is not None and from_label_selector(by_label).matches(self.namespaces[space(other)])
        )
        return inside and from_label_selector(term["labelSelector"]).matches(labels(other))

    # -- scores

    def totals(self, pod: Pod, default_selector: Selector | None = None) -> dict[str, int]:
        feasible = [node for node in self.nodes if name(node) in self.feasible(pod)]
        parts = [
            (3, self.taint_scores(pod, feasible)),
            (2, self.spread_scores(pod, feasible, default_selector)),
            (2, self.affinity_scores(pod, feasible)),
            (1, {name(node): self.least_allocated(pod, node) for node in feasible}),
            (1, {name(node): self.balanced(pod, node) for node in feasible}),
        ]
        return {name(n): sum(weight * scores.get(name(n), 0) for weight, scores in parts) for n in feasible}

    def taint_scores(self, pod: Pod, feasible: Sequence[Node]) -> dict[str, int]:
        soft = [
            t for t in pod["spec"].get("tolerations", ()) if t.get("effect", "") in ("", "PreferNoSchedule")
        ]
        counts = {
            name(node): sum(
                taint["effect"] == "PreferNoSchedule" and not tolerates(soft, taint)
                for taint in node["spec"].get("taints", ())
            )
            for node in self.nodes
        }
        if not any(counts.values()):
            return {}
        most = max((counts[name(node)] for node in feasible), default=0)
        return {name(n): 100 - 100 * counts[name(n)] // most if most else 100 for n in feasible}

    def least_allocated(self, pod: Pod, node: Node) -> int:
        offered = amounts(node["status"]["allocatable"])
        scores = []
        for resource, least in (("cpu", 100), ("memory", 200 * 1024 * 1024)):
            if offered.get(resource):
                taken = sum(padded(p, resource, least) for p in (*self.pods[name(node)], pod))
                scores.append(max(0, offered[resource] - taken) * 100 // offered[resource])
        return sum(scores) // len(scores) if scores else 0

    def balanced(self, pod: Pod, node: Node) -> int:
        need = pod_requests(pod)
        if not need.get("cpu") and not need.get("memory"):
            return 0
        offered, used = amounts(node["status"]["allocatable"]), self.used(node)

        def balance(more: Mapping[str, int]) -> int:
            shares = [
                min(1.0, (used.get(r, 0) + more.get(r, 0)) / offered[r])
                for r in ("cpu", "memory")
                if offered.get(r)
            ]
            return int((1 - (abs(shares[0] - shares[1]) / 2 if len(shares) == 2 else 0)) * 100)

        return balance(need)

    def spread_scores(
        self, pod: Pod, feasible: Sequence[Node], default_selector: Selector | None
    ) -> dict[str, int]:
        constraints = [c for c in constraints_of(pod) if c["whenUnsatisfiable"] != "DoNotSchedule"]
        if not constraints:
            return {}
        counted = [n for n in feasible if all(c["topologyKey"] in labels(n) for c in constraints)]
        raw = {
            name(n): math.floor(0.5 + sum(self.cost(pod, n, c, constraints, counted) for c in constraints))
            for n in counted
        }
        most, least = max(raw.values(), default=0), min(raw.values(), default=0)
        return {key: (100 * (most + least - cost) // most if most else 100) for key, cost in raw.items()}

    def cost(self, pod: Pod, node: Node, constraint: Any, all_of: Any, counted: Sequence[Node]) -> float:
        key = constraint["topologyKey"]
        if key == HOST:
            pods, size = self.matching(pod, node, constraint), len(counted)
        else:
            pods = self.sums(pod, constraint, all_of).get(labels(node)[key], 0)
            size = len({labels(n)[key] for n in counted})
        return float(pods * math.log(size + 2) + constraint["maxSkew"] - 1)

    def affinity_scores(self, pod: Pod, feasible: Sequence[Node]) -> dict[str, int]:
        raw = {name(node): self.affinity_of(pod, node) for node in feasible}
        if not raw or max(raw.values()) == min(raw.values()):
            return {}
        least, span = min(raw.values()), max(raw.values()) - min(raw.values())
        return {key: int(100 * (value - least) / span) for key, value in raw.items()}

    def affinity_of(self, pod: Pod, node: Node) -> int:
        total = 0
        for each in self.nodes:
            for other in self.pods[name(each)]:
                for weight, term in preferences(pod):
                    if together(term, node, each) and self.matches(term, pod, other):
                        total += weight
                for weight, term in (
                    *preferences(other), *((1, t) for t in terms_of(other, "podAffinity")),
                ):  # fmt: skip
                    if together(term, node, each) and self.matches(term, other, pod):
                        total += weight
        return total


def name(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"]["name"])


def space(pod: Pod) -> str:
    return str(pod["metadata"]["namespace"])


def labels(obj: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = obj["metadata"]["labels"]
    return found


def together(term: Any, one: Node, other: Node) -> bool:
    key = term["topologyKey"]
    return key in labels(one) and labels(one)[key] == labels(other).get(key)


def selected(pod: Pod, node: Node) -> bool:
    return all(labels(node).get(key) == value for key, value in pod["spec"].get("nodeSelector", {}).items())


def constraints_of(pod: Pod) -> list[Any]:
    return list(pod["spec"].get("topologySpreadConstraints", ()))


def terms_of(pod: Pod, kind: str) -> list[Any]:
    affinity = pod["spec"].get("affinity", {}).get(kind, {})
    return list(affinity.get("requiredDuringSchedulingIgnoredDuringExecution", ()))


def preferences(pod: Pod) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        affinity = pod["spec"].get("affinity", {}).get(kind, {})
        wishes = affinity.get("preferredDuringSchedulingIgnoredDuringExecution", ())
        found += [(sign * wish["weight"], wish["podAffinityTerm"]) for wish in wishes]
    return found


def padded(pod: Pod, resource: str, least: int) -> int:
    """Return a request as scores count it; the pods of these tests have one container."""
    requests = (pod["spec"]["containers"][0].get("resources") or {}).get("requests", {})
    return pod_requests(pod)[resource] if resource in requests else least
