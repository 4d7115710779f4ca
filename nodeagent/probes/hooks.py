"""Lifecycle hooks: `postStart` and `preStop`.

Called by the pod worker around the start and the stop of a container.
Source: pkg/kubelet/lifecycle/handlers.go (1.36).
"""

import asyncio

from api.resource import Obj
from kit import clock
from nodeagent.cri.errors import CRIError
from nodeagent.probes import tcp
from nodeagent.probes.exec import Executor
from nodeagent.probes.http import HTTPProber
from nodeagent.probes.target import TargetError, http_headers, http_url, port_number

# DEVIATION: upstream's HTTP hook of postStart has no limit; a silent peer would hold the pod for ever.
_HTTP_TIMEOUT_S = 300.0


class HookError(Exception):
    """The hook failed; the message is what the event (`FailedPostStartHook`, `FailedPreStopHook`) says."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Hooks:
    """Runs the hooks of this node's containers."""

    def __init__(self, runtime: Executor) -> None:
        self._runtime = runtime
        self._http = HTTPProber()

    async def run(
        self,
        pod: Obj,
        container: Obj,
        container_id: str,
        handler: Obj,
        *,
        pod_ip: str = "",
        timeout_s: float = 0.0,
    ) -> None:
        """Run one hook to its end. Raises `HookError`; also when `timeout_s` (0: none) has passed."""
        ip = pod_ip or (pod.get("status") or {}).get("podIP") or ""
        try:
            async with asyncio.timeout(timeout_s or None):
                await self._perform(container, container_id, handler, ip)
        except TimeoutError:
            raise HookError(f"hook did not end within {timeout_s:g}s") from None
        except TargetError as error:
            raise HookError(str(error)) from error

    async def close(self) -> None:
        await self._http.close()

    async def _perform(self, container: Obj, container_id: str, handler: Obj, ip: str) -> None:
        if command := handler.get("exec"):
            await self._exec(container_id, command.get("command") or [])
        elif get := handler.get("httpGet"):
            await self._get(get, container, ip)
        elif connect := handler.get("tcpSocket"):
            port = port_number(connect["port"], container)
            outcome = await tcp.check(connect.get("host") or ip, port, _HTTP_TIMEOUT_S)
            if not outcome.ok:
                raise HookError(outcome.message)
        elif rest := handler.get("sleep"):
            await clock.sleep(float(rest["seconds"]))
        else:
            raise HookError("invalid handler: no handler specified")

    async def _exec(self, container_id: str, command: list[str]) -> None:
        try:
            result = await self._runtime.exec_sync(container_id, command)
        except CRIError as error:
            raise HookError(f"Exec lifecycle hook ({_go_list(command)}) failed: {error}") from error
        if result.exit_code != 0:
            output = (result.stdout + result.stderr).decode(errors="replace")
            raise HookError(
                f"Exec lifecycle hook ({_go_list(command)}) failed - error: command "
                f"'{' '.join(command)}' exited with {result.exit_code}: {output}, message: {output!r}"
            )

    async def _get(self, handler: Obj, container: Obj, ip: str) -> None:
        """Only that somebody answers counts, whatever the status: as upstream has it."""
        url = http_url(handler, container, ip)
        outcome = await self._http.check(url, http_headers(handler), _HTTP_TIMEOUT_S)
        if not outcome.ok and not outcome.message.startswith("HTTP probe failed with statuscode"):
            raise HookError(f"HTTP lifecycle hook ({handler.get('path') or '/'}) failed: {outcome.message}")


def _go_list(words: list[str]) -> str:
    return "[" + " ".join(words) + "]"
