"""Workloads under REST. Source: pkg/registry/scheduling/workload/strategy.go (1.36)."""

from api.resource import Obj
from api.scheduling.policy import without_other_features
from apiserver.rest.strategy import Strategy


class WorkloadStrategy(Strategy):
    def prepare_for_create(self, obj: Obj) -> Obj:
        return _with_templates(super().prepare_for_create(obj))

    def prepare_for_update(self, new: Obj, old: Obj) -> Obj:
        return _with_templates(super().prepare_for_update(new, old))


def _with_templates(obj: Obj) -> Obj:
    spec = obj.get("spec") or {}
    if not spec.get("podGroupTemplates"):
        return obj
    templates = [without_other_features(template) for template in spec["podGroupTemplates"]]
    return {**obj, "spec": {**spec, "podGroupTemplates": templates}}
