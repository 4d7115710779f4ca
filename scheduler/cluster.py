"""What the scheduler knows: the snapshot, the queue, and the pods it has placed but not yet seen placed.

Fed by `app` from informers, one call per event; `bind` reports how bindings ended. Everything here is
synchronous and time is passed in, so the whole can be driven by a test.

    queued --place--> assumed --watch shows the pod on a node--> known
                         |--binding failed--> queued, with back-off
                         +--deleted---------> forgotten
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from api.labels import from_label_selector
from api.podspec import is_terminal
from api.resource import Key, Resource, key_of
from api.types.core_v1 import Namespace, Node, Pod
from api.types.scheduling_v1alpha2 import PODGROUPS, PodGroup
from scheduler import hints
from scheduler.framework import Profile
from scheduler.groups import Groups, group_of, least
from scheduler.objects import Objects
from scheduler.preempt import Budget
from scheduler.queue import SchedulingQueue
from scheduler.ranked import Ranked, priority_of
from scheduler.shape import Shape, Shapes
from scheduler.snapshot import Snapshot
from scheduler.spreading import Spreading

# Pods that name no scheduler are for this one.
DEFAULT_SCHEDULER = "default-scheduler"


@dataclass(frozen=True)
class Nomination:
    """A pod for which room has been made on a node."""

    node: str
    priority: int
    shape: Shape


class Cluster:
    def __init__(self, profiles: Mapping[str, Profile], queue: SchedulingQueue | None = None) -> None:
        # By schedulerName.
        self.profiles = profiles
        self.snapshot = Snapshot()
        self.queue = queue if queue is not None else SchedulingQueue()
        self.shapes = Shapes()
        self.objects = Objects()
        self.groups = self.objects.derived(Groups)
        self.spreading = Spreading()
        self._hints = _by_event(profiles.values())
        self._keys = _keys(profiles.values())
        # uid -> node of pods whose binding is under way or not yet seen on the watch.
        self.assumed: dict[str, str] = {}
        # uid -> where room has been or is being made for a pod. While it is not on its way there itself, the
        # snapshot counts it there under another name: others of its priority or below find the room taken.
        self.nominations: dict[str, Nomination] = {}
        self._ghosts: dict[str, int] = {}
        self._ghost_priorities: Counter[int] = Counter()
        # Pods that were asked to go, until they are gone.
        self.victims: set[str] = set()
        self.budgets: dict[tuple[str, str], Budget] = {}
        self.ranked = Ranked()
        self._on_node: dict[str, dict[str, Pod]] = {}
        self._priorities: Counter[int] = Counter()
        self.namespaces: dict[str, Mapping[str, str]] = {}

    def set_profiles(self, profiles: Mapping[str, Profile], now: float) -> None:
        """Decide by other plugins from now on, for the same schedulers: who was refused may try again."""
        self.profiles = profiles
        self._hints, self._keys = _by_event(profiles.values()), _keys(profiles.values())
        # Nothing decided so far says anything about the next pod.
        self.snapshot.revision += 1
        self.queue.stir_all(now)

    # -- events

    def node_changed(self, old: Node | None, new: Node | None, now: float) -> None:
        if new is None:
            if old is not None:
                self.snapshot.remove_node(old["metadata"]["name"])
                self._stir(hints.NODE_GONE, old, None, now)
            return
        changed = self.snapshot.set_node(new)
        if old is None:
            self.ranked.touch(new["metadata"]["name"])
            self.queue.stir_all(now)
        elif changed:
            self._stir(hints.NODE_CHANGED, old, new, now)

    def object_changed(self, resource: Resource[Any], old: Any, new: Any, now: float) -> None:
        """Take in a change of another object that placement depends on."""
        self.objects.changed(resource, old, new)
        self._stir(resource.kind, old, new, now)
        if resource.kind in self._keys:
            for pod in self.queue.gated():
                self._enqueue(pod, now)

    def _enqueue(self, pod: Pod, now: float) -> None:
        spec, profile = pod["spec"], self.profile_of(pod)
        # Pods with claims are never alike: each has its own, in a state of its own.
        if spec.get("resourceClaims"):
            self.queue.put(pod, now, self._is_gated(pod))
            return
        alike = (
            self.shapes.of(pod).key,
            spec.get("schedulerName"),
            spec.get("priority"),
            spec.get("preemptionPolicy"),
            profile.traits(pod) if profile is not None and profile.traits is not None else None,
            group_of(pod) if "schedulingGroup" in spec else None,
        )
        self.queue.put(pod, now, self._is_gated(pod), alike)

    def _stir(self, event: str, old: Any, new: Any, now: float) -> None:
        if self.queue.is_calm:
            return
        looks = [
            (plugin, (lambda pod, hint=hint: hint(pod, old, new)) if hint is not None else None)
            for plugin, hint in self._hints.get(event, ())
        ]
        self.queue.stir(looks, now)

    def profile_of(self, pod: Pod) -> Profile | None:
        """Return the profile that places the pod; None if that is not ours to do."""
        return self.profiles.get(pod["spec"].get("schedulerName") or DEFAULT_SCHEDULER)

    def _is_gated(self, pod: Pod) -> bool:
        profile = self.profile_of(pod)
        plugins = profile.pre_enqueues if profile is not None else ()
        return any(plugin.pre_enqueue(pod, self.objects) is not None for plugin in plugins)

    def namespace_changed(self, old: Namespace | None, new: Namespace | None, now: float) -> None:
        obj = new or old
        if obj is None:
            return
        name = obj["metadata"]["name"]
        labels = (new["metadata"].get("labels") or {}) if new is not None else None
        if self.namespaces.get(name) == labels:
            return
        if labels is None:
            del self.namespaces[name]
        else:
            self.namespaces[name] = labels
        self.snapshot.set_namespace_labels(dict(self.namespaces))
        self._stir(hints.NAMESPACE_CHANGED, old, new, now)

    def budget_changed(self, old: Any, new: Any, now: float) -> None:
        metadata = (new or old)["metadata"]
        key = (metadata["namespace"], metadata["name"])
        before, after = self.budgets.pop(key, None), _new_budget(new) if new is not None else None
        if after is not None:
            self.budgets[key] = after
        # How many of its pods may go changes all the time, and matters only when somebody is to go.
        if before is None or after is None or not before.covers_the_same(after):
            self.ranked.touch_all(self.snapshot.index)

    def pod_changed(self, old: Pod | None, new: Pod | None, now: float) -> None:
        pod = new or old
        if pod is None:
            return
        if old is not None:
            self.shapes.forget(old)
        self._note(old, None)
        if "schedulingGroup" in pod["spec"]:
            self._member_changed(pod, new, now)
        if new is None or is_terminal(new):
            self._pod_gone(pod, now)
            return
        self._note(None, new)
        if node := new["spec"].get("nodeName"):
            self._pod_on_node(new, node, now)
        else:
            self._pod_waits(new, now)

    def _note(self, gone: Pod | None, come: Pod | None) -> None:
        """Keep the lists of pods by node and of their priorities."""
        for pod, sign in ((gone, -1), (come, 1)):
            node = pod["spec"].get("nodeName") if pod is not None else None
            if pod is None or not node:
                continue
            self.ranked.touch(node)
            uid, here = pod["metadata"]["uid"], self._on_node.setdefault(node, {})
            if sign < 0 and here.pop(uid, None) is not None:
                self._priorities[priority_of(pod)] -= 1
            elif sign > 0:
                here[uid] = pod
                self._priorities[priority_of(pod)] += 1
            if not here:
                del self._on_node[node]

    def pods_on(self, node: str) -> Iterable[Pod]:
        """Return the pods that are known to be on a node."""
        return self._on_node.get(node, {}).values()

    def any_below(self, priority: int) -> bool:
        """Say whether any placed pod has a lower priority."""
        return any(count > 0 and each < priority for each, count in self._priorities.items())

    def _pod_gone(self, pod: Pod, now: float) -> None:
        uid = pod["metadata"]["uid"]
        self.queue.remove(uid, now)
        self.assumed.pop(uid, None)
        self.denominate(uid)
        self.victims.discard(uid)
        if self.snapshot.remove_pod(uid) is not None:
            self._stir(hints.POD_GONE, pod, None, now)

    def _pod_on_node(self, pod: Pod, node: str, now: float) -> None:
        uid = pod["metadata"]["uid"]
        self.queue.remove(uid, now)
        self.denominate(uid)
        confirmed = self.assumed.pop(uid, None) == node
        shape = self.shapes.of(pod)
        terminating = "deletionTimestamp" in pod["metadata"]
        before = self.snapshot.pods.get(uid)
        same = before is not None and before.shape.key == shape.key and before.terminating == terminating
        if same and before is not None and self.snapshot.names[before.slot] == node:
            if confirmed:
                self._stir(hints.POD_CAME, None, pod, now)
            return
        self.snapshot.add_pod(uid, node, shape, terminating)
        self._stir(hints.POD_CAME, None, pod, now)
        if before is not None:
            self._stir(hints.POD_GONE, pod, None, now)

    def _pod_waits(self, pod: Pod, now: float) -> None:
        uid = pod["metadata"]["uid"]
        if self.profile_of(pod) is None:
            return
        if "deletionTimestamp" in pod["metadata"]:
            if uid not in self.assumed:
                self.queue.remove(uid, now)
                self.denominate(uid)
            return
        nominated = (pod.get("status") or {}).get("nominatedNodeName")
        if nominated and uid not in self.queue:
            self.nominate(pod, nominated)
        self._enqueue(pod, now)

    # -- groups

    def group_changed(self, old: PodGroup | None, new: PodGroup | None, now: float) -> None:
        """Take in a change of a PodGroup. What is told in its status does not matter here."""
        self.objects.changed(PODGROUPS, old, new)
        if new is not None and (old is None or old["spec"] != new["spec"]):
            self._stir(PODGROUPS.kind, old, new, now)
            self._let_in(key_of(new), now)

    def _member_changed(self, pod: Pod, new: Pod | None, now: float) -> None:
        if new is None or is_terminal(new):
            self.groups.drop(pod)
            return
        key = group_of(new)
        if key is None or not self.groups.put(new):
            return
        group = self.groups.get(key)
        if group is not None and self.groups.count(key) == least(group):
            self._let_in(key, now)

    def _let_in(self, key: Key, now: float) -> None:
        """A group has come, or enough pods of it: those that were held back are tried, the others again."""
        for pod in self.groups.members(key):
            uid = pod["metadata"]["uid"]
            if not pod["spec"].get("nodeName") and uid in self.queue:
                self._enqueue(pod, now)
                self.queue.wake(uid, now)

    # -- room that has been made

    def nominate(self, pod: Pod, node: str) -> None:
        """Count a pod on the node where room is made for it."""
        uid = pod["metadata"]["uid"]
        self.denominate(uid)
        self.nominations[uid] = Nomination(node, priority_of(pod), self.shapes.of(pod))
        self._appear(uid)

    def denominate(self, uid: str) -> None:
        """No room is kept for a pod any more."""
        self._vanish(uid)
        self.nominations.pop(uid, None)

    def _appear(self, uid: str) -> None:
        nomination = self.nominations[uid]
        self._ghosts[uid] = nomination.priority
        self._ghost_priorities[nomination.priority] += 1
        self.snapshot.add_pod(_ghost(uid), nomination.node, nomination.shape)

    def _vanish(self, uid: str) -> None:
        priority = self._ghosts.pop(uid, None)
        if priority is not None:
            self._ghost_priorities[priority] -= 1
            self.snapshot.remove_pod(_ghost(uid))

    def nominated(self, uid: str) -> str:
        """Return the node where room has been made for a pod, "" if there is none."""
        found = self.nominations.get(uid)
        return found.node if found is not None else ""

    def is_awaiting_room(self, pod: Pod) -> bool:
        """Say whether pods of lower priority are still on their way out where the pod is nominated."""
        return any(
            priority_of(other) < priority_of(pod)
            and ("deletionTimestamp" in other["metadata"] or other["metadata"]["uid"] in self.victims)
            for other in self.pods_on(self.nominated(pod["metadata"]["uid"]))
        )

    def reserved(self, pod: Pod) -> AbstractContextManager[None]:
        """Within the block, only nominated pods of the same or higher priority count, and not the pod itself.

        DEVIATION: upstream asks filters with and without them; so here a nominated pod may satisfy a required
        affinity before it is there.
        """
        return self._hidden(pod) if self._ghosts else nullcontext()

    @contextmanager
    def _hidden(self, pod: Pod) -> Iterator[None]:
        own = pod["metadata"]["uid"]
        hidden = self._below(priority_of(pod))
        if own in self._ghosts and own not in hidden:
            hidden.append(own)
        for uid in hidden:
            self._vanish(uid)
        try:
            yield
        finally:
            for uid in hidden:
                self._appear(uid)

    def _below(self, priority: int) -> list[str]:
        if not any(count and each < priority for each, count in self._ghost_priorities.items()):
            return []
        return [uid for uid, each in self._ghosts.items() if each < priority]

    # -- placements

    def assume(self, pod: Pod, node: str) -> None:
        """Count a pod on the node that was chosen for it, before anybody else knows."""
        uid = pod["metadata"]["uid"]
        self._vanish(uid)
        self.assumed[uid] = node
        self.snapshot.add_pod(uid, node, self.shapes.of(pod))

    def is_waiting(self, uid: str) -> bool:
        """Tell whether a pod has no node, and is not on its way to one."""
        return uid in self.queue and uid not in self.assumed

    def forget(self, pod: Pod) -> bool:
        """Take an assumed pod off its node, as if it had never been there; say whether it was assumed."""
        uid = pod["metadata"]["uid"]
        if self.assumed.pop(uid, None) is None:
            return False
        self.snapshot.remove_pod(uid)
        if uid in self.nominations:
            self._appear(uid)
        return True

    def banish(self, pod: Pod) -> None:
        """Take a pod off its node in thought, until it is `restored`."""
        self._note(pod, None)
        self.snapshot.remove_pod(pod["metadata"]["uid"])

    def restore(self, pod: Pod) -> None:
        """Put a banished pod back."""
        self._note(None, pod)
        terminating = "deletionTimestamp" in pod["metadata"]
        node = pod["spec"]["nodeName"]
        self.snapshot.add_pod(pod["metadata"]["uid"], node, self.shapes.of(pod), terminating)

    def is_assumed(self, uid: str, node: str) -> bool:
        return self.assumed.get(uid) == node

    def undo(self, pod: Pod, now: float) -> None:
        """The pod was not bound: take it off its node again and let it try anew after its back-off.

        Does nothing if the watch has told since where the pod is, or that it is gone.
        """
        if not self.forget(pod):
            return
        self.queue.retry(pod["metadata"]["uid"], now)
        self._stir(hints.POD_GONE, pod, None, now)


def _new_budget(obj: Any) -> Budget:
    status = obj.get("status") or {}
    return Budget(
        obj["metadata"]["namespace"],
        from_label_selector(obj["spec"].get("selector")),
        status.get("disruptionsAllowed") or 0,
        frozenset(status.get("disruptedPods") or ()),
    )


def _ghost(uid: str) -> str:
    """Return the name under which a nominated pod is counted."""
    return f"nominated/{uid}"


def _keys(profiles: Iterable[Profile]) -> frozenset[str]:
    """Return the kinds of objects that may let a pod in that is held back."""
    plugins = (plugin for profile in profiles for plugin in profile.pre_enqueues)
    return frozenset(kind for plugin in plugins for kind in plugin.hints)


def _by_event(profiles: Iterable[Profile]) -> dict[str, list[tuple[str, hints.Hint | None]]]:
    """Return, by kind of event, the plugins that it may help, with their closer look."""
    found: dict[str, dict[str, hints.Hint | None]] = {}
    for profile in profiles:
        for plugin in (*profile.pre_enqueues, *profile.filters, *profile.reserves):
            for event, look in plugin.hints.items():
                found.setdefault(event, {})[plugin.name] = look
    return {event: list(plugins.items()) for event, plugins in found.items()}
