"""A copy of a cluster in which pods come, go and are scheduled, without a real one behind it. Pure.

The scheduler's own `Cluster` and `Attempts` decide; what the API server, the controllers and the nodes would
do about it is done here at once:

    a placed pod runs             a victim is gone when it is told to go, and its controller makes a new one
    a pod that is going is gone   bindings never fail

Time is made up: it jumps to the next moment at which the queue has something to try.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from api.owners import controller_of
from api.resource import Key, Resource, key_of
from api.types.core_v1 import PODS, Pod
from api.types.scheduling_v1alpha2 import PODGROUPS
from scheduler.attempt import Attempts, MakeRoom, Outcome, Placed, Refused
from scheduler.cluster import DEFAULT_SCHEDULER, Cluster
from scheduler.framework import Profile
from scheduler.gang import GroupAttempts
from scheduler.queue import LONGEST_BACKOFF_S, Entry
from scheduler.sources import sources

# What a what-if is asked about: the objects of each resource in `sources`.
State: TypeAlias = Mapping[Resource[Any], Sequence[Any]]
# Kinds of controllers that do not make a pod anew elsewhere.
_BOUND_TO_NODES = ("DaemonSet", "Node")
# How the uids of pods begin that were made here.
_NEW = "whatif-"
# Their pods keep their names.
_NAMED = ("StatefulSet",)


@dataclass(frozen=True)
class Departure:
    """A pod that goes, and why; `successor` is the uid of the pod that its controller makes.

    `final`: nobody will make it again, and nobody has wanted it to go.
    """

    pod: Pod
    why: str
    successor: str = ""
    final: bool = False


class World:
    """`pods` are those that are there now, by uid. Objects that it was given are never changed."""

    def __init__(self, state: State, profiles: Mapping[str, Profile], seed: int = 0) -> None:
        self.cluster = Cluster(profiles)
        self.pods: dict[str, Pod] = {}
        self._objects: dict[Resource[Any], dict[Key, Any]] = {}
        # By uid, why the pods that wait could not be placed when they were last tried.
        self.refusals: dict[str, str] = {}
        self.departures: list[Departure] = []
        # Without PodGroups in the state there are none in the cluster, and pods that name one are alone.
        self.cluster.groups.followed = PODGROUPS in state
        self._attempts = Attempts(self.cluster, seed)
        self._groups = GroupAttempts(self._attempts, _note_nothing)
        self._now = 0.0
        self._made = 0
        self._takes = {source.resource: source.take for source in sources(self.cluster)}
        for resource in self._takes:
            self._take_in(resource, state.get(resource, ()))

    def _take_in(self, resource: Resource[Any], objects: Iterable[Any]) -> None:
        if resource is PODS:
            staying = [pod for pod in objects if "deletionTimestamp" not in pod["metadata"]]
            objects = sorted(staying, key=_arrival)
        for obj in objects:
            self.put(resource, obj)

    # -- changes

    def put(self, resource: Resource[Any], obj: Any) -> None:
        """Let an object come, or change the one of its name."""
        known, key = self._objects.setdefault(resource, {}), key_of(obj)
        old, known[key] = known.get(key), obj
        if resource is PODS:
            self.pods[obj["metadata"]["uid"]] = obj
        if resource in self._takes:
            self._takes[resource](old, obj, self._now)

    def drop(self, resource: Resource[Any], obj: Any) -> None:
        """Let an object go."""
        old = self._objects[resource].pop(key_of(obj))
        if resource is PODS:
            del self.pods[obj["metadata"]["uid"]]
        if resource in self._takes:
            self._takes[resource](old, None, self._now)

    def add(self, pod: Pod) -> Pod:
        """Let a new pod come; returns it with the uid that it gets here."""
        self._made += 1
        metadata: Any = {**pod["metadata"], "uid": f"{_NEW}{self._made}"}
        if not metadata.get("name"):
            metadata["name"] = f"{metadata.get('generateName', 'pod-')}{self._made}"
        made: Any = {**pod, "metadata": metadata}
        self.put(PODS, made)
        return made  # type: ignore[no-any-return]

    def remove(self, pod: Pod, why: str, again: bool = True) -> Pod | None:
        """Let a pod go; with `again`, its controller makes a new one, which is returned."""
        uid = pod["metadata"]["uid"]
        self.drop(PODS, pod)
        self.refusals.pop(uid, None)
        successor = self.add(_anew(pod)) if again and is_made_again(pod) else None
        made = successor["metadata"]["uid"] if successor is not None else ""
        self.departures.append(Departure(pod, why, made, again and not made and controller_of(pod) is None))
        return successor

    def on_node(self, name: str) -> list[Pod]:
        """Return the pods of a node in the order in which the API server lists them."""
        return sorted(self.cluster.pods_on(name), key=key_of)

    # -- time

    def settle(self) -> None:
        """Let the scheduler work until nothing moves any more.

        Meanwhile so much time passes that whoever waited before is not held up by an earlier attempt: real
        steps take as long as containers need to start.
        """
        queue = self.cluster.queue
        self._now += 2 * LONGEST_BACKOFF_S
        while True:
            entry = queue.pop(self._now)
            if entry is not None:
                for outcome in self._decide(entry):
                    self._perform(outcome)
                continue
            due = queue.next_due()
            if due is None:
                return
            self._now = max(self._now, due)

    def _decide(self, entry: Entry) -> Sequence[Outcome]:
        if self.cluster.groups.followed and "schedulingGroup" in entry.pod["spec"]:
            return [outcome for _, outcome in self._groups.attempt(entry, self._now).pods]
        return [self._attempts.attempt(entry, self._now)]

    def _perform(self, outcome: Outcome) -> None:
        pod = outcome.cycle.pod
        uid = pod["metadata"]["uid"]
        match outcome:
            case Placed(node=node):
                self.refusals.pop(uid, None)
                bound: Any = {**pod, "spec": {**pod["spec"], "nodeName": node}}
                self.put(PODS, bound)
            case MakeRoom(plan=plan, message=message):
                self.refusals[uid] = message
                self.cluster.nominate(pod, plan.node)
                # Several pods of a group may want the same ones to go.
                here = [self.pods.get(victim["metadata"]["uid"]) for victim in plan.victims]
                for victim in filter(None, here):
                    self.remove(victim, f"preempted by {key_of(pod)}")
            case Refused(message=message):
                self.refusals[uid] = message
                if uid in self.cluster.nominations:
                    self.cluster.denominate(uid)

    # -- what is

    def get(self, resource: Resource[Any], namespace: str, name: str) -> Any | None:
        return self._objects.get(resource, {}).get(Key(namespace, name))

    def all(self, resource: Resource[Any]) -> Iterable[Any]:
        return self._objects.get(resource, {}).values()

    def node_of(self, uid: str) -> str:
        """Return the node of a pod, "" if it waits or is gone."""
        pod = self.pods.get(uid)
        return str(pod["spec"].get("nodeName") or "") if pod is not None else ""

    def waiting(self) -> list[Pod]:
        return [pod for pod in self.pods.values() if not pod["spec"].get("nodeName")]

    def why_waiting(self, pod: Pod) -> str:
        """Return why a pod has no node."""
        profile = self.cluster.profile_of(pod)
        if profile is None:
            name = pod["spec"].get("schedulerName") or DEFAULT_SCHEDULER
            return f"it is for another scheduler: {name}"
        for plugin in profile.pre_enqueues:
            reason = plugin.pre_enqueue(pod, self.cluster.objects)
            if reason is not None:
                return reason
        return self.refusals.get(pod["metadata"]["uid"], "it has not been tried")


def _note_nothing(entry: Entry, outcome: Outcome) -> Callable[[str], None]:
    return lambda reason: None


def is_new(pod: Pod) -> bool:
    """Say whether the pod was made here."""
    return pod["metadata"]["uid"].startswith(_NEW)


def is_made_again(pod: Pod) -> bool:
    """Say whether the pod has a controller that makes a new one, wherever that finds room."""
    owner = controller_of(pod)
    return owner is not None and owner["kind"] not in _BOUND_TO_NODES


def _anew(pod: Pod) -> Pod:
    """Return the pod that its controller makes in the place of this one."""
    metadata: Any = {
        key: value
        for key, value in pod["metadata"].items()
        if key in ("name", "generateName", "namespace", "labels", "annotations", "ownerReferences")
    }
    owner = controller_of(pod)
    if owner is None or owner["kind"] not in _NAMED:
        metadata["generateName"] = metadata.get("generateName") or f"{metadata['name']}-"
        del metadata["name"]
    spec: Any = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
    made: Any = {**pod, "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}
    return made  # type: ignore[no-any-return]


def _arrival(pod: Pod) -> tuple[bool, str, Key]:
    """Sort those that have a node first, then as they have come; those of one second as they are listed."""
    metadata = pod["metadata"]
    return not pod["spec"].get("nodeName"), metadata.get("creationTimestamp") or "", key_of(pod)
