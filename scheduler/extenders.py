"""HTTP extenders: what they are asked, and what their answers mean. Pure; `extender_client` does the asking.

    filter       pod and nodes that passed the filters -> those that may stay, the others with reasons
    prioritize   pod and nodes -> scores of 0 to 10, weighed and added to the plugins' own
    preempt      pod and candidates with victims -> the candidates that may stay, with their victims
    bind         pod and node -> bound, instead of by the scheduler itself

The names of fields are Go's; in answers they may be written in any case.
Source: pkg/scheduler/extender.go, schedule_one.go findNodesThatPassExtenders and prioritizeNodes,
framework/preemption callExtenders, k8s.io/kube-scheduler/extender/v1 (1.36).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from api.types.core_v1 import Node, Pod
from scheduler.configuration.model import ExtenderConfig
from scheduler.decide import Outside
from scheduler.framework import MAX_SCORE
from scheduler.preempt import Preemption

# Extenders score up to this.
_MAX_PRIORITY = 10
JSON: TypeAlias = Any


class ExtenderError(Exception):
    """An extender did not answer, or not as it must."""


@dataclass(frozen=True)
class Question:
    """What an extender is to be asked by a POST to its address for `verb`."""

    extender: ExtenderConfig
    verb: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """The JSON that came back."""

    value: JSON


@dataclass(frozen=True)
class NoAnswer:
    """Nothing came back that could be read."""

    reason: str


Reply: TypeAlias = Answer | NoAnswer


def url(question: Question) -> str:
    """Return where the question goes."""
    return f"{question.extender.url_prefix.rstrip('/')}/{question.verb}"


def interested(extenders: Iterable[ExtenderConfig], pod: Pod) -> list[ExtenderConfig]:
    """Return the extenders that want to be asked about a pod."""
    return [extender for extender in extenders if is_interested(extender, pod)]


def is_interested(extender: ExtenderConfig, pod: Pod) -> bool:
    """Say whether an extender is about every pod, or manages a resource that this pod asks for."""
    if not extender.managed_resources:
        return True
    managed = {resource.name for resource in extender.managed_resources}
    spec = pod["spec"]
    return any(
        name in managed
        for container in (*spec["containers"], *(spec.get("initContainers") or ()))
        for which in ("requests", "limits")
        for name in (container.get("resources") or {}).get(which) or ()
    )


def filter_question(extender: ExtenderConfig, pod: Pod, nodes: Sequence[Node]) -> Question:
    """Ask which of the nodes a pod may go to."""
    return Question(extender, extender.filter_verb, _arguments(extender, pod, nodes))


def prioritize_question(extender: ExtenderConfig, pod: Pod, nodes: Sequence[Node]) -> Question:
    """Ask how good the nodes are for a pod."""
    return Question(extender, extender.prioritize_verb, _arguments(extender, pod, nodes))


def _arguments(extender: ExtenderConfig, pod: Pod, nodes: Sequence[Node]) -> Mapping[str, Any]:
    names = [node["metadata"]["name"] for node in nodes]
    if extender.node_cache_capable:
        return {"Pod": pod, "Nodes": None, "NodeNames": names}
    return {"Pod": pod, "Nodes": {"metadata": {}, "items": list(nodes)}, "NodeNames": None}


def read_filter(extender: ExtenderConfig, reply: Reply, before: Collection[str]) -> Outside:
    """Return the nodes that are left of those asked about, and why others are not. Raises `ExtenderError`."""
    result = _object(reply, "ExtenderFilterResult")
    if error := _get(result, "Error"):
        raise ExtenderError(str(error))
    names, nodes = _get(result, "NodeNames"), _get(result, "Nodes")
    left: list[str] = []
    if extender.node_cache_capable and names is not None:
        left = [str(name) for name in names]
    elif nodes is not None:
        left = [str(_get(_get(node, "metadata"), "name")) for node in _get(nodes, "items") or ()]
    known = frozenset(before)
    for name in left:
        if name not in known:
            raise ExtenderError(
                f'extender "{extender.url_prefix}" claims a filtered node "{name}" which is not found in the '
                "input node list"
            )
    failed = {name: (str(text), False) for name, text in (_get(result, "FailedNodes") or {}).items()}
    hopeless = _get(result, "FailedAndUnresolvableNodes") or {}
    failed |= {name: (str(text), True) for name, text in hopeless.items()}
    return Outside(frozenset(left), failed)


def read_scores(extender: ExtenderConfig, reply: Reply) -> Mapping[str, int]:
    """Return what is added to the scores of nodes. Raises `ExtenderError`."""
    if isinstance(reply, NoAnswer):
        raise ExtenderError(reply.reason)
    if not isinstance(reply.value, list):
        raise ExtenderError("the answer is no HostPriorityList")
    factor = extender.weight * (MAX_SCORE // _MAX_PRIORITY)
    try:
        return {str(_get(each, "Host")): int(_get(each, "Score") or 0) * factor for each in reply.value}
    except (TypeError, ValueError) as error:
        raise ExtenderError(f"the answer is no HostPriorityList: {error}") from error


def preempt_question(extender: ExtenderConfig, pod: Pod, candidates: Sequence[Preemption]) -> Question:
    """Ask which of the candidates are right, and who must go there."""
    if extender.node_cache_capable:
        victims = {
            each.node: _victims(each, [{"UID": _uid(pod)} for pod in each.victims]) for each in candidates
        }
        body = {"Pod": pod, "NodeNameToVictims": None, "NodeNameToMetaVictims": victims}
    else:
        victims = {each.node: _victims(each, list(each.victims)) for each in candidates}
        body = {"Pod": pod, "NodeNameToVictims": victims, "NodeNameToMetaVictims": None}
    return Question(extender, extender.preempt_verb, body)


def _victims(candidate: Preemption, pods: list[Any]) -> Mapping[str, Any]:
    return {"Pods": pods, "NumPDBViolations": candidate.violations}


def read_preemption(
    extender: ExtenderConfig, reply: Reply, pods_on: Mapping[str, Iterable[Pod]]
) -> list[Preemption]:
    """Return the candidates that are left; `pods_on` are the pods by node. Raises `ExtenderError`."""
    result = _object(reply, "ExtenderPreemptionResult")
    found = []
    for node, victims in (_get(result, "NodeNameToMetaVictims") or {}).items():
        if node not in pods_on:
            raise ExtenderError(f'nodeinfo not found for node name "{node}"')
        uids = [str(_get(pod, "UID")) for pod in _get(victims, "Pods") or ()]
        if not uids:
            if extender.ignorable:
                continue
            raise ExtenderError(f'expected at least one victim pod on node "{node}"')
        known = {_uid(pod): pod for pod in pods_on[node]}
        for uid in uids:
            if uid not in known:
                raise ExtenderError(
                    f"extender: {extender.url_prefix} claims to preempt pod (UID: {uid}) on node: {node}, "
                    "but the pod is not found on that node"
                )
        violations = int(_get(victims, "NumPDBViolations") or 0)
        found.append(Preemption(node, tuple(known[uid] for uid in uids), violations))
    return found


def bind_question(extender: ExtenderConfig, pod: Pod, node: str) -> Question:
    """Ask to bind a pod."""
    metadata = pod["metadata"]
    body = {
        "PodName": metadata["name"],
        "PodNamespace": metadata["namespace"],
        "PodUID": metadata["uid"],
        "Node": node,
    }
    return Question(extender, extender.bind_verb, body)


def read_binding(reply: Reply) -> None:
    """Raises `ExtenderError` if the pod was not bound."""
    if error := _get(_object(reply, "ExtenderBindingResult"), "Error"):
        raise ExtenderError(str(error))


def _uid(pod: Pod) -> str:
    return pod["metadata"]["uid"]


def _object(reply: Reply, kind: str) -> Mapping[str, Any]:
    if isinstance(reply, NoAnswer):
        raise ExtenderError(reply.reason)
    if not isinstance(reply.value, dict):
        raise ExtenderError(f"the answer is no {kind}")
    return reply.value


def _get(value: Any, name: str) -> Any:
    """Return a field, written in any case, as Go reads it; None without one."""
    if not isinstance(value, dict):
        return None
    if name in value:
        return value[name]
    lower = name.lower()
    return next((found for key, found in value.items() if key.lower() == lower), None)
