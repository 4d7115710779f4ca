"""POST pods/NAME/eviction: deletes a pod unless a disruption budget forbids it.

    decide(pod, budgets) -> Free | Allowed(budget with one disruption less) | an API error
    then: budget status written, DisruptionTarget condition set, pod deleted

Source: pkg/registry/core/pod/storage/eviction.go (1.36).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from api.conditions import set_condition
from api.errors import BadRequest, Forbidden, InternalError, MethodNotAllowed, TooManyRequests
from api.labels import from_label_selector
from api.podspec import is_pod_ready
from api.resource import Key, Obj
from api.times import format_time
from api.types.core_v1 import PODS
from api.types.policy_v1 import PODDISRUPTIONBUDGETS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.http.message import Answer, Request
from apiserver.rest import render
from apiserver.rest.delete import delete
from apiserver.rest.get import fetch
from apiserver.rest.hub import Collection, Hub, Operation
from apiserver.rest.options import deletion_from, operation_of
from apiserver.rest.reading import read
from apiserver.rest.strategy import Deletion
from apiserver.rest.update import rewrite
from apiserver.watchcache.layout import decode

# Beyond this many pods on their way out the budget's controller has to catch up first.
MOST_DISRUPTED = 2000
# Pods that were never up or are through need no budget.
_UNGUARDED_PHASES = ("Pending", "Succeeded", "Failed")
_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


@dataclass(frozen=True)
class Decision:
    """`budget`: name of the budget that pays for the eviction, "" if none is needed."""

    budget: str = ""


async def handle(hub: Hub, collection: Collection, request: Request) -> Answer:
    """Answer POST pods/NAME/eviction."""
    if request.info.verb != "create":
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    form, info = render.form_of(request), request.info
    eviction = await read(request, collection.resource, "Eviction", "policy/v1")
    if (eviction.get("metadata") or {}).get("name", info.name) != info.name:
        raise BadRequest("name in URL does not match name in Eviction object")
    operation = operation_of(request)
    deletion, _ = deletion_from(eviction.get("deleteOptions") or {})
    key = Key(info.namespace, info.name)
    admission = AdmissionRequest(
        "CREATE", PODS, info.namespace, info.name, operation.user, eviction, None, "eviction",
        operation.options, operation.dry_run or deletion.dry_run, request,
    )  # fmt: skip
    admitted = await hub.admission.mutate(admission)
    await hub.admission.validate(admission.with_object(admitted))
    await evict(hub, key, deletion, operation)
    return render.response(form, _SUCCESS, 201)


async def evict(hub: Hub, key: Key, deletion: Deletion, operation: Operation) -> None:
    """Delete a pod with its budget's consent. Raises `TooManyRequests` when that is not given."""
    pods = hub.of(PODS)
    pod = decode((await fetch(hub, pods, key)).data)
    dry_run = operation.dry_run or deletion.dry_run
    budgets = hub.of(PODDISRUPTIONBUDGETS)
    entries = budgets.cache.scan(key.namespace)
    decision = decide(pod, [budgets.cache.decoded(entry) for entry in entries])
    if decision.budget and not dry_run:
        now = hub.now()
        await rewrite(
            hub,
            budgets,
            Key(key.namespace, decision.budget),
            lambda budget: spent(budget, pod, now),
            Operation(operation.user),
        )
    if not dry_run and not pod["metadata"].get("deletionTimestamp"):
        await rewrite(hub, pods, key, lambda found: targeted(found, hub.now()), Operation(operation.user))
    await delete(hub, pods, key, replace(deletion, dry_run=dry_run), operation)


def decide(pod: Obj, budgets: Iterable[Obj]) -> Decision:
    """Say which budget the eviction is charged to. Raises `TooManyRequests`, `InternalError`, `Forbidden`."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") in _UNGUARDED_PHASES:
        return Decision()
    labels = pod["metadata"].get("labels") or {}
    guarding = [
        budget
        for budget in budgets
        if from_label_selector((budget.get("spec") or {}).get("selector")).matches(labels)
    ]
    if len(guarding) > 1:
        raise InternalError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    if not guarding:
        return Decision()
    budget = guarding[0]
    if not is_pod_ready(pod) and _unready_goes(budget):
        return Decision()
    check(budget)
    return Decision(budget["metadata"]["name"])


def _unready_goes(budget: Obj) -> bool:
    """Say whether a pod that is not ready may go without being charged for."""
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy", 0)
    return bool(desired > 0 and status.get("currentHealthy", 0) >= desired)


def check(budget: Obj) -> None:
    """Raise the refusal of a budget that allows no disruption now."""
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _refused(f"The disruption budget {name} is still being processed by the server.", 10)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise Forbidden(
            f'poddisruptionbudget.policy "{name}" is forbidden: pdb disruptions allowed is negative'
        )
    if len(status.get("disruptedPods") or {}) > MOST_DISRUPTED:
        raise Forbidden(
            f'poddisruptionbudget.policy "{name}" is forbidden: DisruptedPods map too big - too many '
            "evictions not confirmed by PDB controller"
        )
    if allowed == 0:
        raise _refused(_why_not(name, status), 0)


def _why_not(name: str, status: Obj) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionAllowed" and condition.get("reason") == "SyncFailed":
            return (
                f"The disruption budget {name} does not allow evicting pods currently because it failed "
                f"sync: "
                f"{condition.get('message', '')}"
            )
    return (
        f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy pods and has "
        f"{status.get('currentHealthy', 0)} currently"
    )


def _refused(why: str, retry_after_s: int) -> TooManyRequests:
    details: Obj = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_after_s:
        details["retryAfterSeconds"] = retry_after_s
    return TooManyRequests(_REFUSED, details)


def spent(budget: Obj, pod: Obj, now: datetime) -> Obj:
    """Return the budget with one disruption less and the pod noted. Raises as `check`."""
    check(budget)
    status = dict(budget["status"])
    status["disruptionsAllowed"] -= 1
    disrupted = status.get("disruptedPods") or {}
    status["disruptedPods"] = {**disrupted, pod["metadata"]["name"]: format_time(now)}
    if status["disruptionsAllowed"] == 0:
        condition: Obj = {
            "type": "DisruptionAllowed",
            "status": "False",
            "reason": "InsufficientPods",
            "message": "",
            "observedGeneration": status.get("observedGeneration", 0),
        }
        status["conditions"] = set_condition(status.get("conditions"), condition, now)
    return {**budget, "status": status}


def targeted(pod: Obj, now: datetime) -> Obj:
    """Return the pod with the condition that says why it goes."""
    status = pod.get("status") or {}
    condition: Obj = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    return {
        **pod,
        "status": {**status, "conditions": set_condition(status.get("conditions"), condition, now)},
    }
