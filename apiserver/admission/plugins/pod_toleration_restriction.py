"""Pods have their namespace's default tolerations, and none that the namespace does not allow.

    scheduler.alpha.kubernetes.io/defaultTolerations: '[{"key": "a", "operator": "Exists"}]'
    scheduler.alpha.kubernetes.io/tolerationsWhitelist: '[...]'

The plugin's configuration (`default`, `whitelist`) stands in for namespaces without annotations.
Source: plugin/pkg/admission/podtolerationrestriction, pkg/util/tolerations (1.36).
"""

from collections.abc import Sequence
from typing import Any

import orjson

from api.errors import NotFound
from api.podspec import qos_class
from api.resource import Obj
from api.types.core_v1 import NAMESPACES, PODS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.registry import Registry

_DEFAULTS = "scheduler.alpha.kubernetes.io/defaultTolerations"
_ALLOWED = "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
_PRESSURE = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}
_CONFLICT = (
    "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace "
    "whitelist"
)


class PodTolerationRestriction:
    name = "PodTolerationRestriction"

    def __init__(self, registry: Registry, configuration: Obj | None = None) -> None:
        given = configuration or {}
        self._registry = registry
        self._fallback = {_DEFAULTS: given.get("default") or [], _ALLOWED: given.get("whitelist") or []}

    def handles(self, request: AdmissionRequest) -> bool:
        written = request.operation in ("CREATE", "UPDATE") and not request.subresource
        return request.resource is PODS and written

    async def mutate(self, request: AdmissionRequest) -> Obj:
        pod = request.object or {}
        given = pod["spec"].get("tolerations") or []
        found = given
        if request.operation == "CREATE":
            found = merged(found, await self._of(request, _DEFAULTS))
        if qos_class(pod) != "BestEffort":
            found = merged(found, [_PRESSURE])
        return pod if found == given else {**pod, "spec": {**pod["spec"], "tolerations": found}}

    async def validate(self, request: AdmissionRequest) -> None:
        allowed = await self._of(request, _ALLOWED)
        given = (request.object or {})["spec"].get("tolerations") or []
        if allowed and not all(any(covers(one, item) for one in allowed) for item in given):
            raise refuse(request, _CONFLICT)

    async def _of(self, request: AdmissionRequest, annotation: str) -> Sequence[Obj]:
        namespace = self._registry.cached(NAMESPACES, "", request.namespace)
        if namespace is None:
            try:
                namespace = await self._registry.get(NAMESPACES, "", request.namespace)
            except NotFound:
                return self._fallback[annotation]
        text = (namespace["metadata"].get("annotations") or {}).get(annotation)
        if text is None:
            return self._fallback[annotation]
        try:
            found: Any = orjson.loads(text) if text else []
        except orjson.JSONDecodeError as error:
            raise refuse(request, str(error)) from error
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def merged(one: Sequence[Obj], other: Sequence[Obj]) -> list[Obj]:
    """Return both lists without those that another one covers."""
    everything = [*one, *other]
    return [
        item
        for number, item in enumerate(everything)
        if not any(
            covers(rival, item) and (rival != item or place < number)
            for place, rival in enumerate(everything)
            if place != number
        )
    ]


def covers(one: Obj, other: Obj) -> bool:
    """Tell whether whatever `other` tolerates is tolerated by `one` as well, and no shorter."""
    if one == other:
        return True
    if (one.get("key") or "") != (other.get("key") or ""):
        return not one.get("key") and one.get("operator") == "Exists" and _is_wider(one, other)
    return _is_wider(one, other)


def _is_wider(one: Obj, other: Obj) -> bool:
    if one.get("effect") and one["effect"] != other.get("effect"):
        return False
    if one.get("operator") != "Exists" and not _same_value(one, other):
        return False
    if one.get("tolerationSeconds") is None:
        return True
    seconds = other.get("tolerationSeconds")
    return bool(seconds is not None and one["tolerationSeconds"] >= seconds)


def _same_value(one: Obj, other: Obj) -> bool:
    return other.get("operator") != "Exists" and (one.get("value") or "") == (other.get("value") or "")
