"""Pods under REST: graceful deletion, QoS class at birth, resize and ephemeral containers.

Source: pkg/registry/core/pod/strategy.go (1.36).
"""

from datetime import datetime
from sys import intern

from api.core.pod_label_keys import with_label_keys
from api.core.pod_warnings import spec_warnings
from api.field import Path
from api.podspec import is_terminal, qos_class
from api.resource import Obj
from apiserver.rest.strategy import Deletion, Strategy, with_part

_SPEC = Path("spec")


class PodStrategy(Strategy):
    indexed_fields = ("spec.nodeName",)
    selectable = (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    )
    returns_deleted = True

    def fields(self, obj: Obj) -> dict[str, str]:
        metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
        return {
            "metadata.name": metadata.get("name", ""),
            "metadata.namespace": intern(metadata.get("namespace", "")),
            # Held as long as the pod, and the same for many.
            "spec.nodeName": intern(spec.get("nodeName") or ""),
            "spec.restartPolicy": intern(spec.get("restartPolicy") or ""),
            "spec.schedulerName": intern(spec.get("schedulerName") or ""),
            "spec.serviceAccountName": intern(spec.get("serviceAccountName") or ""),
            "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
            "status.phase": intern(status.get("phase") or ""),
            "status.podIP": status.get("podIP") or "",
            "status.nominatedNodeName": status.get("nominatedNodeName") or "",
        }

    def knows_field(self, path: str) -> bool:
        return path == "spec.hostNetwork" or super().knows_field(path)

    def prepare_for_create(self, obj: Obj) -> Obj:
        status: Obj = {"phase": "Pending", "qosClass": qos_class(obj)}
        if (obj.get("spec") or {}).get("schedulingGates"):
            status["conditions"] = [_gated()]
        return with_label_keys({**obj, "status": status})

    def warnings(self, obj: Obj) -> list[str]:
        return spec_warnings(obj["spec"], _SPEC)

    def prepare_for_status(self, new: Obj, old: Obj) -> Obj:
        result = super().prepare_for_status(new, old)
        status = result.get("status") or {}
        if fixed := _with_both_addresses(status):
            status = {**status, **fixed}
            result = {**result, "status": status}
        if not status.get("qosClass"):
            before = (old.get("status") or {}).get("qosClass") or qos_class(old)
            result = {**result, "status": {**status, "qosClass": before}}
        return result

    def prepare_for_other(self, subresource: str, new: Obj, old: Obj) -> Obj:
        new = with_part(new, "status", old)
        if subresource == "ephemeralcontainers":
            # Nothing else of the pod may change on this way.
            spec = with_part(old["spec"], "ephemeralContainers", new["spec"])
            return {**old, "metadata": {**old["metadata"]}, "spec": spec}
        if subresource == "resize":
            return {**old, "metadata": {**old["metadata"]}, "spec": _resized(new["spec"], old["spec"])}
        return new

    def grace_s(self, obj: Obj, deletion: Deletion, now: datetime) -> int | None:
        spec = obj.get("spec") or {}
        grace = deletion.grace_s
        if grace is None:
            grace = spec.get("terminationGracePeriodSeconds")
        if not spec.get("nodeName") or is_terminal(obj) or grace is None:
            return 0
        return 1 if grace < 0 else int(grace)


def _with_both_addresses(status: Obj) -> Obj:
    """Return what the old and the new field for addresses lack of each other; the old one is believed.

    Spec: pkg/apis/core/v1/conversion.go Convert_v1_PodStatus_To_core_PodStatus (1.36).
    """
    new: Obj = {}
    one, many = status.get("podIP"), status.get("podIPs")
    if one and (not many or many[0].get("ip") != one):
        new["podIPs"] = [{"ip": one}]
    elif many and not one:
        new["podIP"] = many[0].get("ip", "")
    return new


def _gated() -> Obj:
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
    }


def _resized(new: Obj, old: Obj) -> Obj:
    """Return the old spec with the resources and resize policies of the new one, container by container."""
    result = dict(old)
    for part in ("containers", "initContainers"):
        if len(new.get(part) or ()) != len(old.get(part) or ()):
            return new
        if old.get(part):
            result[part] = [
                with_part(with_part(before, "resources", after), "resizePolicy", after)
                if after.get("name") == before.get("name")
                else after
                for after, before in zip(new[part], old[part], strict=True)
            ]
    return with_part(result, "resources", new)
