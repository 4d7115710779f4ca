"""Pods of one owner over racks: a rack with fewer siblings scores higher.

Vectorised: it is asked about all nodes at once, with arrays. Racks are the label `example.com/rack`.
"""

from typing import Any

import numpy as np

from pelamis.plugins import Nodes, Placed, Pod, score

RACK = "example.com/rack"


@score(weight=5, vectorised=True)
def far_from_siblings(pod: Pod, nodes: Nodes) -> Any:
    def is_sibling(other: Placed) -> bool:
        return other.owner == pod.owner and other.namespace == pod.namespace

    if pod.owner == ("", ""):
        return np.zeros(len(nodes))
    in_rack = nodes.sum_by(RACK, nodes.count(is_sibling))
    most = max(in_rack[nodes.feasible].max(), 1)
    return 100 * (1 - np.clip(in_rack / most, 0, 1))
