"""Webhooks that may change an object: asked one after the other, each on what the one before left.

    in the order of the configurations' names; after each change the object is made regular again (defaults)
    a change asks those with `reinvocationPolicy: IfNeeded` that were asked before it a second time, and all
    other mutators as well

Source: k8s.io/apiserver/pkg/admission/plugin/webhook/mutating (1.36).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from api.errors import InternalError, StatusError
from api.patch.json import apply_patch
from api.resource import Obj
from api.types.admissionregistration_v1 import MUTATINGWEBHOOKCONFIGURATIONS
from apiserver.admission.plugin import AdmissionRequest, Rounds
from apiserver.audit.event import PATCH_NOTE
from apiserver.webhooks.dispatch import MUTATING, Dispatcher, Parts
from apiserver.webhooks.hooks import Hook
from apiserver.webhooks.table import HookTable, Match
from kit.apart import apart

_ANNOTATION = "mutation.webhook.admission.k8s.io/"


@dataclass
class _Memory:
    """What one request's first round leaves for its second."""

    # The object when this plugin was through; another one at the second round was changed by others.
    output: Obj | None = None
    # Webhooks asked so far that want to be asked again when others change something ...
    asked: set[str] = field(default_factory=set)
    # ... and those to whom that has happened.
    due: set[str] = field(default_factory=set)

    def changed(self) -> None:
        self.due |= self.asked
        self.asked = set()


class MutatingWebhook:
    name = "MutatingAdmissionWebhook"
    in_rounds = True
    of_users = True

    def __init__(self, parts: Parts) -> None:
        self._table = HookTable(parts.registry, MUTATINGWEBHOOKCONFIGURATIONS, parts.versions)
        self._dispatcher = Dispatcher(MUTATING, parts)
        self._versions = parts.versions

    def handles(self, request: AdmissionRequest) -> bool:
        return bool(self._table.look(request))

    def forget(self) -> None:
        self._table.forget()

    async def mutate(self, request: AdmissionRequest) -> Obj:
        rounds = request.rounds or Rounds()
        memory: _Memory = rounds.notes.setdefault(self.name, _Memory())
        if rounds.second and request.object != memory.output:
            memory.changed()
        for match in self._table.relevant(request):
            if rounds.second and match.hook.uid not in memory.due:
                continue
            seen = await self._dispatcher.wanted(match, request)
            if seen is None:
                continue
            obj = await self._after(match, request, seen, int(rounds.second))
            if obj is not request.object and obj is not None:
                request = request.with_object(obj)
                memory.changed()
                rounds.again = True
            if match.hook.reinvoked:
                memory.asked.add(match.hook.uid)
        memory.output = request.object
        return request.object or {}

    async def _after(
        self, match: Match, request: AdmissionRequest, seen: AdmissionRequest, turn: int
    ) -> Obj | None:
        """Return the object as a webhook leaves it; the same one if it changes nothing."""
        hook = match.hook
        verdict = await self._dispatcher.ask(hook, request, seen, turn)
        made = seen.object
        if verdict is not None and verdict.patch:
            weight = request.request.weight if request.request is not None else 0
            made = await apart(weight, self._patched, match, seen.object, list(verdict.patch))
        changed = made != seen.object
        _annotate(hook, request, turn, changed, verdict.patch if verdict is not None else ())
        if not changed or made is None:
            return request.object
        return await self._versions.convert(made, match.resource, request.resource)

    def _patched(self, match: Match, obj: Obj | None, operations: list[Any]) -> Obj:
        if obj is None:
            what = "attempted to modify the object, which is not supported for this operation"
            raise _internal(f'admission webhook "{match.hook.name}" {what}')
        try:
            made = apply_patch(obj, operations)
        except StatusError as error:
            causes = error.details.get("causes") or [{"message": error.message}]
            raise _internal(causes[0]["message"]) from error
        return self._versions.regular(match.resource, made)


def _internal(why: str) -> InternalError:
    return InternalError(f"Internal error occurred: {why}", {"causes": [{"message": why}]})


def _annotate(hook: Hook, request: AdmissionRequest, turn: int, changed: bool, patch: Sequence[Any]) -> None:
    """Note for the audit log whether a webhook changed the object, and how."""
    if request.request is None:
        return
    notes, which = request.request.audit, {"configuration": hook.configuration, "webhook": hook.name}
    place = f"round_{turn}_index_{hook.index}"
    notes[f"{_ANNOTATION}{place}"] = orjson.dumps({**which, "mutated": changed}).decode()
    if patch:
        said = {**which, "patch": patch, "patchType": "JSONPatch"}
        notes[f"{PATCH_NOTE}{place}"] = orjson.dumps(said).decode()
