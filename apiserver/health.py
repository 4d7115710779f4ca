"""`/healthz`, `/livez`, `/readyz`: named checks, all or one by one, verbose on request.

Spec: k8s.io/apiserver/pkg/server/healthz (1.36).
"""

import asyncio
from collections.abc import Awaitable, Callable

from apiserver.http.message import Request, Response

# Returns "" when healthy, else why not.
Check = Callable[[], Awaitable[str]]

ROOTS = ("/healthz", "/livez", "/readyz")
CHECK_TIMEOUT_S = 2.0


class Health:
    """The checks by root; `/healthz` has those of liveness and readiness."""

    def __init__(self) -> None:
        self._checks: dict[str, dict[str, Check]] = {root: {"ping": _ping} for root in ROOTS}

    def add(self, name: str, check: Check, live: bool = False) -> None:
        """Add a check to readiness (and `/healthz`), with `live` also to liveness."""
        for root in ROOTS if live else ("/healthz", "/readyz"):
            self._checks[root][name] = check

    async def answer(self, request: Request) -> Response | None:
        """Answer a health request; None if the path is none of these."""
        root, _, single = request.path.lstrip("/").partition("/")
        checks = self._checks.get(f"/{root}")
        if checks is None:
            return None
        excluded = set(request.query.get("exclude", ()))
        chosen = {name: check for name, check in checks.items() if name not in excluded}
        if single:
            if single not in checks:
                return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")
            chosen = {single: checks[single]}
        return await self._run(root, chosen, "verbose" in request.query, bool(single))

    async def _run(self, root: str, checks: dict[str, Check], verbose: bool, single: bool) -> Response:
        lines, failed = [], False
        for name, check in checks.items():
            if why := await _ask(check):
                failed = True
                lines.append(f"[-]{name} failed: {why}")
            else:
                lines.append(f"[+]{name} ok")
        headers = {"X-Content-Type-Options": "nosniff"}
        if failed:
            body = "\n".join([*lines, f"{root} check failed", ""])
            return Response(500, body.encode(), "text/plain; charset=utf-8", headers)
        if not verbose or single:
            return Response(200, b"ok", "text/plain; charset=utf-8", headers)
        body = "\n".join([*lines, f"{root} check passed", ""])
        return Response(200, body.encode(), "text/plain; charset=utf-8", headers)


async def _ping() -> str:
    return ""


async def _ask(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except TimeoutError:
        return "reason withheld: timed out"
