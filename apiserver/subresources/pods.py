"""The pod and container that a connect request means. Called by `log`, `exec`, `portforward`.

Source: pkg/registry/core/pod/strategy.go validateContainer, streamLocation (1.36).
"""

from typing import Any

from api.errors import BadRequest
from api.resource import Obj, Resource
from api.types.core_v1 import PODS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.http.message import Request
from apiserver.registry import Registry
from apiserver.rest.hub import Hub


async def admitted_pod(hub: Hub, registry: Registry, request: Request, options: Obj) -> Obj:
    """Return the pod that a connect request names, once admission lets it. Raises `NotFound`, `Forbidden`."""
    pod = await registry.get(PODS, request.info.namespace, request.info.name)
    await admit_connection(hub, PODS, request, options)
    return pod


async def admit_connection(hub: Hub, resource: Resource[Any], request: Request, options: Obj) -> None:
    """Let admission judge a connect request. `options`: its query as an object. Raises `Forbidden`, ..."""
    info = request.info
    asked = AdmissionRequest(
        "CONNECT", resource, info.namespace, info.name, request.user, options, None, info.subresource,
        request=request,
    )  # fmt: skip
    admitted = await hub.admission.mutate(asked)
    await hub.admission.validate(asked.with_object(admitted))


def container_of(pod: Obj, wanted: str) -> str:
    """Return the container meant: the wanted one, or the only one. Raises `BadRequest` in upstream's
    words."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    groups = [
        [item["name"] for item in spec.get(key) or ()]
        for key in ("containers", "initContainers", "ephemeralContainers")
    ]
    if wanted:
        if any(wanted in group for group in groups):
            return wanted
        raise BadRequest(f"container {wanted} is not valid for pod {name}")
    if len(groups[0]) == 1:
        return str(groups[0][0])
    message = f"a container name must be specified for pod {name}, choose one of: [{' '.join(groups[0])}]"
    if groups[1]:
        message += f" or one of the init containers: [{' '.join(groups[1])}]"
    if groups[2]:
        message += f" or one of the ephemeral containers: [{' '.join(groups[2])}]"
    raise BadRequest(message)


def node_of(pod: Obj) -> str:
    """Return the node that a pod is on. Raises `BadRequest` if it has none."""
    node = pod["spec"].get("nodeName")
    if not node:
        raise BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned")
    return str(node)


def is_true(request: Request, name: str) -> bool:
    """Tell whether a boolean query parameter is set."""
    return request.param(name).lower() in ("1", "t", "true")
