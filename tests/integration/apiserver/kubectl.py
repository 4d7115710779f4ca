"""A real kubectl against the server of a test."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.harness import newest_kubectl


@dataclass(frozen=True)
class Printed:
    code: int
    out: str
    err: str


class Kubectl:
    """Runs the newest kubectl of this machine; `kubeconfig` is the fixture's."""

    def __init__(self, kubeconfig: Path) -> None:
        self._path = newest_kubectl()
        self._flags = (f"--kubeconfig={kubeconfig}", f"--cache-dir={kubeconfig.parent / 'cache'}")

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        """Start a command that goes on until it is killed."""
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            self._path, *self._flags, *words, stdin=pipe, stdout=pipe, stderr=pipe
        )

    async def __call__(self, *words: str, text: str = "") -> Printed:
        process = await self.start(*words)
        out, err = await process.communicate(text.encode())
        return Printed(process.returncode or 0, out.decode(), err.decode())

    async def ok(self, *words: str, text: str = "") -> str:
        """Return what is printed by a command that must succeed."""
        printed = await self(*words, text=text)
        assert printed.code == 0, (words, printed)
        return printed.out
