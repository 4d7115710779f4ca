"""Ingresses under REST: the old way to name a class is warned about.

Source: pkg/registry/networking/ingress/strategy.go (1.36).
"""

from api.resource import Obj
from apiserver.rest.strategy import Strategy

_CLASS = "kubernetes.io/ingress.class"


class IngressStrategy(Strategy):
    def warnings(self, obj: Obj) -> list[str]:
        named = (obj.get("spec") or {}).get("ingressClassName") is not None
        if named or _CLASS not in (obj["metadata"].get("annotations") or {}):
            return []
        return [f"annotation \"{_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]
