"""How well a pod's claims fill the storage that a node would give them: a curve over the share in use.

Source: volumebinding/scorer.go (1.36).
"""

from collections.abc import Iterable, Mapping

import numpy as np

from scheduler.snapshot import Ints

_FULL = 100


def fill_scores(scores: Ints, filled: Iterable[tuple[Ints, Ints]], slots: int) -> Ints:
    """Return the mean score over classes, rounded. `scores` are by per cent in use, `filled` are (bytes
    asked, bytes offered) per node and class; a class counts where anything is asked of it.
    """
    total, kinds = np.zeros(slots, dtype=np.int64), np.zeros(slots, dtype=np.int64)
    for asked, offered in filled:
        counts = asked > 0
        fits = (offered > 0) & (asked <= offered)
        share = np.where(fits, asked * _FULL // np.maximum(offered, 1), _FULL)
        total = total + counts * scores[share]
        kinds = kinds + counts
    mean: Ints = (2 * total + kinds) // np.maximum(2 * kinds, 1)
    return mean


def by_class(amounts: Iterable[tuple[str, Ints, Ints]]) -> Mapping[str, tuple[Ints, Ints]]:
    """Return (asked, offered) summed by class."""
    found: dict[str, tuple[Ints, Ints]] = {}
    for name, asked, offered in amounts:
        before = found.get(name)
        found[name] = (asked, offered) if before is None else (before[0] + asked, before[1] + offered)
    return found
