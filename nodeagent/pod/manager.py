"""All pods of this node: one worker per pod. Called by the sources (objects), the event stream and the
relist.

upsert(pod) / remove(uid)    from the API or the static files
inventory(...)               what the runtime holds: at the start and at every relist
orphans                      what the runtime holds of pods that no source knows is ended, once all sources
are in
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from api.resource import Obj
from kit import log
from kit.tasks import Tasks
from nodeagent.admit import Claims
from nodeagent.cri import convert
from nodeagent.cri.observe import container_state
from nodeagent.pod.edges import Edges
from nodeagent.pod.observed import State
from nodeagent.pod.status import Verdict
from nodeagent.pod.worker import PodWorker, new_worker
from proto.gen.cri import runtime_v1_pb2 as cri

_log = log.get("nodeagent.pods")

# Says why a pod must not run on this node, given what those take that do; None: it may.
Admission = Callable[[Obj, list[Claims]], Verdict | None]


@dataclass
class Held:
    """What the runtime holds of one pod."""

    name: str
    namespace: str
    grace_s: int = 30
    # id -> is it alive?
    sandboxes: dict[str, bool] = field(default_factory=dict)
    # id -> (sandbox id, state)
    containers: dict[str, tuple[str, State]] = field(default_factory=dict)


class PodManager:
    """Owns the pod workers of one node."""

    def __init__(self, edges: Edges, tasks: Tasks, admit: Admission = lambda _pod, _others: None) -> None:
        self._edges = edges
        self._tasks = tasks
        self._admit = admit
        self._workers: dict[str, PodWorker] = {}
        self._held: dict[str, Held] = {}
        self._synced = False
        self.idle = asyncio.Event()
        self.idle.set()

    # --- from the sources ---

    def upsert(self, pod: Obj) -> None:
        """Take a new or changed pod of this node."""
        uid = pod["metadata"]["uid"]
        worker = self._workers.get(uid)
        if worker is None:
            self._add(pod)
            return
        worker.update(pod)

    def remove(self, uid: str, last: Obj | None = None) -> None:
        """The pod's object is gone; its last version tells how it was deleted."""
        if worker := self._workers.get(uid):
            if last is not None:
                self._edges.directory.put(last)
            worker.remove()

    def _add(self, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        held = self._held.get(uid)
        active = [other.claims for other in self._workers.values() if other.holds_resources]
        worker = new_worker(self._edges, pod, self._tasks)
        if held is not None:
            worker.adopt(list(held.sandboxes), [(key, one[0]) for key, one in held.containers.items()])
        elif _is_new(pod) and (verdict := self._admit(pod, active)):
            self._edges.report(pod, "Warning", verdict.reason, verdict.message)
            worker.reject(verdict)
        self._launch(uid, worker)

    def _launch(self, uid: str, worker: PodWorker) -> None:
        self._workers[uid] = worker
        self.idle.clear()
        worker.start(self._ended)

    def _ended(self, worker: PodWorker) -> None:
        uid = worker.uid
        if self._workers.get(uid) is worker:
            del self._workers[uid]
            self._held.pop(uid, None)
            self._edges.directory.remove(uid)
        if not self._workers:
            self.idle.set()

    # --- from the runtime ---

    def wake(self, uid: str) -> None:
        if worker := self._workers.get(uid):
            worker.wake()

    def retry(self, uid: str) -> None:
        """Something that a pod refers to has changed."""
        if worker := self._workers.get(uid):
            worker.retry()

    def exited(self, container_id: str) -> None:
        """A container of some pod has ended."""
        if worker := self._workers.get(self._edges.directory.uid_of(container_id)):
            worker.exited(container_id)

    def runtime_returned(self) -> None:
        """The runtime was away and is back."""
        for worker in self._workers.values():
            worker.runtime_returned()

    def end(self, uid: str, verdict: Verdict) -> None:
        """End a pod for the node's sake (eviction)."""
        if worker := self._workers.get(uid):
            worker.end(verdict)

    def inventory(self, sandboxes: list[cri.PodSandbox], containers: list[cri.Container]) -> None:
        """Take everything the runtime holds; wake the workers of pods that differ from what they know."""
        self._held = inventory_of(sandboxes, containers)
        for uid, held in self._held.items():
            worker = self._workers.get(uid)
            if worker is not None:
                self._compare(worker, held)
        for uid, worker in self._workers.items():
            gone = worker.known_ids - _ids(self._held.get(uid))
            if gone:
                worker.runtime_returned()
        if self._synced:
            self._end_orphans()

    def _compare(self, worker: PodWorker, held: Held) -> None:
        unknown = _ids(held) - worker.known_ids
        if unknown:
            worker.adopt(list(held.sandboxes), [(key, one[0]) for key, one in held.containers.items()])
            return
        record = self._edges.directory.get(worker.uid)
        if record is None:
            return
        seen = {one.id: one.state for one in record.observed.containers}
        alive = {one.id: one.ready for one in record.observed.sandboxes}
        changed = any(seen.get(key) != state for key, (_, state) in held.containers.items())
        if changed or any(alive.get(key) != ready for key, ready in held.sandboxes.items()):
            worker.wake()

    # --- orphans ---

    def sources_synced(self) -> None:
        """Every source has told all its pods: what else the runtime holds belongs to nobody."""
        self._synced = True
        self._end_orphans()

    def _end_orphans(self) -> None:
        for uid, held in self._held.items():
            if uid in self._workers or not uid:
                continue
            _log.info("ending a pod that no longer exists", pod=f"{held.namespace}/{held.name}", uid=uid)
            worker = new_worker(self._edges, _orphan(uid, held), self._tasks)
            worker.adopt(list(held.sandboxes), [(key, one[0]) for key, one in held.containers.items()])
            worker.remove()
            self._launch(uid, worker)


def inventory_of(sandboxes: list[cri.PodSandbox], containers: list[cri.Container]) -> dict[str, Held]:
    """Return what the runtime holds, by pod uid."""
    held: dict[str, Held] = {}
    for sandbox in sandboxes:
        metadata = sandbox.metadata
        one = held.setdefault(metadata.uid, Held(metadata.name, metadata.namespace))
        one.sandboxes[sandbox.id] = sandbox.state == cri.SANDBOX_READY
    for container in containers:
        labels = container.labels
        uid = labels.get(convert.POD_UID, "")
        name, namespace = labels.get(convert.POD_NAME, ""), labels.get(convert.POD_NAMESPACE, "")
        one = held.setdefault(uid, Held(name, namespace))
        one.containers[container.id] = (container.pod_sandbox_id, container_state(container.state))
        grace = container.annotations.get(convert.GRACE_PERIOD, "")
        one.grace_s = int(grace) if grace.isdigit() else one.grace_s
    return held


def _ids(held: Held | None) -> set[str]:
    return {*held.sandboxes, *held.containers} if held is not None else set()


def _orphan(uid: str, held: Held) -> Obj:
    """Return an object that stands for a pod of which only its containers are left."""
    return {
        "metadata": {"name": held.name, "namespace": held.namespace, "uid": uid,
                     "deletionGracePeriodSeconds": held.grace_s},
        "spec": {"containers": []},
    }  # fmt: skip


def _is_new(pod: Obj) -> bool:
    """Return whether no agent has taken the pod up yet: only then may it be refused."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") in ("Succeeded", "Failed"):
        return False
    return not status.get("startTime")
