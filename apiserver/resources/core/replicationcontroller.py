"""ReplicationControllers under REST. Source: pkg/registry/core/replicationcontroller/strategy.go (1.36)."""

from apiserver.resources.apps.workload import WorkloadStrategy


class ReplicationControllerStrategy(WorkloadStrategy):
    selectable = ("status.replicas",)
    default_propagation = "Orphan"
