"""Pods as the API server would let them in: what classes and limits of the cluster add to them. Pure.

Webhooks, policies and quotas are not asked.
"""

from typing import Any

from api.core.pod_label_keys import with_label_keys
from api.kinds import kind_of
from api.resource import Key, Obj
from api.types.core_v1 import LIMITRANGES, PODS, Pod
from api.types.node_v1 import RUNTIMECLASSES
from api.types.scheduling_v1 import PRIORITYCLASSES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.plugins.limit_ranger import pod_faults, with_defaults
from apiserver.admission.plugins.priority import SYSTEM, lowest_default, with_priority
from apiserver.admission.plugins.runtime_class import with_class
from apiserver.admission.refusal import refuse
from apiserver.http.message import APISERVER
from cli.whatif.live import Live


def admit(pod: Obj, namespace: str, live: Live) -> Pod:
    """Return a new pod of a namespace as it would be stored. Raises `Forbidden`."""
    pod = {**pod, "metadata": {**pod["metadata"], "namespace": namespace}}
    pod = kind_of(PODS).defaults(pod)
    request = AdmissionRequest("CREATE", PODS, namespace, "", APISERVER, pod)
    ranges = [each for each in live.all(LIMITRANGES) if each["metadata"]["namespace"] == namespace]
    for limit_range in ranges:
        pod = with_defaults(pod, limit_range)
    pod = with_priority(request, pod, _priority(request, pod, live))
    if name := pod["spec"].get("runtimeClassName"):
        pod = with_class(request, pod, _existing(request, live.get(RUNTIMECLASSES, Key("", name)), name))
    for limit_range in ranges:
        if faults := pod_faults(pod, limit_range["spec"].get("limits") or ()):
            raise refuse(request, "; ".join(faults))
    made: Any = with_label_keys({**pod, "status": {"phase": "Pending"}})
    return made  # type: ignore[no-any-return]


def _priority(request: AdmissionRequest, pod: Obj, live: Live) -> Obj | None:
    name = pod["spec"].get("priorityClassName")
    if not name:
        return lowest_default(live.all(PRIORITYCLASSES))
    found = live.get(PRIORITYCLASSES, Key("", name))
    if found is None and name in SYSTEM:
        return {"metadata": {"name": name}, "value": SYSTEM[name]}
    if found is None:
        raise refuse(request, f"no PriorityClass with name {name} was found")
    return dict(found)


def _existing(request: AdmissionRequest, found: Any, name: str) -> Obj:
    if found is None:
        raise refuse(request, f'pod rejected: RuntimeClass "{name}" not found')
    return dict(found)
