"""Events: one storage, two views (`v1` and `events.k8s.io/v1`), kept for a limited time. Conversions are
pure.

Source: pkg/registry/core/event/strategy.go, pkg/apis/events/v1/conversion.go (1.36).
"""

from api.resource import Obj
from apiserver.rest.strategy import Strategy, text_at

# events.k8s.io/v1 name -> core/v1 name, where only the name differs.
_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {core: new for new, core in _NAMES.items()}
_PARTS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


class EventStrategy(Strategy):
    """Core events."""

    subject = "involvedObject"
    selectable = (*(f"involvedObject.{part}" for part in _PARTS), "reason", "reportingComponent", "type")
    create_on_update = True

    def fields(self, obj: Obj) -> dict[str, str]:
        found = super().fields(obj)
        # Spec: core event ToSelectableFields: the reporting controller where the source says nothing.
        found["source"] = text_at(obj, "source.component") or str(obj.get("reportingComponent") or "")
        return found

    def knows_field(self, path: str) -> bool:
        return path == "source" or super().knows_field(path)


class NewEventStrategy(Strategy):
    """Events of events.k8s.io."""

    selectable = (*(f"regarding.{part}" for part in _PARTS), "reason", "reportingController", "type")
    create_on_update = True


def to_core(obj: Obj) -> Obj:
    """Return the core/v1 form of an events.k8s.io/v1 event."""
    return {_NAMES.get(key, key): value for key, value in obj.items()} | {"kind": "Event", "apiVersion": "v1"}


def from_core(obj: Obj) -> Obj:
    """Return the events.k8s.io/v1 form of a core/v1 event."""
    return {_BACK.get(key, key): value for key, value in obj.items()} | {
        "kind": "Event",
        "apiVersion": "events.k8s.io/v1",
    }
