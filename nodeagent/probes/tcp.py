"""TCP probes: a connection that is closed at once. Edge. Source: pkg/probe/tcp/tcp.go (1.36)."""

import asyncio

from nodeagent.probes.decide import Outcome
from nodeagent.probes.target import join_host_port

_REASONS = {111: "connection refused", 113: "no route to host", 101: "network is unreachable"}


async def check(host: str, port: int, timeout_s: float) -> Outcome:
    """Return whether somebody accepts a connection in time."""
    where = join_host_port(host, port)
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Outcome(False, f"dial tcp {where}: i/o timeout")
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, str(error))
        return Outcome(False, f"dial tcp {where}: connect: {reason}")
    writer.close()
    return Outcome(True)
