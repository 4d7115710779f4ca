"""The finalizer that keeps a storage object while it is in use. Called by the protection controllers. Pure.

    not being deleted, without it --> it is added (admission does so at creation: this is for older objects)
    being deleted, with it        --> it is removed as soon as nothing uses the object; then the object goes

Source: pkg/controller/util/protectionutil (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.resource import Resource
from controllers.framework.plan import NOTHING, Plan, Update


@dataclass(frozen=True)
class Protection:
    """What keeps the objects of one resource."""

    resource: Resource[Any]
    finalizer: str

    def due(self, obj: Mapping[str, Any]) -> bool | None:
        """Tell what may have to be done: remove the finalizer (True), add it (False), nothing (None)."""
        going = "deletionTimestamp" in obj["metadata"]
        return going if going == self._is_on(obj) else None

    def is_leaving(self, obj: Mapping[str, Any]) -> bool:
        """Tell whether the object goes when the finalizer does."""
        return self.due(obj) is True

    def plan(self, obj: Mapping[str, Any], in_use: bool) -> Plan:
        """Return the plan for an object that something uses or not."""
        present = obj["metadata"].get("finalizers") or ()
        match self.due(obj):
            case True if not in_use:
                return self._set(obj, [name for name in present if name != self.finalizer])
            case False:
                return self._set(obj, [*present, self.finalizer])
        return NOTHING

    def _is_on(self, obj: Mapping[str, Any]) -> bool:
        return self.finalizer in (obj["metadata"].get("finalizers") or ())

    def _set(self, obj: Mapping[str, Any], finalizers: list[str]) -> Plan:
        # An update, not a patch: the default roles of these controllers allow nothing else.
        return Plan(
            (Update(self.resource, {**obj, "metadata": {**obj["metadata"], "finalizers": finalizers}}),)
        )
