"""Nodes under REST. Source: pkg/registry/core/node/strategy.go (1.36)."""

from api.resource import Obj
from apiserver.rest.strategy import Strategy


class NodeStrategy(Strategy):
    selectable = ("spec.unschedulable",)
    counts_generation = False
    # A node registers with the state it is in.
    drops_status_on_create = False

    def fields(self, obj: Obj) -> dict[str, str]:
        found = super().fields(obj)
        found["spec.unschedulable"] = found["spec.unschedulable"] or "false"
        return found
