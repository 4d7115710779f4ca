"""Workloads under REST: what is odd about their names and templates is told. Pure.

Source: pkg/registry/apps/deployment/strategy.go WarningsOnCreate, and its like of the other kinds (1.36).
"""

from api.core.pod_warnings import spec_warnings
from api.field import Path
from api.names import is_dns1123_label
from api.resource import Obj
from apiserver.rest.strategy import Strategy

_SURPRISING = (
    "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a "
    "DNS label "
    "is recommended: "
)


def name_warnings(obj: Obj) -> list[str]:
    """Return the warning about a name that makes no good host name of pods."""
    found = is_dns1123_label(obj["metadata"].get("name", ""))
    return [f"{_SURPRISING}[{' '.join(found)}]"] if found else []


class WorkloadStrategy(Strategy):
    """ReplicaSets and their like: a pod template in `spec.template`."""

    def warnings(self, obj: Obj) -> list[str]:
        return name_warnings(obj) + _template_warnings(obj)

    def update_warnings(self, new: Obj, old: Obj) -> list[str]:
        same = new["metadata"].get("generation") == old["metadata"].get("generation")
        return [] if same else _template_warnings(new)


def _template_warnings(obj: Obj) -> list[str]:
    template = (obj.get("spec") or {}).get("template") or {}
    return spec_warnings(template.get("spec") or {}, Path("spec").child("template").child("spec"))


class DeploymentStrategy(WorkloadStrategy):
    """Deployments hand their annotations on to their ReplicaSets: changing those is changing what is "
    "wanted."""

    def is_new_generation(self, new: Obj, old: Obj) -> bool:
        if super().is_new_generation(new, old):
            return True
        return (new["metadata"].get("annotations") or {}) != (old["metadata"].get("annotations") or {})


class StatefulSetStrategy(WorkloadStrategy):
    def unknown_field(self, path: str) -> str:
        return f"field label not supported for appsv1.StatefulSet: {path}"
