"""What of a pod matters to its placement, compiled once and shared by all pods that are alike.

The replicas of a controller differ in name alone. Their `Shape` is one object, so that filter masks, scores
and selector matches can be kept by shape. Where each has a volume of its own, they still share all that does
not depend on volumes: it is kept by `Shape.base`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from api.labels import NOTHING, Selector, from_label_selector
from api.podspec import host_ports, placed_requests, pod_condition
from api.types.core_v1 import Pod, PodSpec
from scheduler.volumes.uses import Use, uses_of

# What a container without requests is taken to need when nodes are scored: 100m and 200 MB.
# Source: pkg/scheduler/util/pod_resources.go.
DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024
_LEAST = {"cpu": DEFAULT_MILLI_CPU, "memory": DEFAULT_MEMORY}


@dataclass(frozen=True)
class Namespaces:
    """The namespaces an affinity term looks at: those named, and those whose labels the selector matches."""

    names: frozenset[str]
    selector: Selector = NOTHING


@dataclass(frozen=True)
class Term:
    """One pod (anti-)affinity term. `weight` is 0 for required ones."""

    namespaces: Namespaces
    selector: Selector
    topology_key: str
    weight: int = 0


@dataclass(frozen=True)
class Spread:
    """One topology spread constraint."""

    topology_key: str
    max_skew: int
    selector: Selector
    hard: bool
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


@dataclass(frozen=True, eq=False)
class Shape:
    """Compared by identity: `Shapes` hands out one per key. `requests` are millicores and units."""

    key: bytes
    # What is left of the key without volumes: all but the volume plugins may share results by it.
    base: bytes
    namespace: str
    labels: Mapping[str, str]
    spec: PodSpec
    requests: Mapping[str, int]
    scored_cpu: int
    scored_memory: int
    ports: frozenset[tuple[str, str, int]]
    images: tuple[str, ...]
    # What the node must have declared to be able to do.
    features: frozenset[str]
    owner: tuple[str, str]
    spread: tuple[Spread, ...]
    affinity: tuple[Term, ...]
    anti_affinity: tuple[Term, ...]
    preferred: tuple[Term, ...]  # the weight of anti-affinity is negative
    # Parts of the above that some plugins depend on alone: pods of many shapes are equal in them.
    size: tuple[object, ...]
    tolerations: bytes
    node_selection: bytes
    # Empty for pods whose volumes fit anywhere, which is most of them.
    volumes: tuple[Use, ...] = ()


class Shapes:
    """The shapes seen lately. When a table is full it starts anew: shapes in use live on."""

    LIMIT, RECENT = 4096, 32_768

    def __init__(self) -> None:
        self._known: dict[bytes, Shape] = {}
        # By the identity of the pod, which is held so that it stays the pod's.
        self._recent: dict[int, tuple[Pod, Shape]] = {}

    def of(self, pod: Pod) -> Shape:
        recent = self._recent.get(id(pod))
        if recent is not None:
            return recent[1]
        if len(self._recent) >= self.RECENT:
            self._recent.clear()
        shape = self._find(pod)
        self._recent[id(pod)] = pod, shape
        return shape

    def forget(self, pod: Pod) -> None:
        """The pod has been replaced, or is gone: it need not be held any more."""
        self._recent.pop(id(pod), None)

    def _find(self, pod: Pod) -> Shape:
        key = shape_key(pod)
        shape = self._known.get(key)
        if shape is None:
            if len(self._known) >= self.LIMIT:
                self._known.clear()
            shape = self._known[key] = new_shape(pod, key)
        return shape


_SPEC_KEYS = (
    "nodeSelector", "affinity", "tolerations", "overhead", "topologySpreadConstraints", "resources",
    "hostNetwork", "hostUsers", "resourceClaims",
)  # fmt: skip
_CONTAINER_KEYS = ("image", "ports", "resources", "restartPolicy", "restartPolicyRules")


def shape_key(pod: Pod) -> bytes:
    """Return the bytes that two pods share exactly if they may be placed alike."""
    return _base_key(pod) + _volumes_key(uses_of(pod))


def _volumes_key(uses: tuple[Use, ...]) -> bytes:
    return orjson.dumps(uses) if uses else b""


def _base_key(pod: Pod) -> bytes:
    metadata, spec = pod["metadata"], pod["spec"]
    inits = spec.get("initContainers") or ()
    containers = [list(map(container.get, _CONTAINER_KEYS)) for container in (*spec["containers"], *inits)]
    parts = list(map(spec.get, _SPEC_KEYS))
    own = _owner(pod), _volume_images(spec), _resize(pod)
    return orjson.dumps([metadata["namespace"], metadata.get("labels"), own, len(inits), containers, parts])


def _volume_images(spec: PodSpec) -> list[str]:
    volumes = spec.get("volumes") or ()
    return [image.get("reference", "") for volume in volumes if (image := volume.get("image")) is not None]


def _resize(pod: Pod) -> Any:
    """Return what the node says of the pod's amounts, if that is not what the spec says: it is being resized,
    or cannot be.
    """
    status: Any = pod.get("status")
    if not status or not (status.get("containerStatuses") or "resources" in status):
        return None
    spec: Any = pod["spec"]
    known = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    by_name = {each["name"]: each for each in known}
    containers = (*spec["containers"], *(spec.get("initContainers") or ()))
    found = [_differs("", spec, status)]
    found += [_differs(each["name"], each, by_name.get(each["name"]) or {}) for each in containers]
    if not any(found):
        return None
    pending: Any = pod_condition(pod, "PodResizePending")
    return [found, (pending or {}).get("reason")]


def _differs(name: str, spec: Any, status: Any) -> Any:
    """Return what a pod or container has, if it is not what it asks for."""
    wanted = (spec.get("resources") or {}).get("requests")
    has, allocated = (status.get("resources") or {}).get("requests"), status.get("allocatedResources")
    if has in (None, wanted) and allocated in (None, wanted):
        return None
    return [name, has, allocated]


def _owner(pod: Pod) -> tuple[str, str]:
    for reference in pod["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return reference["kind"], reference["name"]
    return "", ""


def new_shape(pod: Pod, key: bytes) -> Shape:
    spec = pod["spec"]
    namespace = pod["metadata"]["namespace"]
    labels = pod["metadata"].get("labels") or {}
    affinity = (spec.get("affinity") or {}).get("podAffinity") or {}
    anti = (spec.get("affinity") or {}).get("podAntiAffinity") or {}
    preferred = [_weighted(t, namespace, labels, 1) for t in _preferred(affinity)]
    preferred += [_weighted(t, namespace, labels, -1) for t in _preferred(anti)]
    every = placed_requests(pod)
    scored, requests = _scored(pod, every), {name: amount for name, amount in every.items() if amount}
    volumes = uses_of(pod)
    return Shape(
        key=key,
        base=key[: len(key) - len(_volumes_key(volumes))],
        namespace=namespace,
        labels=labels,
        spec=spec,
        requests=requests,
        scored_cpu=scored.get("cpu", 0),
        scored_memory=scored.get("memory", 0),
        ports=frozenset(host_ports(spec)),
        images=tuple(
            container.get("image", "")
            for container in (*(spec.get("initContainers") or ()), *spec["containers"])
        )
        + tuple(_volume_images(spec)),
        features=frozenset(_features(spec)),
        owner=_owner(pod),
        spread=tuple(_own_spread(c, labels) for c in spec.get("topologySpreadConstraints") or ()),
        affinity=tuple(_term(t, namespace, labels) for t in _required(affinity)),
        anti_affinity=tuple(_term(t, namespace, labels) for t in _required(anti)),
        preferred=tuple(preferred),
        size=(*requests.items(), scored.get("cpu"), scored.get("memory")),
        tolerations=orjson.dumps(spec.get("tolerations")),
        node_selection=orjson.dumps(
            [spec.get("nodeSelector"), (spec.get("affinity") or {}).get("nodeAffinity")]
        ),
        volumes=volumes,
    )


def _required(affinity: Any) -> list[Any]:
    return list(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ())


def _preferred(affinity: Any) -> list[Any]:
    return list(affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ())


def _weighted(preference: Any, namespace: str, labels: Mapping[str, str], sign: int) -> Term:
    return _term(preference["podAffinityTerm"], namespace, labels, sign * preference["weight"])


def _term(term: Any, namespace: str, labels: Mapping[str, str], weight: int = 0) -> Term:
    names = frozenset(term.get("namespaces") or ())
    by_label = term.get("namespaceSelector")
    if not names and by_label is None:
        names = frozenset((namespace,))
    selector = _with_label_keys(term.get("labelSelector"), term.get("matchLabelKeys"), labels)
    return Term(Namespaces(names, from_label_selector(by_label)), selector, term["topologyKey"], weight)


def _own_spread(constraint: Any, labels: Mapping[str, str]) -> Spread:
    keys = constraint.get("matchLabelKeys")
    return new_spread(constraint, _with_label_keys(constraint.get("labelSelector"), keys, labels))


def new_spread(constraint: Any, selector: Selector) -> Spread:
    """Return a `TopologySpreadConstraint` over the pods that a selector matches."""
    return Spread(
        topology_key=constraint["topologyKey"],
        max_skew=constraint["maxSkew"],
        selector=selector,
        hard=constraint["whenUnsatisfiable"] == "DoNotSchedule",
        min_domains=constraint.get("minDomains") or 1,
        honor_affinity=constraint.get("nodeAffinityPolicy", "Honor") == "Honor",
        honor_taints=constraint.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )


def _with_label_keys(selector: Any, keys: Any, labels: Mapping[str, str]) -> Selector:
    """`matchLabelKeys`: the pod's own values of these labels are demanded too."""
    own = {key: labels[key] for key in keys or () if key in labels}
    if selector is not None and own:
        selector = {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **own}}
    return _selector(orjson.dumps(selector))


