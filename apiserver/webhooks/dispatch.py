"""Asking one webhook about one request, and what becomes of its answer.

    allowed                        the verdict, with its patch
    denied                         raised as the webhook words it
    not called, or no real answer  raised as InternalError; None if the webhook's policy is to ignore that

Called by the two webhook plugins. Source: k8s.io/apiserver/pkg/admission/plugin/webhook/
{mutating,validating}/dispatcher.go (1.36).
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from api.errors import BadRequest, InternalError, StatusError, Timeout
from api.resource import Resource
from apiserver.admission.authority import authority_of
from apiserver.admission.matching import in_selected_namespace, is_selected_object
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.policies.evaluation import Failed, are_met
from apiserver.admission.refusal import refuse
from apiserver.authz.authorizer import Authorizer
from apiserver.registry import Registry
from apiserver.rest.versions import Versions
from apiserver.webhooks import metrics
from apiserver.webhooks.client import WebhookClient, WebhookError
from apiserver.webhooks.hooks import Hook
from apiserver.webhooks.review import (
    BadAnswer,
    Verdict,
    annotations_of,
    denial,
    request_of,
    review_of,
    verdict_of,
)
from apiserver.webhooks.table import Match
from kit import clock, log, rand

_log = log.get("apiserver.webhooks")

MUTATING, VALIDATING = "admit", "validating"
# The client is told a moment before its own deadline, while somebody still listens.
_MARGIN_S = 0.05
_FAILED_OPEN = {
    MUTATING: "failed-open.mutation.webhook.admission.k8s.io/",
    VALIDATING: "failed-open.validating.webhook.admission.k8s.io/",
}


@dataclass(frozen=True)
class Parts:
    """What the webhook plugins are made of."""

    registry: Registry
    versions: Versions
    client: WebhookClient
    authorizer: Authorizer


class Dispatcher:
    """Asks webhooks of one type (`MUTATING` or `VALIDATING`)."""

    def __init__(self, kind: str, parts: Parts) -> None:
        self._kind = kind
        self._registry = parts.registry
        self._versions = parts.versions
        self._client = parts.client
        self._authorizer = parts.authorizer

    async def wanted(self, match: Match, request: AdmissionRequest) -> AdmissionRequest | None:
        """Return a request in the version that a webhook's rules name; None if it is not to be asked.

        Raises `NotFound`, `Forbidden`, `InternalError`.
        """
        hook = match.hook
        if not is_selected_object(request, hook.objects):
            return None
        if not await in_selected_namespace(self._registry, request, hook.namespaces):
            return None
        seen = await self._seen(match.resource, request)
        return seen if not hook.conditions or await self._meets(hook, request, seen) else None

    async def _seen(self, target: Resource[Any], request: AdmissionRequest) -> AdmissionRequest:
        source = request.resource
        if source is target:
            return request
        pair = [
            await self._versions.convert(obj, source, target) if obj is not None else None
            for obj in (request.object, request.old)
        ]
        return replace(request, resource=target, object=pair[0], old=pair[1])

    async def _meets(self, hook: Hook, asked: AdmissionRequest, seen: AdmissionRequest) -> bool:
        names = {
            "object": seen.object,
            "oldObject": seen.old,
            "request": request_of(asked, seen),
            "namespaceObject": None,
            **authority_of(self._authorizer, asked),
        }
        try:
            if hook.loops:
                met = await asyncio.to_thread(are_met, hook.expressions, names, hook.fails_open)
            else:
                met = are_met(hook.expressions, names, hook.fails_open)
        except Failed as error:
            metrics.condition_failed(hook.name, self._kind, asked.operation)
            raise refuse(asked, str(error)) from error
        if not met:
            metrics.excluded(hook.name, self._kind, asked.operation)
        return met

    async def ask(
        self, hook: Hook, asked: AdmissionRequest, seen: AdmissionRequest, turn: int = 0
    ) -> Verdict | None:
        """Return the verdict of a webhook that consents, None if it is passed over. Raises what is to be
        told.

        `seen` is the request in its version; `turn` is 1 when it is asked for the second time.
        """
        if asked.dry_run and not hook.takes_dry_runs:
            error = BadRequest(f'admission webhook "{hook.name}" does not support dry run')
            metrics.reject(hook.name, self._kind, asked.operation, metrics.INTERNAL, 0)
            raise error
        started = clock.monotonic()
        try:
            verdict = await self._answer(hook, asked, seen)
        except (WebhookError, BadAnswer) as error:
            seconds = clock.monotonic() - started
            self._failed(hook, asked, f'failed calling webhook "{hook.name}": {error}', seconds, turn)
            return None
        self._note(hook, asked, verdict)
        seconds = clock.monotonic() - started
        if not verdict.allowed:
            raise self._denied(hook, asked, verdict, seconds)
        metrics.observe(hook.name, self._kind, asked.operation, 200, seconds, rejected=False)
        return verdict

    async def _answer(self, hook: Hook, asked: AdmissionRequest, seen: AdmissionRequest) -> Verdict:
        if not hook.review:
            raise BadAnswer(
                "could not create admission objects: webhook does not accept known AdmissionReview versions "
                "(v1, v1beta1)"
            )
        uid = rand.uid()
        review = review_of(asked, seen, uid, hook.review)
        try:
            answer = await self._client.call(hook.client, review, _time_for(hook, asked))
        except WebhookError as error:
            raise WebhookError(f"failed to call webhook: {error}") from error
        return verdict_of(answer, uid, hook.review, self._kind == MUTATING)

    def _failed(self, hook: Hook, asked: AdmissionRequest, why: str, seconds: float, turn: int) -> None:
        closed = not hook.fails_open
        metrics.observe(hook.name, self._kind, asked.operation, 503, seconds, rejected=closed)
        if closed:
            _log.warning("webhook failed, request refused", webhook=hook.name, error=why)
            metrics.reject(hook.name, self._kind, asked.operation, metrics.CALLING, 503)
            raise InternalError(f"Internal error occurred: {why}", {"causes": [{"message": why}]})
        _log.warning("webhook failed, passed over", webhook=hook.name, error=why)
        metrics.fail_open(hook.name, self._kind)
        if asked.request is not None:
            key = f"{_FAILED_OPEN[self._kind]}round_{turn}_index_{hook.index}"
            asked.request.audit[key] = hook.name

    def _denied(self, hook: Hook, asked: AdmissionRequest, verdict: Verdict, seconds: float) -> StatusError:
        error = denial(hook.name, verdict.status)
        metrics.observe(hook.name, self._kind, asked.operation, error.code, seconds, rejected=True)
        metrics.reject(hook.name, self._kind, asked.operation, metrics.NO_ERROR, error.code)
        return error

    def _note(self, hook: Hook, asked: AdmissionRequest, verdict: Verdict) -> None:
        request = asked.request
        if request is None:
            return
        request.audit.update(annotations_of(hook.name, verdict))
        for text in verdict.warnings:
            request.warn(text)


def _time_for(hook: Hook, asked: AdmissionRequest) -> float:
    """Return how long a webhook may take: its own limit, and what is left of the request's time."""
    if asked.request is None:
        return hook.timeout_s
    left = asked.request.deadline - clock.monotonic() - _MARGIN_S
    if left <= 0:
        raise Timeout("Timeout: request did not complete within requested timeout", {"retryAfterSeconds": 0})
    return min(hook.timeout_s, left)
