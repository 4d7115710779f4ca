"""Pods tolerate a node that is not ready or unreachable for five minutes, unless they say otherwise.

Source: plugin/pkg/admission/defaulttolerationseconds (1.36).
"""

from typing import Any

from api.resource import Obj
from api.types.core_v1 import PODS
from apiserver.admission.plugin import AdmissionRequest

_KEYS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_SECONDS = 300


class DefaultTolerationSeconds:
    name = "DefaultTolerationSeconds"

    def handles(self, request: AdmissionRequest) -> bool:
        operation = request.operation in ("CREATE", "UPDATE")
        return request.resource is PODS and operation and not request.subresource

    async def mutate(self, request: AdmissionRequest) -> Obj:
        return with_tolerations(request.object or {})


def with_tolerations(pod: Obj) -> Obj:
    """Return the pod with the tolerations it lacks."""
    tolerations = pod["spec"].get("tolerations") or []
    missing = [key for key in _KEYS if not any(_covers(item, key) for item in tolerations)]
    if not missing:
        return pod
    added = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _SECONDS}
        for key in missing
    ]
    return {**pod, "spec": {**pod["spec"], "tolerations": [*tolerations, *added]}}


def _covers(toleration: dict[str, Any], key: str) -> bool:
    return toleration.get("key", "") in ("", key) and toleration.get("effect", "") in ("", "NoExecute")
