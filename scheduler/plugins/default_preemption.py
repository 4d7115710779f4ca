"""DefaultPreemption: room is made for a pod by ending pods of lower priority; how, `scheduler.preempt` says.

Source: pkg/scheduler/framework/plugins/defaultpreemption calculateNumCandidates (1.36).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class DefaultPreemption:
    """The search ends at so many candidates: `percentage` of the nodes, but `least` at least."""

    name: str = "DefaultPreemption"
    percentage: int = 10
    least: int = 100

    def candidates(self, nodes: int) -> int:
        return min(nodes, max(nodes * self.percentage // 100, self.least))
