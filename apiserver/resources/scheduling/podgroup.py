"""PodGroups under REST: `/status` writes the status alone.

Source: pkg/registry/scheduling/podgroup/strategy.go (1.36).
"""

from api.resource import Obj
from api.scheduling.policy import without_other_features
from apiserver.rest.strategy import Strategy


class PodGroupStrategy(Strategy):
    status_metadata = ()

    def prepare_for_create(self, obj: Obj) -> Obj:
        return _with_spec(super().prepare_for_create(obj))

    def prepare_for_update(self, new: Obj, old: Obj) -> Obj:
        return _with_spec(super().prepare_for_update(new, old))

    def prepare_for_status(self, new: Obj, old: Obj) -> Obj:
        result = super().prepare_for_status(new, old)
        status = result.get("status") or {}
        if "resourceClaimStatuses" not in status:
            return result
        kept = {name: value for name, value in status.items() if name != "resourceClaimStatuses"}
        return {**result, "status": kept}


def _with_spec(obj: Obj) -> Obj:
    return {**obj, "spec": without_other_features(obj.get("spec") or {})}
