"""Which pods there are of each pod group, as the watch has shown them. Pure; a part of `Objects`.

Written by `cluster`; read by the plugin GangScheduling, which holds pods back until there are enough, and by
`gang`, which places them. Source: pkg/scheduler/backend/cache podgroupstate.go (1.36).
"""

from collections.abc import Collection

from api.resource import Key
from api.types.core_v1 import Pod
from api.types.scheduling_v1alpha2 import PODGROUPS, PodGroup
from scheduler.objects import Objects


def group_of(pod: Pod) -> Key | None:
    """Return the key of the PodGroup that a pod names; None if it names none."""
    named = pod["spec"].get("schedulingGroup")
    name = named.get("podGroupName") if named else None
    return Key(pod["metadata"]["namespace"], name) if name else None


def least(group: PodGroup) -> int:
    """Return how many pods of a group must have places at once; 0: each is scheduled as if it were alone."""
    gang = group["spec"]["schedulingPolicy"].get("gang")
    return gang["minCount"] if gang is not None else 0


class Groups:
    """The one of `objects` is `objects.derived(Groups)`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        # Whether the API server serves PodGroups. While it does not, pods are scheduled one by one.
        self.followed = False
        self._members: dict[Key, dict[str, Pod]] = {}

    def get(self, key: Key) -> PodGroup | None:
        """Return the PodGroup, None if it is not there."""
        found: PodGroup | None = self._objects.get(PODGROUPS, key.namespace, key.name)
        return found

    def members(self, key: Key) -> Collection[Pod]:
        """Return the live pods that name the group: on nodes, or waiting for one."""
        return self._members.get(key, {}).values()

    def count(self, key: Key) -> int:
        return len(self._members.get(key, ()))

    def put(self, pod: Pod) -> bool:
        """Note a pod as it is now; say whether it is new to its group."""
        key = group_of(pod)
        if key is None:
            return False
        if "deletionTimestamp" in pod["metadata"] and not pod["spec"].get("nodeName"):
            # It will never have a place.
            self.drop(pod)
            return False
        members = self._members.setdefault(key, {})
        is_new = pod["metadata"]["uid"] not in members
        members[pod["metadata"]["uid"]] = pod
        return is_new

    def drop(self, pod: Pod) -> None:
        """Forget a pod that is gone or has ended."""
        key = group_of(pod)
        members = self._members.get(key) if key is not None else None
        if key is None or members is None:
            return
        members.pop(pod["metadata"]["uid"], None)
        if not members:
            del self._members[key]
