"""`pods/<name>/portforward`: passed through to the node's agent.

Source: pkg/registry/core/pod/rest/subresources.go, strategy.go PortForwardLocation (1.36).
"""

from urllib.parse import quote, urlencode

from api.resource import Obj
from apiserver.http.message import Answer, Request
from apiserver.registry import Registry
from apiserver.rest.hub import Collection, Hub
from apiserver.subresources.connect import relay_upgrade
from apiserver.subresources.kubelet import Kubelets
from apiserver.subresources.pods import admitted_pod, node_of


class PortForward:
    """Answers port-forward requests; call it as a subresource handler."""

    def __init__(self, registry: Registry, kubelets: Kubelets) -> None:
        self._registry = registry
        self._kubelets = kubelets

    async def __call__(self, hub: Hub, collection: Collection, request: Request) -> Answer:
        options: Obj = {"apiVersion": "v1", "kind": "PodPortForwardOptions"}
        if ports := [int(port) for port in request.query.get("ports") or () if port.isdigit()]:
            options["ports"] = ports
        pod = await admitted_pod(hub, self._registry, request, options)
        target = await self._kubelets.of(node_of(pod))
        return await relay_upgrade(request, target, agent_path(pod, request))


def agent_path(pod: Obj, request: Request) -> str:
    """Return the path and query of the agent's API."""
    metadata = pod["metadata"]
    path = f"/portForward/{quote(metadata['namespace'], safe='')}/{quote(metadata['name'], safe='')}"
    ports = ",".join(request.query.get("ports") or ())
    return f"{path}?{urlencode({'port': ports})}" if ports else path
