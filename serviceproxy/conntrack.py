"""Making the kernel forget UDP flows whose backend is gone: it would go on sending there for as long as
packets come.
"""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from serviceproxy.rules import Backend, ServiceRules, Vip

Stale: TypeAlias = tuple[Vip, Backend | None]
_FLOW = re.compile(r"src=\S+ dst=(\S+) sport=\d+ dport=(\d+) .*?src=(\S+) dst=\S+ sport=(\d+)")


def flush_arguments(vip: Vip, backend: Backend | None) -> list[str]:
    """Return the arguments of `conntrack` that delete the flows of `vip`, only those to `backend` if
    given.
    """
    arguments = ["-D", "-f", "ipv4", "-p", vip.protocol, "--orig-port-dst", str(vip.port)]
    if vip.address:
        arguments += ["--orig-dst", vip.address]
    if backend is not None:
        arguments += ["--dst-nat", backend.address] if not vip.address else ["--reply-src", backend.address]
    return arguments


def find_stale(listing: str, rules: Iterable[ServiceRules]) -> list[Stale]:
    """Return the UDP flows in what `conntrack -L` printed that no rule leads where they go.

    For a proxy that starts: what went while it was away, nobody has told.
    """
    targets = {vip: target for service in rules for vip, target in service.targets.items()}
    found: dict[Stale, None] = {}
    for match in _FLOW.finditer(listing):
        address, port, goes_to, goes_to_port = match.groups()
        own, on_node = Vip(address, "udp", int(port)), Vip("", "udp", int(port))
        # Without translation it is no service's flow, unless the address is a service's.
        vip = own if own in targets or goes_to == address else on_node
        backend = Backend(goes_to, int(goes_to_port))
        if vip in targets and backend not in targets[vip].backends.values():
            found[vip, backend] = None
    return list(found)


async def reconcile(rules: Iterable[ServiceRules]) -> None:
    """Delete all stale UDP flows of the services."""
    program = shutil.which("conntrack")
    if program is not None:
        await flush(find_stale(await asyncio.to_thread(_list, program), rules))


def _list(program: str) -> str:
    command = [program, "-L", "-f", "ipv4", "-p", "udp"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


async def flush(stale: Sequence[Stale]) -> None:
    """Delete flows; nothing to delete is no error. Without the `conntrack` program flows end by their
    time-out.
    """
    program = shutil.which("conntrack")
    if program is not None and stale:
        await asyncio.to_thread(_flush, program, stale)


def _flush(program: str, stale: Sequence[Stale]) -> None:
    for vip, backend in stale:
        subprocess.run([program, *flush_arguments(vip, backend)], capture_output=True, check=False)
