"""Namespaces under REST: they go only when `spec.finalizers` is empty, through `/finalize`.

Source: pkg/registry/core/namespace/{strategy.go,storage/storage.go} (1.36).
"""

from api.resource import Obj
from apiserver.rest.strategy import Strategy, with_part

KUBERNETES = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(Strategy):
    selectable = ("status.phase",)
    returns_deleted = True
    counts_generation = False

    def prepare_for_create(self, obj: Obj) -> Obj:
        metadata, spec = obj["metadata"], obj.get("spec") or {}
        finalizers = spec.get("finalizers") or []
        if KUBERNETES not in finalizers:
            finalizers = [*finalizers, KUBERNETES]
        labels = {**(metadata.get("labels") or {}), NAME_LABEL: metadata["name"]}
        return {
            **obj,
            "metadata": {**metadata, "labels": labels},
            "spec": {**spec, "finalizers": finalizers},
            "status": {"phase": "Active"},
        }

    def prepare_for_update(self, new: Obj, old: Obj) -> Obj:
        return with_part(with_part(new, "status", old), "spec", old)

    def prepare_for_other(self, subresource: str, new: Obj, old: Obj) -> Obj:
        return with_part(new, "status", old)

    def finalizers_left(self, obj: Obj) -> bool:
        return super().finalizers_left(obj) or bool((obj.get("spec") or {}).get("finalizers"))

    def prepare_for_delete(self, obj: Obj) -> Obj:
        return {**obj, "status": {**(obj.get("status") or {}), "phase": "Terminating"}}
