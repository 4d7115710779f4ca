"""A pod's priority is its priority class's value; classes of the system and the default class are guarded.

Source: plugin/pkg/admission/priority (1.36).
"""

from collections.abc import Iterable

from api.resource import Obj
from api.types.core_v1 import PODS
from api.types.scheduling_v1 import PRIORITYCLASSES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.registry import Registry

DEFAULT_PREEMPTION = "PreemptLowerPriority"
# Known even before the objects exist.
SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class Priority:
    name = "Priority"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._revision = -1
        self._default: Obj | None = None

    def handles(self, request: AdmissionRequest) -> bool:
        if request.subresource or request.operation not in ("CREATE", "UPDATE"):
            return False
        return request.resource is PODS or request.resource is PRIORITYCLASSES

    async def mutate(self, request: AdmissionRequest) -> Obj:
        pod = request.object or {}
        if request.resource is not PODS:
            return pod
        if request.operation == "UPDATE":
            return _kept(pod, request.old or {})
        name = pod["spec"].get("priorityClassName") or ""
        found = self._class(name) if name else self.default()
        if name and found is None:
            raise refuse(request, f"no PriorityClass with name {name} was found")
        return with_priority(request, pod, found)

    async def validate(self, request: AdmissionRequest) -> None:
        """Let there be one default class at most."""
        if request.resource is not PRIORITYCLASSES or not (request.object or {}).get("globalDefault"):
            return
        default = self.default()
        name = (request.object or {})["metadata"].get("name")
        if default is not None and default["metadata"]["name"] != name:
            other = default["metadata"]["name"]
            raise refuse(
                request,
                f"PriorityClass {other} is already marked as default. Only one default can exist",
            )

    def default(self) -> Obj | None:
        """Return the class of pods that name none: of several (a race), the lowest."""
        revision = self._registry.cached_revision(PRIORITYCLASSES)
        if revision != self._revision:
            self._default = lowest_default(self._registry.cached_list(PRIORITYCLASSES))
            self._revision = revision
        return self._default

    def _class(self, name: str) -> Obj | None:
        found = self._registry.cached(PRIORITYCLASSES, "", name)
        if found is None and name in SYSTEM:
            return {"metadata": {"name": name}, "value": SYSTEM[name]}
        return found


def lowest_default(classes: Iterable[Obj]) -> Obj | None:
    defaults = [item for item in classes if item.get("globalDefault")]
    return min(defaults, key=lambda item: (item["value"], item["metadata"]["name"]), default=None)


def with_priority(request: AdmissionRequest, pod: Obj, found: Obj | None) -> Obj:
    """Return the pod with the priority, class name and preemption policy of its class."""
    spec = pod["spec"]
    value = found["value"] if found else 0
    policy = (found or {}).get("preemptionPolicy") or DEFAULT_PREEMPTION
    if spec.get("priority") not in (None, value):
        raise refuse(
            request,
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
            f"priority admission controller computed {value} from the given PriorityClass name",
        )
    if spec.get("preemptionPolicy") not in (None, policy):
        raise refuse(
            request,
            f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in "
            f"pod spec; priority admission controller computed {policy} from the given PriorityClass name",
        )
    spec = {**spec, "priority": value, "preemptionPolicy": policy}
    if found is not None:
        spec["priorityClassName"] = found["metadata"]["name"]
    return {**pod, "spec": spec}


def _kept(pod: Obj, old: Obj) -> Obj:
    """Return the pod with the old priority where an update leaves it out."""
    before = old.get("spec") or {}
    names = ("priority", "preemptionPolicy")
    missing = {
        key: before[key] for key in names if pod["spec"].get(key) is None and before.get(key) is not None
    }
    return {**pod, "spec": {**pod["spec"], **missing}} if missing else pod
