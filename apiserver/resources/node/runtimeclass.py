"""RuntimeClasses under REST: old names of labels are warned about.

Source: pkg/api/node/util.go GetWarningsForRuntimeClass (1.36).
"""

from api.core.pod_warnings import label_warnings
from api.field import Path
from api.resource import Obj
from apiserver.rest.strategy import Strategy

_SELECTOR = Path("scheduling").child("nodeSelector")


class RuntimeClassStrategy(Strategy):
    def warnings(self, obj: Obj) -> list[str]:
        selector = (obj.get("scheduling") or {}).get("nodeSelector") or {}
        return [text for key in selector for text in label_warnings(key, _SELECTOR)]

    def update_warnings(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings(new)
