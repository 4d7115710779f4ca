"""ReplicationControllers under REST. Source: pkg/registry/core/replicationcontroller/strategy.go (1.36)."""

from apiserver.rest.strategy import Strategy


class ReplicationControllerStrategy(Strategy):
    selectable = ("status.replicas",)
    default_propagation = "Orphan"
