"""From a request to the policies that are for it, with their bindings, parameters and variables.

    look         once per kind of request, until a policy, a binding or what is served changes
    invocations  per request: names, selectors, parameters

One per kind of policy. Called by the two policy plugins.
Source: k8s.io/apiserver/pkg/admission/plugin/policy/generic/policy_dispatcher.go (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from api.resource import Obj, Resource
from api.types.core_v1 import NAMESPACES
from apiserver.admission.authority import authority_of
from apiserver.admission.matching import in_selected_namespace, is_selected_object, namespace_object
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.policies.hooks import Bound, Hook, Match, Planned, hooks_of, planned
from apiserver.admission.policies.params import Misconfigured, params_of
from apiserver.authz.authorizer import Authorizer
from apiserver.registry import Registry
from apiserver.rest.versions import Versions
from apiserver.webhooks.review import request_of
from kit import clock
from kit.apart import apart

# What expressions see of a namespace. Spec: plugin/cel CreateNamespaceObject (1.36).
_SHOWN = (
    "name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "finalizers",
)  # fmt: skip
_Key = tuple[str, Resource[Any], str]
# Expressions may be dear: after so long the next policy waits until the event loop has been round.
_SLICE_S = 0.01
# A kilobyte of expressions takes as long as so many of other JSON.
_DEARNESS = 32


@dataclass(frozen=True)
class Invocation:
    """A policy to evaluate: under a binding, with a parameter, seeing the object as `seen` serves it."""

    hook: Hook
    bound: Bound
    param: Obj | None
    seen: Resource[Any]


@dataclass(frozen=True)
class Fault:
    """A policy, or its binding, that could not be carried out for a request."""

    hook: Hook
    bound: Bound | None
    message: str
    reason: str = ""


class Dispatcher:
    """The policies of one kind."""

    def __init__(
        self,
        registry: Registry,
        versions: Versions,
        authorizer: Authorizer,
        policies: Resource[Any],
        bindings: Resource[Any],
    ) -> None:
        self._registry = registry
        self._versions = versions
        self._authorizer = authorizer
        self._resources = (policies, bindings)
        self._revision: tuple[int, ...] = ()
        self._hooks: tuple[Hook, ...] = ()
        self._plans: dict[_Key, tuple[Planned, ...]] = {}

    def look(self, request: AdmissionRequest) -> tuple[Planned, ...]:
        """Return the policies that may be for requests like this one, by what is configured and served."""
        self._read()
        key = (request.operation, request.resource, request.subresource)
        found = self._plans[key] = planned(self._hooks, *key, self._versions.equivalents)
        return found

    def forget(self) -> None:
        """Drop what was planned: some of those resources may not be served any more."""
        self._plans = {}

    def _read(self) -> None:
        revision = tuple(self._registry.cached_revision(item) for item in self._resources)
        if revision != self._revision:
            policies, bindings = (self._registry.cached_list(item) for item in self._resources)
            self._hooks = self._kept(hooks_of(policies, bindings))
            self._plans, self._revision = {}, revision

    def _kept(self, hooks: tuple[Hook, ...]) -> tuple[Hook, ...]:
        """Return the hooks, those whose policy has not changed with the expressions they have compiled."""
        known = {hook.name: hook for hook in self._hooks}
        for hook in hooks:
            before = known.get(hook.name)
            if before is not None and before.spec == hook.spec:
                hook.compiled_as(before)
        return hooks

    async def invocations(self, request: AdmissionRequest) -> tuple[list[Invocation], list[Fault]]:
        """Return what is to be evaluated for a request, in order, and what is wrong. Raises `NotFound` if its
        namespace is gone."""
        found: list[Invocation] = []
        faults: list[Fault] = []
        key = (request.operation, request.resource, request.subresource)
        plans = self._plans.get(key)
        for item in self.look(request) if plans is None else plans:
            seen = item.plan.seen_as(request.name)
            if seen is None or not await self._is_selected(request, item.hook.match):
                continue
            for bound, plan in item.bindings:
                if plan.seen_as(request.name) is None or not await self._is_selected(request, bound.match):
                    continue
                try:
                    params = await self._params(request, item.hook, bound)
                except Misconfigured as error:
                    faults.append(Fault(item.hook, bound, f"failed to configure binding: {error}"))
                    continue
                found += [Invocation(item.hook, bound, param, seen) for param in params]
            if not item.hook.is_compiled:
                weight = len(orjson.dumps(item.hook.spec)) * _DEARNESS
                await apart(weight, getattr, item.hook, "compiled")
        return found, [fault for fault in faults if not fault.hook.fails_open]

    async def _is_selected(self, request: AdmissionRequest, match: Match) -> bool:
        if not is_selected_object(request, match.objects):
            return False
        return await in_selected_namespace(self._registry, request, match.namespaces)

    async def _params(self, request: AdmissionRequest, hook: Hook, bound: Bound) -> list[Obj | None]:
        namespace = "" if request.resource is NAMESPACES else request.namespace
        kind, ref = hook.spec.get("paramKind"), bound.spec.get("paramRef")
        return await params_of(self._registry, self._versions.by_kind, kind, ref, namespace)

    async def names(self, request: AdmissionRequest) -> "Names":
        """Return the variables of a request, for all its invocations."""
        inside = request.namespace and request.resource is not NAMESPACES
        namespace = await namespace_object(self._registry, request) if inside else None
        return Names(request, self._versions, shown(namespace), authority_of(self._authorizer, request))


class Names:
    """The variables of one request, as invocations see them. Between two of those others have their turn."""

    def __init__(
        self,
        request: AdmissionRequest,
        versions: Versions,
        namespace: Obj | None,
        authority: Mapping[str, Any],
    ) -> None:
        self._request = request
        self._versions = versions
        self._shared = {"namespaceObject": namespace, **authority}
        self._seen: dict[Resource[Any], dict[str, Any]] = {}
        self._since = clock.monotonic()

    async def of(self, invocation: Invocation) -> Mapping[str, Any]:
        """Return all variables but `variables`. Raises `InternalError` if the object cannot be converted."""
        if clock.monotonic() - self._since > _SLICE_S:
            await clock.sleep(0)
            self._since = clock.monotonic()
        made = self._seen.get(invocation.seen)
        if made is None:
            made = self._seen[invocation.seen] = await self._made(invocation.seen)
        return {**made, "params": invocation.param}

    async def _made(self, seen: Resource[Any]) -> dict[str, Any]:
        asked = self._request
        if seen is not asked.resource:
            convert = self._versions.convert
            new = await convert(asked.object, asked.resource, seen) if asked.object else None
            old = await convert(asked.old, asked.resource, seen) if asked.old else None
            viewed = request_of(replace(asked, resource=seen, object=new, old=old))
            own = request_of(asked)
            request = {**own, "kind": viewed["kind"], "resource": viewed["resource"]}
            return {"object": new, "oldObject": old, "request": request, **self._shared}
        return {"object": asked.object, "oldObject": asked.old, "request": request_of(asked), **self._shared}


def shown(namespace: Obj | None) -> Obj | None:
    """Return what expressions see of a namespace."""
    if namespace is None:
        return None
    metadata = {key: value for key, value in namespace["metadata"].items() if key in _SHOWN}
    return {**namespace, "metadata": metadata}
