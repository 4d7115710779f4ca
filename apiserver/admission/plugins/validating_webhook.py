"""Webhooks that may only refuse: all asked at once about the final object, all heard, the first refusal told.

Source: k8s.io/apiserver/pkg/admission/plugin/webhook/validating (1.36).
"""

import asyncio

from api.errors import StatusError
from api.types.admissionregistration_v1 import VALIDATINGWEBHOOKCONFIGURATIONS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.registry import Registry
from apiserver.rest.versions import Versions
from apiserver.webhooks.client import WebhookClient
from apiserver.webhooks.dispatch import VALIDATING, Dispatcher
from apiserver.webhooks.table import HookTable, Match


class ValidatingWebhook:
    name = "ValidatingAdmissionWebhook"
    of_users = True

    def __init__(self, registry: Registry, versions: Versions, client: WebhookClient) -> None:
        self._table = HookTable(registry, VALIDATINGWEBHOOKCONFIGURATIONS, versions)
        self._dispatcher = Dispatcher(VALIDATING, registry, versions, client)

    def handles(self, request: AdmissionRequest) -> bool:
        return bool(self._table.look(request))

    async def validate(self, request: AdmissionRequest) -> None:
        wanted = [
            match
            for match in self._table.relevant(request)
            if await self._dispatcher.is_wanted(match, request)
        ]
        refusals: list[StatusError] = []

        async def hear(match: Match) -> None:
            try:
                seen = await self._dispatcher.seen(match, request)
                await self._dispatcher.ask(match.hook, request, seen)
            except StatusError as error:
                refusals.append(error)

        if len(wanted) == 1:
            await hear(wanted[0])
        elif wanted:
            async with asyncio.TaskGroup() as group:
                for match in wanted:
                    group.create_task(hear(match))
        if refusals:
            raise refusals[0]
