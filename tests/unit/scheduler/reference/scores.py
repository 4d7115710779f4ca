"""What each plugin thinks of the feasible nodes, 0-100: the documented rules, one node at a time.

Source: the documentation of the plugins, pkg/scheduler/framework/plugins (1.36).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from api.podspec import pod_requests
from api.taints import tolerates
from tests.unit.scheduler.reference.facts import (
    Node,
    Pod,
    World,
    constraints,
    counts_for,
    domain_sums,
    has_keys,
    labels,
    matching,
    name,
    node_affinity,
    offered,
    required_terms,
    selector_of,
    term_takes,
    wishes,
)

HOST = "kubernetes.io/hostname"
MB = 1024 * 1024
Scores = dict[str, int]
Rule = Callable[[World, Pod, Sequence[Node]], Scores]


def scores(world: World, pod: Pod, feasible: Sequence[Node]) -> dict[str, Scores]:
    """Return, by plugin, the score of each feasible node."""
    return {plugin: rule(world, pod, feasible) for plugin, rule in RULES.items()}


def _scaled(raw: Mapping[str, int], reverse: bool = False) -> Scores:
    most = max(raw.values())
    if most == 0:
        return dict.fromkeys(raw, 100 if reverse else 0)
    scaled = {key: value * 100 // most for key, value in raw.items()}
    return {key: 100 - value for key, value in scaled.items()} if reverse else scaled


def _taints(world: World, pod: Pod, feasible: Sequence[Node]) -> Scores:
    soft = [t for t in pod["spec"].get("tolerations", ()) if t.get("effect", "") in ("", "PreferNoSchedule")]
    raw = {
        name(node): sum(
            taint["effect"] == "PreferNoSchedule" and not tolerates(soft, taint)
            for taint in node["spec"].get("taints", ())
        )
        for node in feasible
    }
    return _scaled(raw, reverse=True)


def _node_affinity(world: World, pod: Pod, feasible: Sequence[Node]) -> Scores:
    preferred = node_affinity(pod).get("preferredDuringSchedulingIgnoredDuringExecution", ())
    raw = {
        name(node): sum(each["weight"] for each in preferred if term_takes(each["preference"], node))
        for node in feasible
    }
    return _scaled(raw)


def _least_allocated(world: World, pod: Pod, feasible: Sequence[Node]) -> Scores:
    return {name(node): _free(world, pod, node) for node in feasible}


def _free(world: World, pod: Pod, node: Node) -> int:
    has, shares = offered(node), []
    for resource, least in (("cpu", 100), ("memory", 200 * MB)):
        if has.get(resource):
            taken = sum(_padded(each, resource, least) for each in (*world.on(node), pod))
            shares.append(max(0, has[resource] - taken) * 100 // has[resource])
    return sum(shares) // len(shares) if shares else 0


def _padded(pod: Pod, resource: str, least: int) -> int:
    """Return a request as scores count it: containers that ask for nothing are taken to need something."""
    containers = [
        {
            **each,
            "resources": {
                "requests": {
                    resource: f"{least}m" if resource == "cpu" else str(least),
                    **(each.get("resources") or {}).get("requests", {}),
                }
            },
        }
        for each in pod["spec"]["containers"]
    ]
    return pod_requests({**pod, "spec": {**pod["spec"], "containers": containers}}).get(resource, 0)


def _balanced(world: World, pod: Pod, feasible: Sequence[Node]) -> Scores:
    need = pod_requests(pod)
    if not need.get("cpu") and not need.get("memory"):
        return dict.fromkeys(map(name, feasible), 0)
    found = {}
    for node in feasible:
        has, used = offered(node), world.used(node)
        shares = [
            min(1.0, (used.get(resource, 0) + need.get(resource, 0)) / has[resource])
            for resource in ("cpu", "memory")
            if has.get(resource)
        ]
        unlike = abs(shares[0] - shares[1]) / 2 if len(shares) == 2 else 0.0
        found[name(node)] = int((1 - unlike) * 100)
    return found


def _images(world: World, pod: Pod, feasible: Sequence[Node]) -> Scores:
    return {name(node): _image_score(world, pod, node) for node in feasible}


def _image_score(world: World, pod: Pod, node: Node) -> int:
    wanted, total = [each["image"] for each in pod["spec"]["containers"]], 0
    for image in wanted:
        held = [_sizes(each)[image] for each in world.nodes if image in _sizes(each)]
        if image in _sizes(node):
            total += int(_sizes(node)[image] * (len(held) / len(world.nodes)))
    least, most = 23 * MB, 1000 * MB * len(wanted)
    return 100 * (min(max(total, least), most) - least) // (most - least)


def _sizes(node: Node) -> dict[str, int]:
    images = node["status"].get("images", ())
    return {each: image["sizeBytes"] for image in images for each in image["names"]}


def _spread(world: World, pod: Pod, feasible: Sequence[Node]) -> Scores:
    soft, own = (
        constraints(pod, hard=False),
        bool(constraints(pod, hard=False) or constraints(pod, hard=True)),
    )
    if not own and world.spreads is not None:
        return _by_default(world, pod, feasible)
    if not soft:
        return dict.fromkeys(map(name, feasible), 0)
    counted = [node for node in feasible if has_keys(node, soft)]
    raw = {}
    for node in counted:
        cost = 0.0
        for constraint in soft:
            key = constraint["topologyKey"]
            if key == HOST:
                pods, size = matching(world, pod, node, selector_of(constraint, pod)), len(counted)
            else:
                pods = domain_sums(world, pod, constraint, soft).get(labels(node)[key], 0)
                size = len({labels(each)[key] for each in counted})
            cost += pods * math.log(size + 2) + constraint["maxSkew"] - 1
        raw[name(node)] = math.floor(cost + 0.5)
    return {name(node): 0 for node in feasible} | _cheapest_first(raw)


def _by_default(world: World, pod: Pod, feasible: Sequence[Node]) -> Scores:
    """What pods of services and controllers get that ask for nothing: soft spreading over hosts and zones."""
    assert world.spreads is not None
    raw = {}
    for node in feasible:
        cost = 0.0
        for key, skew in ((HOST, 3), ("topology.kubernetes.io/zone", 5)):
            if key not in labels(node):
                continue
            near = [node]
            if key != HOST:
                near = [each for each in world.together(key, node) if counts_for(pod, each, {})]
            pods = sum(matching(world, pod, each, world.spreads) for each in near)
            # Nodes without the label are one more domain.
            domains = {labels(each).get(key) for each in feasible}
            cost += pods * math.log((len(feasible) if key == HOST else len(domains)) + 2) + skew - 1
        raw[name(node)] = math.floor(cost + 0.5)
    return _cheapest_first(raw)


def _cheapest_first(raw: Mapping[str, int]) -> Scores:
    most, least = max(raw.values(), default=0), min(raw.values(), default=0)
    return {key: 100 * (most + least - cost) // most if most else 100 for key, cost in raw.items()}


def _pod_affinity(world: World, pod: Pod, feasible: Sequence[Node]) -> Scores:
    raw = {name(node): _attraction(world, pod, node) for node in feasible}
    least, most = min(raw.values()), max(raw.values())
    if least == most:
        return dict.fromkeys(raw, 0)
    return {key: int(100 * ((value - least) / (most - least))) for key, value in raw.items()}


def _attraction(world: World, pod: Pod, node: Node) -> int:
    total = 0
    for each in world.nodes:
        for other in world.on(each):
            theirs: list[tuple[int, Any]] = [(1, term) for term in required_terms(other, "podAffinity")]
            for weight, term, holder, about in (
                *((w, t, pod, other) for w, t in wishes(pod)),
                *((w, t, other, pod) for w, t in (*wishes(other), *theirs)),
            ):
                if node in world.together(term["topologyKey"], each) and world.means(term, holder, about):
                    total += weight
    return total


RULES: dict[str, Rule] = {
    "TaintToleration": _taints,
    "NodeAffinity": _node_affinity,
    "PodTopologySpread": _spread,
    "InterPodAffinity": _pod_affinity,
    "NodeResourcesFit": _least_allocated,
    "NodeResourcesBalancedAllocation": _balanced,
    "ImageLocality": _images,
}
