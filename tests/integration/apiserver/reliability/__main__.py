"""The long runs of R4, R5, R6 and R20: several API servers over one etcd, killed and compacted meanwhile.

    python -m tests.integration.apiserver.reliability --seconds 600 [--servers 2] [--kill-every 5]
        [--compact-every 1] [--seed 1]

Prints one JSON line per round of 20 s, and exits with 1 if a fault was found; a seed repeats the same
choices, though not the same timing.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import orjson

from tests.integration.apiserver.reliability import watching
from tests.integration.apiserver.reliability.cas import fight
from tests.integration.apiserver.reliability.servers import Control, running

ROUND_S = 20.0


async def _trouble(control: Control, options: argparse.Namespace, recovered: list[float]) -> None:
    """Kill one server after the other, and compact, until cancelled."""

    async def kill() -> None:
        number = 0
        while options.kill_every:
            await asyncio.sleep(options.kill_every)
            recovered.append(await control.restart(number % len(control.servers)))
            number += 1

    async def compact() -> None:
        while options.compact_every:
            await asyncio.sleep(options.compact_every)
            await control.compact()

    await asyncio.gather(kill(), compact())


async def _round(control: Control, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    recovered: list[float] = []
    trouble = asyncio.ensure_future(_trouble(control, options, recovered))
    history, run = await asyncio.gather(
        fight(control.session, control.urls, ROUND_S, seed),
        watching.run_model(control.session, control.backend, seed, ROUND_S, urls=control.urls),
    )
    trouble.cancel()
    await asyncio.wait([trouble])
    for server in control.servers:
        await server.ready(control.session)
    return {
        "seed": seed,
        "operations": history.count,
        "unknown": history.unknown,
        "writes": run.acknowledged,
        "connections": run.reconnects,
        "expired": run.expired,
        "kills": len(recovered),
        "recovery_s_worst": round(max(recovered, default=0.0), 2),
        "faults": [*history.faults(), *run.faults][:20],
    }


async def _main(options: argparse.Namespace) -> int:
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), options.servers) as control:
            for number in range(max(1, round(options.seconds / ROUND_S))):
                found = await _round(control, options, options.seed + number)
                faults += len(found["faults"])
                sys.stdout.write(orjson.dumps(found).decode() + "\n")
                sys.stdout.flush()
    return 1 if faults else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill-every", type=float, default=5.0, help="seconds; 0: never")
    parser.add_argument("--compact-every", type=float, default=1.0, help="seconds; 0: never")
    sys.exit(asyncio.run(_main(parser.parse_args())))


if __name__ == "__main__":
    main()
