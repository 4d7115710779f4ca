"""Webhooks that may only refuse: all asked at once about the final object, all heard, the first refusal told.

Source: k8s.io/apiserver/pkg/admission/plugin/webhook/validating (1.36).
"""

import asyncio

from api.errors import StatusError
from api.types.admissionregistration_v1 import VALIDATINGWEBHOOKCONFIGURATIONS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.webhooks.dispatch import VALIDATING, Dispatcher, Parts
from apiserver.webhooks.hooks import Hook
from apiserver.webhooks.table import HookTable


class ValidatingWebhook:
    name = "ValidatingAdmissionWebhook"
    of_users = True

    def __init__(self, parts: Parts) -> None:
        self._table = HookTable(parts.registry, VALIDATINGWEBHOOKCONFIGURATIONS, parts.versions)
        self._dispatcher = Dispatcher(VALIDATING, parts)

    def handles(self, request: AdmissionRequest) -> bool:
        return bool(self._table.look(request))

    def forget(self) -> None:
        self._table.forget()

    async def validate(self, request: AdmissionRequest) -> None:
        wanted: list[tuple[Hook, AdmissionRequest]] = []
        for match in self._table.relevant(request):
            seen = await self._dispatcher.wanted(match, request)
            if seen is not None:
                wanted.append((match.hook, seen))
        refusals: list[StatusError] = []

        async def hear(hook: Hook, seen: AdmissionRequest) -> None:
            try:
                await self._dispatcher.ask(hook, request, seen)
            except StatusError as error:
                refusals.append(error)

        if len(wanted) == 1:
            await hear(*wanted[0])
        elif wanted:
            async with asyncio.TaskGroup() as group:
                for hook, seen in wanted:
                    group.create_task(hear(hook, seen))
        if refusals:
            raise refusals[0]
