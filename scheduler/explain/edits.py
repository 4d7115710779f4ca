"""Single changes of a pod that may let it run, each of one field: what, how large, as a JSON patch. Pure.

`advice` tries them; this file only says which there are:

    LowerRequest          of one container (or of the pod as a whole) of one resource
    RaiseMaxSkew          of one hard topology spread constraint
    RemoveHostPort        one of a container's
    AddToleration         of one taint, as narrow as can be: key, value and effect
    DropNodeSelector      one label of `nodeSelector`
    DropNodeAffinity      one expression of a required term with several, or the requirement as a whole
    DropPodAffinity       one required term; DropPodAntiAffinity likewise
    RelaxSpread           one hard constraint becomes soft

The size of a change is how much of the field changes, from above 0 to 1: of a number, the difference by the
larger of both; of a list of n, 1/n for one that goes and 1/(n+1) for one that comes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from api.patch.json import apply_patch
from api.podspec import amounts, pod_requests, to_quantity
from api.taints import NO_EXECUTE, NO_SCHEDULE, tolerates
from api.types.core_v1 import Pod, Taint

Operation: TypeAlias = Mapping[str, Any]
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
# Of these a container may request less than its limit; of others both are one number.
_OVERCOMMITTED = frozenset(("cpu", "memory", "ephemeral-storage"))
# Taints that say how a node is: whoever tolerates them gets a node that cannot run it.
_CONDITIONS = "node.kubernetes.io/"


@dataclass(frozen=True)
class Edit:
    """One change of one field of the pod."""

    kind: str
    text: str
    patch: tuple[Operation, ...]
    size: Fraction

    def apply(self, pod: Pod) -> Pod:
        """Return the changed pod."""
        return _patched(pod, self.patch)


def _patched(pod: Pod, patch: Sequence[Operation]) -> Pod:
    before: Any = pod
    after: Any = apply_patch(before, list(patch))
    return after  # type: ignore[no-any-return]


def fixed_edits(pod: Pod, taints: Iterable[Taint]) -> Iterator[Edit]:
    """Yield the changes that need no number to be found; `taints` are those of the nodes."""
    spec: Any = pod["spec"]
    yield from _ports(spec)
    yield from _tolerations(spec.get("tolerations") or [], taints)
    affinity = spec.get("affinity") or {}
    yield from _selectors(spec.get("nodeSelector") or {})
    yield from _node_affinity((affinity.get("nodeAffinity") or {}).get(_REQUIRED) or {})
    yield from _pod_terms("podAffinity", "DropPodAffinity", affinity)
    yield from _pod_terms("podAntiAffinity", "DropPodAntiAffinity", affinity)
    constraints = spec.get("topologySpreadConstraints") or []
    for number, constraint in enumerate(constraints):
        if constraint["whenUnsatisfiable"] == "DoNotSchedule":
            path = f"/spec/topologySpreadConstraints/{number}/whenUnsatisfiable"
            text = f"make the spread constraint over {constraint['topologyKey']} soft (ScheduleAnyway)"
            yield Edit("RelaxSpread", text, (_replace(path, "ScheduleAnyway"),), Fraction(1))


def _replace(path: str, value: Any) -> Operation:
    return {"op": "replace", "path": path, "value": value}


def _remove(path: str) -> Operation:
    return {"op": "remove", "path": path}


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


# -- requests


def lowered_requests(pod: Pod, resource: str, most: int) -> Iterator[Edit]:
    """Yield, for each place that a request stands at, the least change by which the pod as a whole requests
    `most` at the most.
    """
    spec: Any = pod["spec"]
    for where, label, resources in _resource_fields(spec):
        before = amounts(resources.get("requests")).get(resource, 0)
        if not before:
            continue
        number = _largest(before - 1, lambda each, at=where: _total(pod, at, resource, each) <= most)
        if number is None:
            continue
        text = to_quantity(resource, number)
        changes = [_replace(f"{where}/requests/{_escaped(resource)}", text)]
        if resource not in _OVERCOMMITTED and resource in (resources.get("limits") or {}):
            changes.append(_replace(f"{where}/limits/{_escaped(resource)}", text))
        words = f"lower the {resource} request of {label} from {resources['requests'][resource]} to {text}"
        yield Edit("LowerRequest", words, tuple(changes), Fraction(before - number, before))


def _resource_fields(spec: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield (path, name for people, value) of all places at which requests stand."""
    if spec.get("resources"):
        yield "/spec/resources", "the pod", spec["resources"]
    for part in ("containers", "initContainers"):
        for number, container in enumerate(spec.get(part) or ()):
            if container.get("resources"):
                yield (
                    f"/spec/{part}/{number}/resources",
                    f"container {container['name']}",
                    container["resources"],
                )


