"""ResourceSlices under REST: found by node and driver; taints get the time at which they were added.

Source: pkg/registry/resource/resourceslice/strategy.go, pkg/apis/resource/v1/defaults.go (1.36).
"""

from typing import Any

from api.defaulting import defaulting, each
from api.resource import Obj
from apiserver.rest.strategy import Strategy

# Behind feature gates that are off (DRAListTypeAttributes, DRANodeAllocatableResources).
_LIST_VALUES = frozenset(("bools", "ints", "strings", "versions"))
_MAPPINGS = "nodeAllocatableResourceMappings"


class ResourceSliceStrategy(Strategy):
    selectable = ("spec.nodeName", "spec.driver")
    indexed_fields = ("spec.nodeName",)

    def warnings(self, obj: Obj) -> list[str]:
        driver = (obj.get("spec") or {}).get("driver", "")
        if driver == driver.lower():
            return []
        text = f'spec.driver: driver names should be lowercase; "{driver}" contains uppercase characters'
        return [text]

    def update_warnings(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings(new)

    def prepare_for_create(self, obj: Obj) -> Obj:
        return without_gated(super().prepare_for_create(obj), {})

    def prepare_for_update(self, new: Obj, old: Obj) -> Obj:
        return without_gated(super().prepare_for_update(new, old), old)


def with_taint_times(obj: Obj, now: str) -> Obj:
    """Return the slice with `timeAdded` in all its taints."""
    taints = each(defaulting(absent={"timeAdded": now}))
    fill = defaulting(
        nested={"spec": defaulting(nested={"devices": each(defaulting(nested={"taints": taints}))})}
    )
    return fill(obj)


def without_gated(new: Obj, old: Obj) -> Obj:
    """Return the slice without fields of features that are off, unless it had them before."""
    devices = (new.get("spec") or {}).get("devices") or []
    before = (old.get("spec") or {}).get("devices") or []
    dropped = devices
    if not any(map(_has_lists, before)):
        dropped = [_without_lists(device) if _has_lists(device) else device for device in dropped]
    if not any(device.get(_MAPPINGS) for device in before):
        dropped = [{name: value for name, value in device.items() if name != _MAPPINGS} for device in dropped]
    return new if dropped == devices else {**new, "spec": {**new["spec"], "devices": dropped}}


def _has_lists(device: Obj) -> bool:
    return any(_LIST_VALUES & value.keys() for value in (device.get("attributes") or {}).values())


def _without_lists(device: Obj) -> Obj:
    def kept(value: dict[str, Any]) -> dict[str, Any]:
        return {name: item for name, item in value.items() if name not in _LIST_VALUES}

    attributes = {name: kept(value) for name, value in (device.get("attributes") or {}).items()}
    return {**device, "attributes": attributes}
