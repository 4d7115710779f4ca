"""Brings the bootstrap objects into being at every start, and keeps the ones that must stay true.

    missing         created
    role, binding   extended by what is missing (if the annotation `autoupdate` is not "false"); extra
    rights stay authentication ConfigMap, `kubernetes` Service's port: brought up to date
    flow control    the spec is kept while the annotation `autoupdate-spec` is "true" or nobody wrote it;
                    such an object that is no longer suggested is deleted
    anything else   left as it is: it belongs to the administrator

Called by `app.py`: `ensure` before the server calls itself ready, then `maintain` for ever.
Source: pkg/registry/rbac/reconciliation, pkg/controlplane/controller (1.36).
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from api.errors import AlreadyExists, Invalid, NotFound, ServiceUnavailable, StatusError, Timeout
from api.flowcontrol import bootstrap as flow_bootstrap
from api.flowcontrol.bootstrap import AUTO_UPDATE as AUTO_UPDATE_SPEC
from api.resource import Obj
from api.types.apiregistration_v1 import APISERVICES
from api.types.core_v1 import CONFIGMAPS
from api.types.flowcontrol_v1 import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS
from api.types.rbac_v1 import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from apiserver.aggregation import registered
from apiserver.authz.rules import compile_rules, uncovered
from apiserver.bootstrap import objects
from apiserver.bootstrap.kubernetes_service import KubernetesService
from apiserver.bootstrap.objects import Settings, Wanted
from apiserver.bootstrap.rule import AUTO_UPDATE
from apiserver.registry import Registry
from kit import clock, log, tasks

_log = log.get("apiserver.bootstrap")

# Creates under way at once: enough to fill the store's batches.
_PARALLEL = 64
_INTERVAL_S = 10.0


class Bootstrap:
    """Creates and keeps the bootstrap objects of one cluster."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings
        self._service = KubernetesService(registry, settings)

    async def ensure(self) -> None:
        """Make every bootstrap object exist, waiting for the store if need be.

        Raises the API error of the first object that cannot be written.
        """
        await tasks.retry(self._ensure, on=(ServiceUnavailable, Timeout), name="bootstrap")

    async def _ensure(self) -> None:
        await self._all(objects.namespaces())
        await self._all([*objects.rbac(self._settings.features), *objects.rest(self._settings)])
        await self._drop_outdated()
        await self._drop_unserved()
        await self._service.reconcile()

    async def maintain(self) -> None:
        """Reconcile namespaces, flow control, the `kubernetes` Service again and again, until cancelled."""
        while True:
            await clock.sleep(_INTERVAL_S)
            try:
                await self._all(objects.namespaces())
                kept = [wanted for wanted in objects.rest(self._settings) if wanted.namespace]
                await self._all(
                    [*kept, *objects.flow_control(), *objects.api_services(self._settings.features)]
                )
                await self._drop_outdated()
                await self._service.reconcile()
            except StatusError as error:
                _log.warning("bootstrap objects not reconciled", error=error.message)

    async def stop(self) -> None:
        """Take this server's address off the `kubernetes` Service."""
        await self._service.withdraw()

    async def _all(self, wanted: Sequence[Wanted]) -> None:
        limit = asyncio.Semaphore(_PARALLEL)

        async def one(item: Wanted) -> None:
            async with limit:
                await self._one(item)

        await asyncio.gather(*(one(item) for item in wanted))

    async def _drop_outdated(self) -> None:
        """Delete what only another version of the server suggests."""
        wanted = {(item.resource, item.name) for item in objects.flow_control()}
        for resource in (FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS):
            for obj in list(self._registry.cached_list(resource)):
                name, notes = obj["metadata"]["name"], obj["metadata"].get("annotations") or {}
                if notes.get(AUTO_UPDATE_SPEC) == "true" and (resource, name) not in wanted:
                    with suppress(NotFound):
                        await self._registry.delete(resource, "", name, {})

    async def _drop_unserved(self) -> None:
        """Delete the APIServices of versions that were served before this server was started."""
        served = {item.name for item in objects.api_services(self._settings.features)}
        for obj in list(self._registry.cached_list(APISERVICES)):
            name = obj["metadata"]["name"]
            if registered.is_managed(obj, registered.ON_START) and name not in served:
                with suppress(NotFound):
                    await self._registry.delete(APISERVICES, "", name, {})

    async def _one(self, item: Wanted) -> None:
        existing = self._registry.cached(item.resource, item.namespace, item.name)
        if existing is None:
            try:
                await self._registry.create(item.resource, item.namespace, item.object)
                return
            except (AlreadyExists, Invalid) as error:
                # The cache lags, or another server was faster (and took the Service's address).
                existing = await self._found(item, error)
        if improved(item, existing) is not existing:
            await self._registry.update(
                item.resource, item.namespace, item.name, lambda found: improved(item, found)
            )

    async def _found(self, item: Wanted, refused: StatusError) -> Obj:
        try:
            return await self._registry.get(item.resource, item.namespace, item.name)
        except NotFound:
            raise refused from None


def improved(item: Wanted, found: Obj) -> Obj:
    """Return the stored object as it should be: itself if it is good."""
    if item.resource in (CLUSTERROLES, ROLES):
        return _with_rules(item.object, found)
    if item.resource in (CLUSTERROLEBINDINGS, ROLEBINDINGS):
        return _with_subjects(item.object, found)
    if item.resource in (FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS):
        return _with_spec(item.object, found)
    if item.resource is APISERVICES and found["spec"] != item.object["spec"]:
        # Whoever takes its label away has taken it over.
        return {**found, "spec": item.object["spec"]} if registered.is_managed(found, "onstart") else found
    if item.resource is CONFIGMAPS and item.object["data"].items() - (found.get("data") or {}).items():
        return {**found, "data": {**(found.get("data") or {}), **item.object["data"]}}
    return found


def _with_spec(wanted: Obj, found: Obj) -> Obj:
    """Return the object with the suggested spec, unless an administrator has taken it over."""
    metadata, name = found["metadata"], found["metadata"]["name"]
    annotations = metadata.get("annotations") or {}
    untouched = metadata.get("generation") == 1
    mandatory = name in flow_bootstrap.MANDATORY
    if not mandatory and annotations.get(AUTO_UPDATE_SPEC, str(untouched).lower()) != "true":
        return found
    spec = dict(wanted["spec"])
    if "exempt" in spec and "exempt" in found["spec"]:
        spec["exempt"] = found["spec"]["exempt"]
    if found["spec"] == spec and annotations.get(AUTO_UPDATE_SPEC) == "true":
        return found
    annotations = {**annotations, AUTO_UPDATE_SPEC: "true"}
    return {**found, "metadata": {**metadata, "annotations": annotations}, "spec": spec}


def _is_protected(found: Obj) -> bool:
    return (found["metadata"].get("annotations") or {}).get(AUTO_UPDATE) == "false"


def _with_rules(wanted: Obj, found: Obj) -> Obj:
    """Return the role with the wanted rules that it lacks; an aggregated role's rules are its
    controller's."""
    if _is_protected(found) or "aggregationRule" in found:
        return found
    owned = compile_rules(found.get("rules"))
    missing = [rule for rule in wanted["rules"] if uncovered(owned, compile_rules([rule]))]
    return {**found, "rules": [*(found.get("rules") or []), *missing]} if missing else found


def _with_subjects(wanted: Obj, found: Obj) -> Obj:
    if _is_protected(found):
        return found
    present = found.get("subjects") or []
    missing = [subject for subject in wanted.get("subjects") or () if subject not in present]
    return {**found, "subjects": [*present, *missing]} if missing else found
