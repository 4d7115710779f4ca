"""In-place resize: brings the limits of running containers in line with the spec. Called by the pod worker.

Source: pkg/kubelet/kuberuntime doPodResizeAction (KEP-1287, 1.36).
"""

from dataclasses import dataclass

from api.resource import Obj
from nodeagent.cri import convert
from nodeagent.pod import order
from nodeagent.pod.edges import Edges
from nodeagent.pod.observed import PodObserved
from nodeagent.resources import Limits, cgroup_parent, container_limits, pod_cgroup_limits


@dataclass(frozen=True)
class Resize:
    """One running container whose limits are to become `wanted`."""

    container_id: str
    wanted: Limits


class Resizer:
    """Remembers which limits the containers of one pod were given."""

    __slots__ = ("_applied", "_edges")

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._applied: dict[str, Limits] = {}

    def started(self, container_id: str, pod: Obj, container: Obj) -> None:
        """Note the limits that a container was started with."""
        self._applied[container_id] = self._wanted(pod, container)

    def plan(self, pod: Obj, observed: PodObserved) -> list[Resize]:
        """Return the containers to resize. One that an earlier agent started counts as its status says."""
        shown = {
            one["name"]: one.get("resources") or {}
            for key in ("containerStatuses", "initContainerStatuses")
            for one in (pod.get("status") or {}).get(key) or ()
        }
        plan = []
        for container in [*order.app_containers(pod), *order.sidecars(pod)]:
            seen = observed.find(container["name"])
            if seen is None or not seen.running:
                continue
            wanted = self._wanted(pod, container)
            if seen.id not in self._applied and shown.get(seen.name, {}) == (
                container.get("resources") or {}
            ):
                self._applied[seen.id] = wanted
            if self._applied.get(seen.id) != wanted:
                plan.append(Resize(seen.id, wanted))
        return plan

    async def apply(self, pod: Obj, resizes: list[Resize]) -> None:
        """Perform a plan: the pod's cgroup is widened first and narrowed last. Raises `CRIError`."""
        self._set_pod_cgroup(pod)
        for resize in resizes:
            resources = convert.linux_resources(resize.wanted)
            await self._edges.runtime.update_container_resources(resize.container_id, resources)
            self._applied[resize.container_id] = resize.wanted
        self._set_pod_cgroup(pod)

    def _set_pod_cgroup(self, pod: Obj) -> None:
        if self._edges.cgroups is not None:
            path = cgroup_parent(pod, self._edges.settings.cgroup_root)
            self._edges.cgroups.ensure(path, pod_cgroup_limits(pod))

    def _wanted(self, pod: Obj, container: Obj) -> Limits:
        return container_limits(pod, container, self._edges.settings.memory_capacity)
