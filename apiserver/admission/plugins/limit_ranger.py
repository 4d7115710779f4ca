"""The limits of a namespace: what containers get by default, and how little or much they and claims may
ask for.

Source: plugin/pkg/admission/limitranger/admission.go (1.36).
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from api.podspec import pod_limits, pod_requests, to_quantity
from api.quantity import parse_quantity
from api.resource import Obj
from api.types.core_v1 import LIMITRANGES, PERSISTENTVOLUMECLAIMS, PODS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.registry import Registry

_ANNOTATION = "kubernetes.io/limit-ranger"
Amounts: TypeAlias = Mapping[str, Any]


class LimitRanger:
    name = "LimitRanger"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._revision = -1
        self._by_namespace: dict[str, list[Obj]] = {}

    def handles(self, request: AdmissionRequest) -> bool:
        if request.subresource:
            return False
        if request.resource is PODS:
            return request.operation == "CREATE"
        return request.resource is PERSISTENTVOLUMECLAIMS and request.operation in ("CREATE", "UPDATE")

    async def mutate(self, request: AdmissionRequest) -> Obj:
        obj = request.object or {}
        ranges = self._ranges(request.namespace)
        if not ranges or request.resource is not PODS:
            return obj
        for item in ranges:
            obj = with_defaults(obj, item)
        return obj

    async def validate(self, request: AdmissionRequest) -> None:
        obj = request.object or {}
        check = pod_faults if request.resource is PODS else claim_faults
        for item in self._ranges(request.namespace):
            faults = check(obj, (item.get("spec") or {}).get("limits") or ())
            if faults:
                raise refuse(request, faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")

    def _ranges(self, namespace: str) -> list[Obj]:
        revision = self._registry.cached_revision(LIMITRANGES)
        if revision != self._revision:
            self._by_namespace = {}
            for item in self._registry.cached_list(LIMITRANGES):
                self._by_namespace.setdefault(item["metadata"]["namespace"], []).append(item)
            self._revision = revision
        return self._by_namespace.get(namespace) or []


def with_defaults(pod: Obj, limit_range: Obj) -> Obj:
    """Return the pod with the limits and requests that its containers leave out."""
    limits, requests = container_defaults((limit_range.get("spec") or {}).get("limits") or ())
    if not limits and not requests:
        return pod
    notes: list[str] = []
    spec = dict(pod["spec"])
    for key, word in (("containers", "container"), ("initContainers", "init container")):
        if spec.get(key):
            spec[key] = [_filled(item, word, requests, limits, notes) for item in spec[key]]
    if not notes:
        return pod
    annotations = {
        **(pod["metadata"].get("annotations") or {}),
        _ANNOTATION: "LimitRanger plugin set: " + "; ".join(notes),
    }
    return {**pod, "spec": spec, "metadata": {**pod["metadata"], "annotations": annotations}}


def container_defaults(limits: Iterable[Obj]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the default limits and requests of containers: each falls back as the API's own defaults do."""
    default_limits: dict[str, Any] = {}
    default_requests: dict[str, Any] = {}
    for item in limits:
        if item.get("type") != "Container":
            continue
        default = {**(item.get("max") or {}), **(item.get("default") or {})}
        request = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
        default_limits |= default
        default_requests |= request
    return default_limits, default_requests


def _filled(container: Obj, word: str, requests: Amounts, limits: Amounts, notes: list[str]) -> Obj:
    resources = container.get("resources") or {}
    result = dict(resources)
    for key, defaults in (("requests", requests), ("limits", limits)):
        given = resources.get(key) or {}
        missing = {name: amount for name, amount in defaults.items() if name not in given}
        if missing:
            result[key] = {**given, **missing}
            notes.append(f"{', '.join(sorted(missing))} {key[:-1]} for {word} {container['name']}")
    return {**container, "resources": result} if result != resources else container


def pod_faults(pod: Obj, limits: Iterable[Obj]) -> list[str]:
    """Return what is wrong with a pod's amounts."""
    faults: list[str] = []
    spec = pod["spec"]
    for item in limits:
        if item.get("type") == "Container":
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
                resources = container.get("resources") or {}
                asked, most = resources.get("requests") or {}, resources.get("limits") or {}
                faults += _faults(item, "Container", asked, most)
        elif item.get("type") == "Pod":
            asked = {name: to_quantity(name, number) for name, number in pod_requests(pod).items()}
            most = {name: to_quantity(name, number) for name, number in pod_limits(pod).items()}
            faults += _faults(item, "Pod", asked, most)
    return faults


def claim_faults(claim: Obj, limits: Iterable[Obj]) -> list[str]:
    """Return what is wrong with the size that a claim asks for."""
    asked = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    faults: list[str] = []
    for item in limits:
        if item.get("type") == "PersistentVolumeClaim":
            faults += _min_faults(item.get("min") or {}, "PersistentVolumeClaim", asked, {})
            for name, most in (item.get("max") or {}).items():
                if name in asked and _nano(asked[name]) > _nano(most):
                    start = f"maximum {name} usage per PersistentVolumeClaim is {most}"
                    faults.append(f"{start}, but request is {asked[name]}")
    return faults


def _faults(item: Obj, kind: str, asked: Amounts, most: Amounts) -> list[str]:
    return [
        *_min_faults(item.get("min") or {}, kind, asked, most),
        *_max_faults(item.get("max") or {}, kind, asked, most),
        *_ratio_faults(item.get("maxLimitRequestRatio") or {}, kind, asked, most),
    ]


def _min_faults(least: Amounts, kind: str, asked: Amounts, most: Amounts) -> list[str]:
    faults = []
    for name, bound in least.items():
        start = f"minimum {name} usage per {kind} is {bound}"
        if name not in asked:
            faults.append(f"{start}.  No request is specified")
        elif _nano(asked[name]) < _nano(bound):
            faults.append(f"{start}, but request is {asked[name]}")
        elif name in most and _nano(most[name]) < _nano(bound):
            faults.append(f"{start}, but limit is {most[name]}")
    return faults


def _max_faults(greatest: Amounts, kind: str, asked: Amounts, most: Amounts) -> list[str]:
    faults = []
    for name, bound in greatest.items():
        start = f"maximum {name} usage per {kind} is {bound}"
        if name not in most:
            faults.append(f"{start}.  No limit is specified")
        elif _nano(most[name]) > _nano(bound):
            faults.append(f"{start}, but limit is {most[name]}")
        elif name in asked and _nano(asked[name]) > _nano(bound):
            faults.append(f"{start}, but request is {asked[name]}")
    return faults


def _ratio_faults(ratios: Amounts, kind: str, asked: Amounts, most: Amounts) -> list[str]:
    faults = []
    for name, bound in ratios.items():
        start = f"{name} max limit to request ratio per {kind} is {bound}, but"
        if name not in asked or _nano(asked[name]) == 0:
            faults.append(f"{start} no request is specified or request is 0")
        elif name not in most or _nano(most[name]) == 0:
            faults.append(f"{start} no limit is specified or limit is 0")
        elif _nano(most[name]) * 10**9 > _nano(bound) * _nano(asked[name]):
            ratio = _nano(most[name]) / _nano(asked[name])
            faults.append(f"{start} provided ratio is {ratio:f}")
    return faults


def _nano(amount: Any) -> int:
    return parse_quantity(amount).nano