def _total(pod: Pod, where: str, resource: str, number: int) -> int:
    """Return what the pod as a whole requests if it requests so much in one place."""
    path = f"{where}/requests/{_escaped(resource)}"
    changed = _patched(pod, [_replace(path, to_quantity(resource, number))])
    return pod_requests(changed).get(resource, 0)


def _largest(most: int, fits: Any) -> int | None:
    """Return the largest number up to `most` that fits, None if not even 0 does."""
    if not fits(0):
        return None
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


# -- topology spread


def raised_skew(pod: Pod, number: int, most: int) -> Edit:
    """Return the change that raises the maxSkew of a constraint to `most`."""
    constraint: Any = pod["spec"]["topologySpreadConstraints"][number]
    before = constraint["maxSkew"]
    path = f"/spec/topologySpreadConstraints/{number}/maxSkew"
    text = f"raise maxSkew of the spread constraint over {constraint['topologyKey']} from {before} to {most}"
    return Edit("RaiseMaxSkew", text, (_replace(path, most),), Fraction(most - before, most))


# -- ports


def _ports(spec: Any) -> Iterator[Edit]:
    if spec.get("hostNetwork"):
        # Its ports are the node's by nature.
        return
    places = [
        (f"/spec/{part}/{number}/ports/{index}/hostPort", port["hostPort"])
        for part in ("containers", "initContainers")
        for number, container in enumerate(spec.get(part) or ())
        for index, port in enumerate(container.get("ports") or ())
        if port.get("hostPort")
    ]
    for path, port in places:
        yield Edit("RemoveHostPort", f"remove host port {port}", (_remove(path),), Fraction(1, len(places)))


# -- taints


def _tolerations(present: Sequence[Any], taints: Iterable[Taint]) -> Iterator[Edit]:
    size = Fraction(1, len(present) + 1)
    effects: dict[tuple[str, str], set[str]] = {}
    for taint in taints:
        hard = taint.get("effect") in (NO_SCHEDULE, NO_EXECUTE)
        if hard and not taint["key"].startswith(_CONDITIONS) and not tolerates(present, taint):
            effects.setdefault((taint["key"], taint.get("value") or ""), set()).add(taint["effect"])
    for (key, value), found in sorted(effects.items()):
        for effect in (*sorted(found), *([""] if len(found) > 1 else [])):
            toleration = {"key": key, "operator": "Equal" if value else "Exists"}
            toleration |= {"value": value} if value else {}
            toleration |= {"effect": effect} if effect else {}
            word = f"{key}={value}" if value else key
            text = f"tolerate the taint {word}:{effect}" if effect else f"tolerate the taint {word}"
            add: Operation = {"op": "add", "path": "/spec/tolerations", "value": [*present, toleration]}
            yield Edit("AddToleration", text, (add,), size)


# -- labels and other pods


def _selectors(selector: Mapping[str, str]) -> Iterator[Edit]:
    for key, value in selector.items():
        text = f"drop {key}={value} from nodeSelector"
        path = f"/spec/nodeSelector/{_escaped(key)}"
        yield Edit("DropNodeSelector", text, (_remove(path),), Fraction(1, len(selector)))


def _node_affinity(required: Any) -> Iterator[Edit]:
    path = f"/spec/affinity/nodeAffinity/{_REQUIRED}"
    for number, term in enumerate(required.get("nodeSelectorTerms") or ()):
        places = [
            (f"{path}/nodeSelectorTerms/{number}/{part}/{index}", expression)
            for part in ("matchExpressions", "matchFields")
            for index, expression in enumerate(term.get(part) or ())
        ]
        if len(places) > 1:
            for place, expression in places:
                text = f"drop {_worded(expression)} from the required node affinity"
                yield Edit("DropNodeAffinity", text, (_remove(place),), Fraction(1, len(places)))
    if required:
        yield Edit("DropNodeAffinity", "drop the required node affinity", (_remove(path),), Fraction(1))


def _worded(expression: Any) -> str:
    values = ", ".join(expression.get("values") or ())
    return f"{expression['key']} {expression['operator']}" + (f" ({values})" if values else "")


def _pod_terms(field: str, kind: str, affinity: Any) -> Iterator[Edit]:
    terms = (affinity.get(field) or {}).get(_REQUIRED) or ()
    word = "pod affinity" if field == "podAffinity" else "pod anti-affinity"
    for number, term in enumerate(terms):
        path = f"/spec/affinity/{field}/{_REQUIRED}/{number}"
        text = f"drop the required {word} over {term['topologyKey']}"
        yield Edit(kind, text, (_remove(path),), Fraction(1, len(terms)))
