"""Pods of a namespace go to the nodes that the namespace's annotation selects.

    scheduler.alpha.kubernetes.io/node-selector: "pool=batch,arch=arm64"

The plugin's configuration has a default for namespaces without annotation, and, by namespace, the labels that
pods may select at all. Source: plugin/pkg/admission/podnodeselector (1.36).
"""

from collections.abc import Mapping

from api.errors import InternalError, NotFound
from api.resource import Obj
from api.types.core_v1 import NAMESPACES, PODS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.registry import Registry

_ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector"
_DEFAULT = "clusterDefaultNodeSelector"


class PodNodeSelector:
    name = "PodNodeSelector"

    def __init__(self, registry: Registry, configuration: Obj | None = None) -> None:
        given = (configuration or {}).get("podNodeSelectorPluginConfig") or {}
        self._registry = registry
        self._default = parsed(given.get(_DEFAULT) or "")
        self._allowed = {key: parsed(text or "") for key, text in given.items() if key != _DEFAULT}

    def handles(self, request: AdmissionRequest) -> bool:
        return request.resource is PODS and request.operation == "CREATE" and not request.subresource

    async def mutate(self, request: AdmissionRequest) -> Obj:
        pod, selector = request.object or {}, await self._selector(request)
        given = pod["spec"].get("nodeSelector") or {}
        if conflicts(given, selector):
            raise refuse(request, "pod node label selector conflicts with its namespace node label selector")
        merged = {**selector, **given}
        return {**pod, "spec": {**pod["spec"], "nodeSelector": merged}} if merged != given else pod

    async def validate(self, request: AdmissionRequest) -> None:
        given = (request.object or {})["spec"].get("nodeSelector") or {}
        if conflicts(given, await self._selector(request)):
            raise refuse(request, "pod node label selector conflicts with its namespace node label selector")
        allowed = self._allowed.get(request.namespace)
        if allowed is not None and not given.items() <= allowed.items():
            raise refuse(request, "pod node label selector labels conflict with its namespace whitelist")

    async def _selector(self, request: AdmissionRequest) -> Mapping[str, str]:
        found = self._registry.cached(NAMESPACES, "", request.namespace)
        if found is None:
            try:
                found = await self._registry.get(NAMESPACES, "", request.namespace)
            except NotFound as error:
                raise InternalError(f"namespace {request.namespace} does not exist") from error
        text = (found["metadata"].get("annotations") or {}).get(_ANNOTATION)
        if text is None:
            return self._default
        try:
            return parsed(text)
        except ValueError as error:
            raise refuse(request, str(error)) from error


def parsed(text: str) -> dict[str, str]:
    """Return the labels of `a=b,c=d`. Raises `ValueError` in upstream's words."""
    found = {}
    for part in text.split(",") if text.strip() else ():
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"invalid selector: [{key}]")
        found[key.strip()] = value.strip().removeprefix("=")
    return found


def conflicts(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Tell whether two sets of labels want different values of the same key."""
    return any(other.get(key, value) != value for key, value in one.items())
