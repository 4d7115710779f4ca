"""Shuffle sharding: which few of a level's queues a flow may use, so that no flood fills them all. Pure.

Called by validation (are there enough bits) and by the API server's queues.
Source: k8s.io/apiserver/pkg/util/shufflesharding (1.36).
"""

import math

# Bits of a flow's hash that dealing may use up.
HASH_BITS = 60


def entropy_bits(queues: int, hand_size: int) -> int:
    """Return how many bits it takes to deal any hand."""
    return math.ceil(math.log2(queues) * hand_size)


def deal(value: int, queues: int, hand_size: int) -> list[int]:
    """Return `hand_size` different queues below `queues`, the same ones whenever the value is the same."""
    hand: list[int] = []
    for taken in range(hand_size):
        value, card = divmod(value, queues - taken)
        for earlier in sorted(hand):
            if card >= earlier:
                card += 1
        hand.append(card)
    return hand
