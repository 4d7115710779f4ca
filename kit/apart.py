"""Work that would hold up the event loop is done in a thread.

A thread does not make it faster, but the loop gets its turn every millisecond (`tasks.run` sets the switch
interval), so that nobody else's request waits for one that is large. Only for pure functions of values: the
state of a component belongs to its loop.
"""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# From here on work is heavy: some 5 ms of decoding, defaults or validation of JSON.
HEAVY_BYTES = 128 << 10


async def apart(weight_bytes: int, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Return `work(...)`, done in a thread if `weight_bytes` of JSON are what it works on."""
    if weight_bytes < HEAVY_BYTES:
        return work(*args, **named)
    return await asyncio.to_thread(work, *args, **named)
