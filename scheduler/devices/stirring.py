"""Which changes of claims, classes and slices may help pods that got no devices. Pure; called through the
hints of the plugin.

Source: pkg/scheduler/framework/plugins/dynamicresources isSchedulableAfterClaimChange (1.36).
"""

from typing import Any

from api.dra.claims import allocation_of
from api.types.core_v1 import Pod


def claim_helps(pod: Pod, old: Any, new: Any) -> bool:
    """Look closer at a claim: its devices are free again, or it is the pod's and says something new."""
    if old is not None and allocation_of(old) is not None and (new is None or allocation_of(new) is None):
        return True
    if new is None:
        return bool(pod["metadata"]["uid"] in _owners(old))
    metadata = new["metadata"]
    if metadata["namespace"] != pod["metadata"]["namespace"] or not _uses(pod, metadata["name"]):
        return False
    return old is None or old.get("status") != new.get("status")


def _owners(claim: Any) -> list[str]:
    return [each.get("uid", "") for each in claim["metadata"].get("ownerReferences") or ()]


def _uses(pod: Pod, name: str) -> bool:
    statuses = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
    entries: list[Any] = [*(pod["spec"].get("resourceClaims") or ()), *statuses]
    return any(each.get("resourceClaimName") == name for each in entries)


def is_there(pod: Pod, old: Any, new: Any) -> bool:
    return new is not None
