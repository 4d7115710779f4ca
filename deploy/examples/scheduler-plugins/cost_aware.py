"""Cheap nodes first, and never one that costs more than the pod says.

A node's price is its label `example.com/price-per-hour`; a pod's limit is its annotation
`example.com/most-per-hour`. Prices are of the Node alone, hence `node_only`.
"""

from pelamis.plugins import Node, Pod, filter, score

PRICE = "example.com/price-per-hour"
LIMIT = "example.com/most-per-hour"
# What a node costs that scores nothing, and one that does not say what it costs.
DEAREST = 4.0


@score(weight=3, node_only=True)
def cheap(pod: Pod, node: Node) -> float:
    price = float(node.labels.get(PRICE, DEAREST))
    return 100 * (1 - min(price, DEAREST) / DEAREST)


@filter(node_only=True)
def within_limit(pod: Pod, node: Node) -> bool | str:
    limit = pod.annotations.get(LIMIT)
    if limit is None or float(node.labels.get(PRICE, DEAREST)) <= float(limit):
        return True
    return f"node(s) cost more than {limit} per hour"
