"""Keeps the status of validating policies: the generation that was looked at, and what type checking found.

    a policy whose generation is not the observed one -> checked, status written

Every API server does this; what one has written the others leave. Run by `app.py`.
Source: pkg/controller/validatingadmissionpolicystatus (1.36).
"""

import asyncio
from typing import Any

from api.admissionregistration.typecheck import MOST_KINDS, Kind, named_resources, warnings
from api.cel.schema_types import type_of_definition, type_of_schema
from api.cel.types import Type
from api.errors import NotFound, StatusError
from api.resource import Obj, Resource
from api.schemas import schema_name
from api.types.admissionregistration_v1 import VALIDATINGADMISSIONPOLICIES
from apiserver.customresources.resource import CustomResource
from apiserver.registry import Registry
from apiserver.rest.versions import Versions
from kit import clock, log

_log = log.get("apiserver.policies")

# How long after a failure to write it is tried again.
RETRY_S = 5.0


class PolicyStatus:
    """One task; `notice` wakes it."""

    def __init__(self, registry: Registry, versions: Versions) -> None:
        self._registry = registry
        self._versions = versions
        self._woken = asyncio.Event()
        self._woken.set()

    def notice(self, key: Any, entry: Any) -> None:
        """Take notice of a change of some policy: a listener of the watch cache."""
        if entry is not None:
            self._woken.set()

    async def run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            for policy in self._registry.cached_list(VALIDATINGADMISSIONPOLICIES):
                if is_due(policy):
                    await self._check(policy)

    async def _check(self, policy: Obj) -> None:
        found = []
        for warning in warnings(policy, self._kinds(policy), self._params(policy)):
            if warning is not None:
                found.append(warning)
            await clock.sleep(0)
        generation = policy["metadata"].get("generation", 0)

        def changed(present: Obj) -> Obj:
            if present["metadata"].get("generation", 0) != generation or not is_due(present):
                return present
            return with_status(present, found)

        name = policy["metadata"]["name"]
        try:
            await self._registry.update(VALIDATINGADMISSIONPOLICIES, "", name, changed, "status")
        except NotFound:
            return
        except StatusError as error:
            _log.warning("status of a policy not written", policy=name, error=str(error))
            await clock.sleep(RETRY_S)
            self._woken.set()

    def _kinds(self, policy: Obj) -> list[Kind]:
        found = []
        for group, version, plural in named_resources(policy):
            resource = self._versions.find(group, version, plural)
            if resource is not None and (made := type_of(resource)) is not None:
                found.append(Kind(group, version, resource.kind, made))
            if len(found) == MOST_KINDS:
                break
        return found

    def _params(self, policy: Obj) -> Type | None:
        kind = policy["spec"].get("paramKind")
        if not kind:
            return None
        resource = self._versions.by_kind(kind.get("apiVersion") or "", kind.get("kind") or "")
        return type_of(resource) if resource is not None else None


def type_of(resource: Resource[Any]) -> Type | None:
    """Return the type of a resource's objects; None if they have no schema."""
    if isinstance(resource, CustomResource):
        schema = (resource.spec.get("schema") or {}).get("openAPIV3Schema")
        return type_of_schema(schema, root=True) if schema else None
    name = schema_name(resource)
    return type_of_definition(name) if name else None


def is_due(policy: Obj) -> bool:
    """Tell whether a policy has changed since its status was written."""
    observed = (policy.get("status") or {}).get("observedGeneration", 0)
    return bool(observed != policy["metadata"].get("generation", 0))


def with_status(policy: Obj, found: list[Obj]) -> Obj:
    """Return the policy with what type checking found; an empty finding says that it was checked."""
    checking = {"expressionWarnings": found} if found else {}
    generation = policy["metadata"].get("generation", 0)
    status = {**(policy.get("status") or {}), "observedGeneration": generation, "typeChecking": checking}
    return {**policy, "status": status}
