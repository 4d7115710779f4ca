"""ImageLocality: nodes that have the pod's images already score higher, by the images' sizes.

DEVIATION: upstream takes the size of an image from the node that told of it first, here each node's counts.
Source: pkg/scheduler/framework/plugins/imagelocality (1.36).
"""

from dataclasses import dataclass

import numpy as np

from scheduler.framework import MAX_SCORE, Cycle
from scheduler.snapshot import Ints, Mask

_MB = 1024 * 1024
_LEAST = 23 * _MB
_MOST_PER_CONTAINER = 1000 * _MB


@dataclass(frozen=True)
class ImageLocality:
    name: str = "ImageLocality"

    def score_is_static(self, cycle: Cycle) -> bool:
        return True

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        return cycle.static(self.name, lambda: _scores(cycle), cycle.shape.images)


def _scores(cycle: Cycle) -> Ints | None:
    snapshot = cycle.snapshot
    if not any(full_name(image) in snapshot.image_nodes for image in cycle.shape.images):
        return None
    sums = np.zeros(len(snapshot.alive), dtype=np.int64)
    for image in cycle.shape.images:
        holders = snapshot.image_nodes.get(full_name(image), {})
        for slot, size in holders.items():
            # An image that few nodes have counts less, or pods would pile up on those.
            sums[slot] += int(size * (len(holders) / snapshot.node_count))
    most = _MOST_PER_CONTAINER * max(len(cycle.shape.images), 1)
    scores: Ints = MAX_SCORE * (np.clip(sums, _LEAST, most) - _LEAST) // (most - _LEAST)
    return scores if scores.any() else None


def full_name(image: str) -> str:
    """Return the name as nodes list it: with `:latest` if it has neither tag nor digest."""
    return image if image.rfind(":") > image.rfind("/") else image + ":latest"
