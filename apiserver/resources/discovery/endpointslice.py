"""EndpointSlices under REST: labels count as content, for they say whose endpoints these are.

Source: pkg/registry/discovery/endpointslice/strategy.go (1.36).
"""

from api.resource import Obj
from apiserver.rest.strategy import Strategy


class EndpointSliceStrategy(Strategy):
    def warnings(self, obj: Obj) -> list[str]:
        if obj.get("addressType") != "FQDN":
            return []
        return ["spec.addressType: FQDN endpoints are deprecated"]

    def is_new_generation(self, new: Obj, old: Obj) -> bool:
        labels = [obj["metadata"].get("labels") or {} for obj in (new, old)]
        return labels[0] != labels[1] or super().is_new_generation(new, old)
