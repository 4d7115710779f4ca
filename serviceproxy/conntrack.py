"""Making the kernel forget UDP flows whose backend is gone: it would go on sending there for as long as
packets come.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Sequence

from serviceproxy.rules import Backend, Vip


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


async def flush(stale: Sequence[tuple[Vip, Backend | None]]) -> None:
    """Delete flows; nothing to delete is no error. Without the `conntrack` program flows end by their
    time-out.
    """
    program = shutil.which("conntrack")
    if program is not None and stale:
        await asyncio.to_thread(_flush, program, stale)


def _flush(program: str, stale: Sequence[tuple[Vip, Backend | None]]) -> None:
    for vip, backend in stale:
        subprocess.run([program, *flush_arguments(vip, backend)], capture_output=True, check=False)
