"""`pods/<name>/exec` and `pods/<name>/attach`: passed through to the node's agent, which speaks the
protocols.

Source: pkg/registry/core/pod/rest/subresources.go, strategy.go streamParams (1.36).
"""

from urllib.parse import quote, urlencode

from api.resource import Obj
from apiserver.http.message import Answer, Request
from apiserver.registry import Registry
from apiserver.rest.hub import Collection, Hub
from apiserver.subresources.connect import relay_upgrade
from apiserver.subresources.kubelet import Kubelets
from apiserver.subresources.pods import admitted_pod, container_of, is_true, node_of

# What the client calls a stream, and what the agent calls it.
_STREAMS = (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty"))


class Exec:
    """Answers exec and attach requests; call it as a subresource handler."""

    def __init__(self, registry: Registry, kubelets: Kubelets) -> None:
        self._registry = registry
        self._kubelets = kubelets

    async def __call__(self, hub: Hub, collection: Collection, request: Request) -> Answer:
        verb = request.info.subresource
        pod = await admitted_pod(hub, self._registry, request, options_of(request))
        container = container_of(pod, request.param("container"))
        target = await self._kubelets.of(node_of(pod))
        return await relay_upgrade(request, target, agent_path(verb, pod, container, request))


def options_of(request: Request) -> Obj:
    """Return the request's query as PodExecOptions or PodAttachOptions, for admission."""
    kind = "PodExecOptions" if request.info.subresource == "exec" else "PodAttachOptions"
    streams = {name: True for name, _ in _STREAMS if is_true(request, name)}
    made: Obj = {"apiVersion": "v1", "kind": kind, **streams}
    if request.param("container"):
        made["container"] = request.param("container")
    if request.query.get("command"):
        made["command"] = list(request.query["command"])
    return made


def agent_path(verb: str, pod: Obj, container: str, request: Request) -> str:
    """Return the path and query of the agent's API."""
    metadata = pod["metadata"]
    words = (verb, metadata["namespace"], metadata["name"], container)
    query = [(theirs, "1") for ours, theirs in _STREAMS if is_true(request, ours)]
    if verb == "exec":
        query += [("command", word) for word in request.query.get("command") or ()]
    return "/" + "/".join(quote(word, safe="") for word in words) + ("?" + urlencode(query) if query else "")
