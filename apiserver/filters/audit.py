"""Writes down what was asked and what came of it.

    recorded   outermost: the end of every request, also of those that were refused
    received   behind authentication: the policy decides; the beginning

A long-running request has two ends: its answer has started, its stream has ended.
Source: k8s.io/apiserver/pkg/endpoints/filters/audit.go (1.36).
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from api.errors import StatusError
from apiserver.audit.event import code_of, event_of, with_response
from apiserver.audit.log import AuditLog
from apiserver.audit.policy import COMPLETE, PANIC, RECEIVED, STARTED, Decision, Policy
from apiserver.http.message import Answer, Filter, Handler, Request, Stream, Upgrade
from kit import clock, rand

_RECORD = "record"
S = TypeVar("S")


class _Record:
    """What is being written about one request."""

    def __init__(self, log: AuditLog, request: Request) -> None:
        self._log, self._request = log, request
        self.identifier = request.headers.get("audit-id") or rand.uid()
        self._arrived: datetime = clock.now()
        self.decision: Decision | None = None

    def write(
        self, policy: Policy, stage: str, outcome: dict[str, Any] | None, answer: Answer | None = None
    ) -> None:
        request = self._request
        if self.decision is None:
            self.decision = policy.decide(request.user, request.info)
        if not self.decision.writes(stage):
            return
        times = (self._arrived, clock.now())
        event = event_of(request, self.decision, stage, self.identifier, times, outcome)
        self._log.write(with_response(event, self.decision, answer))


def recorded(log: AuditLog, policy: Policy) -> Filter:
    """Return the outermost filter."""

    async def run(request: Request, following: Handler) -> Answer:
        record = _Record(log, request)
        request.audit[_RECORD] = record
        # Stands if nothing else is known: a fault of ours.
        stage, outcome = PANIC, {"metadata": {}, "status": "Failure", "code": 500}
        try:
            answer = await following(request)
            stage = ""
        except StatusError as error:
            stage, outcome = COMPLETE, _refusal(error)
            raise
        finally:
            if stage:
                record.write(policy, stage, outcome)
        answer.headers["Audit-Id"] = record.identifier
        outcome = {"metadata": {}, "code": code_of(answer)}
        if isinstance(answer, Stream | Upgrade):
            record.write(policy, STARTED, outcome)
            _write_at_end(answer, lambda: record.write(policy, COMPLETE, outcome))
        else:
            record.write(policy, COMPLETE, outcome, answer)
        return answer

    return run


def received(policy: Policy) -> Filter:
    """Return the filter for the place behind authentication."""

    async def run(request: Request, following: Handler) -> Answer:
        request.audit[_RECORD].write(policy, RECEIVED, None)
        return await following(request)

    return run


def _refusal(error: StatusError) -> dict[str, Any]:
    status = error.to_status()
    kept = {key: status[key] for key in status if key in ("status", "message", "reason", "details", "code")}
    return {"metadata": {}, **kept}


def _write_at_end(answer: Stream | Upgrade, write: Callable[[], None]) -> None:
    def ended(run: Callable[[S], Awaitable[None]]) -> Callable[[S], Awaitable[None]]:
        async def whole(target: S) -> None:
            try:
                await run(target)
            finally:
                write()

        return whole

    if isinstance(answer, Stream):
        answer.run = ended(answer.run)
    else:
        answer.run = ended(answer.run)