@lru_cache(4096)
def _selector(text: bytes) -> Selector:
    """Return the selector of JSON, compiled once: the terms of a pod mostly have the same."""
    return from_label_selector(orjson.loads(text))


def _scored(pod: Pod, requests: Mapping[str, int]) -> Mapping[str, int]:
    """Return amounts as scores count cpu and memory: containers that ask for nothing still weigh something,
    unless the pod asks for it as a whole.
    """
    spec = pod["spec"]
    containers = (*spec["containers"], *(spec.get("initContainers") or ()))
    if all(_LEAST.keys() <= _asked(each).keys() for each in containers) and _resize(pod) is None:
        return requests
    level = (spec.get("resources") or {}).get("requests")
    least = {name: amount for name, amount in _LEAST.items() if not level or name not in requests}
    return placed_requests(pod, least) if least else requests


def _asked(container: Any) -> Mapping[str, Any]:
    return (container.get("resources") or {}).get("requests") or {}


def _features(spec: PodSpec) -> Iterator[str]:
    """Yield what a pod needs of the node that not every node can do.

    Source: k8s.io/component-helpers/nodedeclaredfeatures/features (1.36), those inferred for scheduling.
    """
    rules = (
        rule
        for container in (*(spec.get("initContainers") or ()), *spec["containers"])
        for rule in container.get("restartPolicyRules") or ()
    )
    if any(rule.get("action") == "RestartAllContainers" for rule in rules):
        yield "RestartAllContainersOnContainerExits"
    if spec.get("hostNetwork") and spec.get("hostUsers") is False:
        yield "UserNamespacesHostNetworkSupport"
