"""The slow way to the smallest change: every change of the family is made to the objects and tried.

Written from what `scheduler.explain.edits` and `advice` promise, on dicts alone, to be compared with what
they say. Requests are tried in steps (`STEPS`).
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from typing import Any, TypeAlias

from api.codec.shapes import copy
from api.podspec import amounts
from tests.unit.scheduler.build import World

STEPS = {"cpu": 100, "memory": 1 << 28}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
CORDON = "node.kubernetes.io/unschedulable"


NAMESPACES = {"default": {"team": "a"}, "other": {"team": "b"}}
Case: TypeAlias = tuple[list[Any], list[Any], Any]


def fits(case: Case) -> set[str]:
    """Return where the pod would run."""
    nodes, placed, pod = case
    return World(nodes, placed, **NAMESPACES).feasible(pod)


def pod_edits(pod: Any, nodes: list[Any]) -> Iterator[tuple[str, Fraction, Any]]:
    """Yield (kind, size, changed pod)."""
    spec = pod["spec"]
    for number, container in enumerate(spec["containers"]):
        yield from _requests(pod, number, container)
    ports = [
        (number, index)
        for number, container in enumerate(spec["containers"])
        for index, port in enumerate(container.get("ports") or ())
        if port.get("hostPort")
    ]
    for number, index in ports:
        changed = copy(pod)
        del changed["spec"]["containers"][number]["ports"][index]["hostPort"]
        yield "RemoveHostPort", Fraction(1, len(ports)), changed
    yield from _tolerations(pod, nodes)
    for key in spec.get("nodeSelector") or {}:
        changed = copy(pod)
        del changed["spec"]["nodeSelector"][key]
        yield "DropNodeSelector", Fraction(1, len(spec["nodeSelector"])), changed
    yield from _node_affinity(pod)
    for field in ("podAffinity", "podAntiAffinity"):
        terms = ((spec.get("affinity") or {}).get(field) or {}).get(REQUIRED) or ()
        for number in range(len(terms)):
            changed = copy(pod)
            del changed["spec"]["affinity"][field][REQUIRED][number]
            yield field, Fraction(1, len(terms)), changed
    for number, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        if constraint["whenUnsatisfiable"] == "DoNotSchedule":
            yield from _spread(pod, number, constraint["maxSkew"])


def _requests(pod: Any, number: int, container: Any) -> Iterator[tuple[str, Fraction, Any]]:
    before = amounts((container.get("resources") or {}).get("requests"))
    for name, amount in before.items():
        for less in range(0, amount, STEPS[name]):
            changed = copy(pod)
            text = f"{less}m" if name == "cpu" else str(less)
            changed["spec"]["containers"][number]["resources"]["requests"][name] = text
            yield "LowerRequest", Fraction(amount - less, amount), changed


def _tolerations(pod: Any, nodes: list[Any]) -> Iterator[tuple[str, Fraction, Any]]:
    present = pod["spec"].get("tolerations") or []
    taints = [t for node in nodes for t in node["spec"].get("taints") or () if "node.kubern" not in t["key"]]
    for taint in taints:
        for effect in ({"effect": taint["effect"]}, {}):
            toleration = {"key": taint["key"], "operator": "Exists", **effect}
            changed = copy(pod)
            changed["spec"]["tolerations"] = [*present, toleration]
            yield "AddToleration", Fraction(1, len(present) + 1), changed


def _node_affinity(pod: Any) -> Iterator[tuple[str, Fraction, Any]]:
    required = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED)
    if not required:
        return
    for number, term in enumerate(required["nodeSelectorTerms"]):
        count = len(term["matchExpressions"])
        for index in range(count if count > 1 else 0):
            changed = copy(pod)
            terms = changed["spec"]["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
            del terms[number]["matchExpressions"][index]
            yield "DropNodeAffinity", Fraction(1, count), changed
    changed = copy(pod)
    del changed["spec"]["affinity"]["nodeAffinity"][REQUIRED]
    yield "DropNodeAffinity", Fraction(1), changed


def _spread(pod: Any, number: int, before: int) -> Iterator[tuple[str, Fraction, Any]]:
    for skew in range(before + 1, before + 20):
        changed = copy(pod)
        changed["spec"]["topologySpreadConstraints"][number]["maxSkew"] = skew
        yield "RaiseMaxSkew", Fraction(skew - before, skew), changed
    changed = copy(pod)
    changed["spec"]["topologySpreadConstraints"][number]["whenUnsatisfiable"] = "ScheduleAnyway"
    yield "RelaxSpread", Fraction(1), changed


def uncordoned(node: Any) -> Any:
    taints = [taint for taint in node["spec"].get("taints") or () if taint["key"] != CORDON]
    spec = {key: value for key, value in node["spec"].items() if key != "unschedulable"}
    return {**node, "spec": {**spec, "taints": taints}}


def share_to_free(node: Any, pods: list[Any], pod: Any) -> Fraction:
    """Return the largest share of what the node offers of one resource that it lacks for the pod."""
    offered, used = amounts(node["status"]["allocatable"]), {"pods": len(pods) + 1}
    for each in (*pods, pod):
        for container in each["spec"]["containers"]:
            for name, amount in amounts((container.get("resources") or {}).get("requests")).items():
                used[name] = used.get(name, 0) + amount
    wanted = {"pods", *amounts((pod["spec"]["containers"][0].get("resources") or {}).get("requests"))}
    lacks = [
        Fraction(max(0, used[name] - offered.get(name, 0)), max(1, offered.get(name, 0))) for name in wanted
    ]
    return max(lacks)


def some_gone(placed: list[Any], node: str) -> Iterator[list[Any]]:
    """Yield what is left when some of the node's pods are deleted."""
    here = [each for each in placed if each["spec"].get("nodeName") == node]
    for count in range(1, len(here) + 1):
        for gone in combinations(here, count):
            yield [each for each in placed if each not in gone]
