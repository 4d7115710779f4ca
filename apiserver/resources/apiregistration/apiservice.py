"""APIServices under REST: a local one is available from the start.

Source: kube-aggregator/pkg/registry/apiservice/strategy.go (1.36).
"""

from api.resource import Obj
from apiserver.aggregation.conditions import LOCAL, with_available
from apiserver.rest.strategy import Strategy


class APIServiceStrategy(Strategy):
    counts_generation = False

    def prepare_for_create(self, obj: Obj) -> Obj:
        fresh = super().prepare_for_create(obj)
        if (fresh.get("spec") or {}).get("service") is not None:
            return fresh
        return with_available(fresh, LOCAL, fresh["metadata"]["creationTimestamp"])
