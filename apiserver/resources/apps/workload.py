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
    """Deployments and their like: a pod template in `spec.template`."""

    def warnings(self, obj: Obj) -> list[str]:
        template = (obj.get("spec") or {}).get("template") or {}
        at = Path("spec").child("template").child("spec")
        return name_warnings(obj) + spec_warnings(template.get("spec") or {}, at)
