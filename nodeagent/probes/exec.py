"""Exec probes: a command in the container, judged by its exit code. Edge.

Source: pkg/probe/exec/exec.go (1.36).
"""

from collections.abc import Sequence
from typing import Protocol

from nodeagent.cri.client import ExecResult
from nodeagent.cri.errors import CRIError
from nodeagent.probes.decide import Outcome

_MAX_OUTPUT = 10 * 1024


class Executor(Protocol):
    """What probes and hooks need of a runtime."""

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout_s: float = 0.0
    ) -> ExecResult:
        """Run a command to its end. Raises `CRIError`; DEADLINE_EXCEEDED when the time is over."""


async def check(runtime: Executor, container_id: str, command: Sequence[str], timeout_s: float) -> Outcome:
    """Return whether the command ends with 0 in time."""
    try:
        result = await runtime.exec_sync(container_id, command, timeout_s)
    except CRIError as error:
        if error.code == "DEADLINE_EXCEEDED":
            return Outcome(False, f'command timed out: "{" ".join(command)}" timed out after {timeout_s:g}s')
        return Outcome(None, error.rpc_text)
    output = (result.stdout + result.stderr)[:_MAX_OUTPUT].decode(errors="replace")
    return Outcome(result.exit_code == 0, output)
