"""GPUs that belong together: a pod's devices on one NUMA node, or one group of NVLinks.

A node's label `example.com/gpus-per-group` says how many of its GPUs share a fast link. Which ones its pods
hold nobody tells the scheduler, so it is worked out as a device manager would give them: large requests
first, each into the group that it fits most tightly.
"""

from pelamis.plugins import Node, Pod, filter, score

GPU = "nvidia.com/gpu"
GROUP = "example.com/gpus-per-group"


def free_by_group(node: Node) -> list[int]:
    """Return how many GPUs are free in each group of a node."""
    total = int(node.allocatable(GPU))
    size = int(node.labels.get(GROUP, "0")) or max(total, 1)
    groups = [min(size, total - first) for first in range(0, total, size)]
    for wanted in sorted((int(placed.request(GPU)) for placed in node.pods), reverse=True):
        take(groups, wanted)
    return groups


def take(groups: list[int], wanted: int) -> None:
    """Take GPUs out of the tightest group that has enough, or out of several if none has."""
    while wanted > 0 and any(groups):
        enough = [free for free in groups if free >= wanted]
        number = groups.index(min(enough) if enough else max(groups))
        taken = min(wanted, groups[number])
        groups[number] -= taken
        wanted -= taken


@filter
def together(pod: Pod, node: Node) -> bool | str:
    wanted = int(pod.request(GPU))
    if not wanted or max(free_by_group(node), default=0) >= wanted:
        return True
    return f"node(s) didn't have {wanted} free GPUs in one group"


@score(weight=5)
def tightly(pod: Pod, node: Node) -> float:
    """Leave large groups whole for those who need them."""
    wanted = int(pod.request(GPU))
    enough = [free for free in free_by_group(node) if free >= wanted]
    return 100 * wanted / min(enough) if wanted and enough else 0
