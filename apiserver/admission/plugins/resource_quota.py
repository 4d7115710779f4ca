"""No namespace uses more than its quotas allow: usage is added to the quota's status before the object is
stored.

A create that would exceed any matching quota is refused. The check and the addition are one conditional
write of the quota's status, so two creates at once cannot both take the last place. The quota controller
gives back what is deleted. Source: k8s.io/apiserver/pkg/admission/plugin/resourcequota (1.36).
"""

from api.errors import NotFound
from api.quantity import Quantity, format_quantity, parse_quantity
from api.quota import Usage, counted_by, matches, missing_amounts, usage_of
from api.resource import Obj
from api.types import events_v1
from api.types.core_v1 import EVENTS, PERSISTENTVOLUMECLAIMS, PODS, RESOURCEQUOTAS, SERVICES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.registry import Registry

# Kinds that no quota counts.
_IGNORED = (EVENTS, events_v1.EVENTS)
# What of existing objects can come to use more: (resource, subresource).
_UPDATED = (
    (PODS, "resize"),
    (SERVICES, ""),
    (PERSISTENTVOLUMECLAIMS, ""),
    (PERSISTENTVOLUMECLAIMS, "status"),
)


class ResourceQuota:
    name = "ResourceQuota"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._revision = -1
        self._namespaces: frozenset[str] = frozenset()

    def handles(self, request: AdmissionRequest) -> bool:
        if not request.resource.namespaced or request.resource in _IGNORED:
            return False
        if request.operation == "UPDATE":
            return (request.resource, request.subresource) in _UPDATED
        return request.operation == "CREATE" and not request.subresource

    async def validate(self, request: AdmissionRequest) -> None:
        if request.namespace not in self._with_quotas():
            return
        obj = request.object or {}
        delta = _delta(request)
        for quota in self._registry.cached_list(RESOURCEQUOTAS, request.namespace):
            if matches(quota, request.resource, obj):
                await self._take(request, quota, delta)

    def _with_quotas(self) -> frozenset[str]:
        revision = self._registry.cached_revision(RESOURCEQUOTAS)
        if revision != self._revision:
            quotas = self._registry.cached_list(RESOURCEQUOTAS)
            self._namespaces = frozenset(quota["metadata"]["namespace"] for quota in quotas)
            self._revision = revision
        return self._namespaces

    async def _take(self, request: AdmissionRequest, quota: Obj, delta: Usage) -> None:
        name = quota["metadata"]["name"]
        names = _names_that_count(quota, request)
        if request.resource is PODS:
            missing = missing_amounts(names, request.object or {})
            if missing:
                raise refuse(request, f"failed quota: {name}: must specify {'; '.join(missing)}")
        used = (quota.get("status") or {}).get("used") or {}
        if any(each not in used for each in names):
            raise refuse(request, f"status unknown for quota: {name}, resources: {','.join(names)}")
        wanted = {key: delta[key] for key in names if delta.get(key, 0) > 0}
        if not wanted:
            return
        if request.dry_run:
            taken(request, quota, wanted)
            return
        try:
            await self._registry.update(
                RESOURCEQUOTAS,
                request.namespace,
                name,
                lambda found: taken(request, found, wanted),
                subresource="status",
            )
        except NotFound:
            # Deleted meanwhile: no limit any more.
            return


def _names_that_count(quota: Obj, request: AdmissionRequest) -> list[str]:
    """Return the limits that objects of the request's resource use up."""
    hard = (quota.get("status") or {}).get("hard") or {}
    kind = request.resource.group_resource
    return sorted(name for name in hard if counted_by(name) == kind)


def _delta(request: AdmissionRequest) -> Usage:
    new = usage_of(request.resource, request.object or {})
    if request.old is None:
        return new
    old = usage_of(request.resource, request.old)
    return {key: new.get(key, 0) - old.get(key, 0) for key in new.keys() | old.keys()}


def taken(request: AdmissionRequest, quota: Obj, wanted: Usage) -> Obj:
    """Return the quota with the wanted amounts added to what is used. Raises `Forbidden` if that is too
    much."""
    status = quota.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    exceeded = [
        key
        for key, amount in wanted.items()
        if amount > 0 and key in hard and _nano(used.get(key, 0)) + amount > _nano(hard[key])
    ]
    if exceeded:
        raise refuse(request, _exceeded(quota, wanted, used, hard, sorted(exceeded)))
    added = {
        key: format_quantity(Quantity(_nano(used.get(key, 0)) + amount, parse_quantity(hard[key]).form))
        for key, amount in wanted.items()
        if key in hard
    }
    return {**quota, "status": {**status, "used": {**used, **added}}}


def _exceeded(quota: Obj, wanted: Usage, used: Obj, hard: Obj, keys: list[str]) -> str:
    requested = ",".join(
        f"{key}={format_quantity(Quantity(wanted[key], parse_quantity(hard[key]).form))}" for key in keys
    )
    before = ",".join(f"{key}={used.get(key, 0)}" for key in keys)
    limited = ",".join(f"{key}={hard[key]}" for key in keys)
    name = quota["metadata"]["name"]
    return f"exceeded quota: {name}, requested: {requested}, used: {before}, limited: {limited}"


def _nano(amount: object) -> int:
    return parse_quantity(amount if isinstance(amount, str | int | float) else str(amount)).nano
