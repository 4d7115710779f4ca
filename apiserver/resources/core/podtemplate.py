"""PodTemplates under REST. Source: pkg/registry/core/podtemplate/strategy.go (1.36)."""

from api.core.pod_warnings import spec_warnings
from api.field import Path
from api.resource import Obj
from apiserver.rest.strategy import Strategy

_SPEC = Path("template").child("spec")


class PodTemplateStrategy(Strategy):
    def warnings(self, obj: Obj) -> list[str]:
        return spec_warnings((obj.get("template") or {}).get("spec") or {}, _SPEC)

    def update_warnings(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings(new)
