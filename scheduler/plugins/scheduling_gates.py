"""SchedulingGates: a pod with gates waits until somebody has taken all of them away. Source: KEP-3521."""

from dataclasses import dataclass
from typing import ClassVar

from api.types.core_v1 import Pod
from scheduler.hints import Hints
from scheduler.objects import Objects


@dataclass(frozen=True)
class SchedulingGates:
    name: str = "SchedulingGates"
    hints: ClassVar[Hints] = {}

    def pre_enqueue(self, pod: Pod, objects: Objects) -> str | None:
        gates = pod["spec"].get("schedulingGates")
        if not gates:
            return None
        return f"waiting for scheduling gates: [{' '.join(gate['name'] for gate in gates)}]"
