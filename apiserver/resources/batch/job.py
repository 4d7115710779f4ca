"""Jobs under REST. Source: pkg/registry/batch/job/strategy.go (1.36)."""

from api.batch.job import with_selector
from api.resource import Obj
from apiserver.resources.apps.workload import WorkloadStrategy


class JobStrategy(WorkloadStrategy):
    selectable = ("status.successful",)
    # batch/v1 keeps the pods of a deleted job unless the client says otherwise.
    default_propagation = "Orphan"

    def prepare_for_create(self, obj: Obj) -> Obj:
        return with_selector(super().prepare_for_create(obj))

    def unknown_field(self, path: str) -> str:
        return f'field label "{path}" not supported for Job'
