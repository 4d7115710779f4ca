"""Pods bear the zone and region of their node as labels, once they are on one.

A binding is given the labels, from which the pod takes them. Source: plugin/pkg/admission/podtopologylabels
(1.36).
"""

from collections.abc import Mapping

from api.resource import Obj
from api.types.core_v1 import NODES, PODS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.registry import Registry

_COPIED = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels:
    name = "PodTopologyLabels"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handles(self, request: AdmissionRequest) -> bool:
        created = request.operation == "CREATE" and request.subresource in ("", "binding")
        return request.resource is PODS and created

    async def mutate(self, request: AdmissionRequest) -> Obj:
        obj = request.object or {}
        node = _node_of(obj, request.subresource)
        labels = self._registry.cached_labels(NODES, "", node) if node else None
        return labelled(obj, labels) if labels else obj


def _node_of(obj: Obj, subresource: str) -> str:
    if not subresource:
        return str((obj.get("spec") or {}).get("nodeName") or "")
    target = obj.get("target") or {}
    return str(target.get("name") or "") if target.get("kind") == "Node" else ""


def labelled(obj: Obj, labels: Mapping[str, str]) -> Obj:
    """Return a pod or binding with a node's topology labels that it does not have yet."""
    metadata = obj.get("metadata") or {}
    given = metadata.get("labels") or {}
    missing = {key: labels[key] for key in _COPIED if key in labels and key not in given}
    return {**obj, "metadata": {**metadata, "labels": {**given, **missing}}} if missing else obj
