"""Jobs under REST. Source: pkg/registry/batch/job/strategy.go (1.36)."""

from apiserver.rest.strategy import Strategy


class JobStrategy(Strategy):
    selectable = ("status.successful",)
    # batch/v1 keeps the pods of a deleted job unless the client says otherwise.
    default_propagation = "Orphan"
