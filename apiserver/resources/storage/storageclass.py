"""StorageClasses under REST: old names of labels are warned about.

Source: pkg/api/storage/util.go GetWarningsForStorageClass (1.36).
"""

from api.core.pod_warnings import label_warnings
from api.field import Path
from api.resource import Obj
from apiserver.rest.strategy import Strategy

_TERMS = Path("allowedTopologies")


class StorageClassStrategy(Strategy):
    def warnings(self, obj: Obj) -> list[str]:
        return [
            text
            for number, term in enumerate(obj.get("allowedTopologies") or ())
            for place, wanted in enumerate(term.get("matchLabelExpressions") or ())
            for text in label_warnings(
                wanted.get("key", ""),
                _TERMS.index(number).child("matchLabelExpressions").index(place).child("key"),
            )
        ]

    def update_warnings(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings(new)
