"""What the scheduler knows: the snapshot, the queue, and the pods it has placed but not yet seen placed.

Fed by `app` from informers, one call per event; `bind` reports how bindings ended. Everything here is
synchronous and time is passed in, so the whole can be driven by a test.

    queued --place--> assumed --watch shows the pod on a node--> known
                         |--binding failed--> queued, with back-off
                         +--deleted---------> forgotten
"""

from collections.abc import Mapping

from api.podspec import is_terminal
from api.types.core_v1 import Namespace, Node, Pod
from scheduler import hints
from scheduler.queue import SchedulingQueue
from scheduler.shape import Shapes
from scheduler.snapshot import Snapshot


class Cluster:
    def __init__(self, scheduler_name: str) -> None:
        self.snapshot = Snapshot()
        self.queue = SchedulingQueue()
        self.shapes = Shapes()
        self._name = scheduler_name
        # uid -> node of pods whose binding is under way or not yet seen on the watch.
        self.assumed: dict[str, str] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}

    # -- events

    def node_changed(self, old: Node | None, new: Node | None, now: float) -> None:
        if new is None:
            if old is not None:
                self.snapshot.remove_node(old["metadata"]["name"])
                self.queue.stir(hints.NODE_GONE, now)
            return
        changed = self.snapshot.set_node(new)
        if old is None:
            self.queue.stir_all(now)
        elif changed:
            self.queue.stir(hints.node_changed(old, new), now)

    def namespace_changed(self, old: Namespace | None, new: Namespace | None, now: float) -> None:
        obj = new or old
        if obj is None:
            return
        name = obj["metadata"]["name"]
        labels = (new["metadata"].get("labels") or {}) if new is not None else None
        if self._namespaces.get(name) == labels:
            return
        if labels is None:
            del self._namespaces[name]
        else:
            self._namespaces[name] = labels
        self.snapshot.set_namespace_labels(dict(self._namespaces))
        self.queue.stir(hints.NAMESPACE_CHANGED, now)

    def pod_changed(self, old: Pod | None, new: Pod | None, now: float) -> None:
        pod = new or old
        if pod is None:
            return
        uid = pod["metadata"]["uid"]
        if new is None or is_terminal(new):
            self._pod_gone(uid, now)
        elif node := new["spec"].get("nodeName"):
            self._pod_on_node(new, node, now)
        else:
            self._pod_waits(new, now)

    def _pod_gone(self, uid: str, now: float) -> None:
        self.queue.remove(uid)
        self.assumed.pop(uid, None)
        if self.snapshot.remove_pod(uid) is not None:
            self.queue.stir(hints.POD_GONE, now)

    def _pod_on_node(self, pod: Pod, node: str, now: float) -> None:
        uid = pod["metadata"]["uid"]
        self.queue.remove(uid)
        confirmed = self.assumed.pop(uid, None) == node
        shape = self.shapes.of(pod)
        terminating = "deletionTimestamp" in pod["metadata"]
        before = self.snapshot.pods.get(uid)
        same = before is not None and before.shape.key == shape.key and before.terminating == terminating
        if same and before is not None and self.snapshot.names[before.slot] == node:
            if confirmed:
                self.queue.stir(hints.POD_CAME, now)
            return
        self.snapshot.add_pod(uid, node, shape, terminating)
        self.queue.stir(hints.POD_CAME if before is None else hints.POD_GONE, now)

    def _pod_waits(self, pod: Pod, now: float) -> None:
        uid = pod["metadata"]["uid"]
        if pod["spec"].get("schedulerName", self._name) != self._name:
            return
        if "deletionTimestamp" in pod["metadata"]:
            if uid not in self.assumed:
                self.queue.remove(uid)
            return
        self.queue.put(pod, now)

    # -- placements

    def assume(self, pod: Pod, node: str) -> None:
        """Count a pod on the node that was chosen for it, before anybody else knows."""
        uid = pod["metadata"]["uid"]
        self.assumed[uid] = node
        self.snapshot.add_pod(uid, node, self.shapes.of(pod))

    def is_assumed(self, uid: str, node: str) -> bool:
        return self.assumed.get(uid) == node

    def undo(self, uid: str, now: float) -> None:
        """The pod was not bound: take it off its node again and let it try anew after its back-off.

        Does nothing if the watch has told since where the pod is, or that it is gone.
        """
        if self.assumed.pop(uid, None) is None:
            return
        self.snapshot.remove_pod(uid)
        self.queue.retry(uid, now)
        self.queue.stir(hints.POD_GONE, now)

    def forget(self, uid: str, now: float) -> None:
        """The pod does not exist any more."""
        self.undo(uid, now)
        self.queue.remove(uid)
