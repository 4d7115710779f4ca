"""GangScheduling: pods that name a PodGroup wait until it is there, those of a gang until there are enough.

Whether enough of them have places at once is decided in `scheduler/gang.py`; a profile without this plugin
schedules the pods of gangs one by one.
Source: pkg/scheduler/framework/plugins/gangscheduling (1.36), KEP-4671.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from api.resource import key_of
from api.types.core_v1 import Pod
from api.types.scheduling_v1alpha2 import PODGROUPS
from scheduler.groups import Groups, group_of, least
from scheduler.hints import Hints
from scheduler.objects import Objects

NAME = "GangScheduling"


def _is_its_group(pod: Any, old: Any, new: Any) -> bool:
    """Look closer at a PodGroup that has come: it is the pod's."""
    return new is not None and key_of(new) == group_of(pod)


@dataclass(frozen=True)
class GangScheduling:
    name: str = NAME
    hints: ClassVar[Hints] = {PODGROUPS.kind: _is_its_group}

    def pre_enqueue(self, pod: Pod, objects: Objects) -> str | None:
        if "schedulingGroup" not in pod["spec"]:
            return None
        key, groups = group_of(pod), objects.derived(Groups)
        if key is None or not groups.followed:
            return None
        group = groups.get(key)
        if group is None:
            return f'waiting for pods\'s pod group "{key.name}" to appear in scheduling queue'
        if groups.count(key) < least(group):
            return "waiting for minCount pods from a gang to appear in scheduling queue"
        return None
