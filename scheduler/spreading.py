"""The selector that spreads pods by default: of their services and of their controller.

Fed by `app` from informers; `selector_of` is asked once per decision and keeps its answers by shape.
Source: pkg/scheduler/framework/plugins/helper/spread.go DefaultSelector (1.36).
"""

from collections.abc import Mapping
from typing import Any

from api.labels import Selector, from_label_selector, from_map
from scheduler.shape import Shape

# Kinds whose selector counts, and whether it is a plain map of labels.
_PLAIN = {"ReplicationController"}
_LIMIT = 4096


class Spreading:
    def __init__(self) -> None:
        # namespace -> name -> selector
        self._services: dict[str, dict[str, Mapping[str, str]]] = {}
        # (kind, namespace, name) -> selector
        self._controllers: dict[tuple[str, str, str], Selector] = {}
        self._answers: dict[bytes, Selector | None] = {}

    def service_changed(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        obj = new or old
        if obj is None:
            return
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        known = self._services.setdefault(namespace, {})
        selector = (new["spec"].get("selector") or None) if new is not None else None
        if known.get(name) == selector:
            return
        self._answers.clear()
        if selector is None:
            del known[name]
        else:
            known[name] = selector

    def controller_changed(
        self, kind: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
    ) -> None:
        obj = new or old
        if obj is None:
            return
        key = (kind, obj["metadata"]["namespace"], obj["metadata"]["name"])
        selector = _selector(kind, new["spec"].get("selector")) if new is not None else None
        if self._controllers.get(key) == selector:
            return
        self._answers.clear()
        if selector is None:
            del self._controllers[key]
        else:
            self._controllers[key] = selector

    def selector_of(self, shape: Shape) -> Selector | None:
        """Return what the pods to be spread with pods of this shape look like; None if there is no say."""
        if shape.base not in self._answers:
            if len(self._answers) >= _LIMIT:
                self._answers.clear()
            self._answers[shape.base] = self._compute(shape)
        return self._answers[shape.base]

    def _compute(self, shape: Shape) -> Selector | None:
        labels: dict[str, str] = {}
        for selector in self._services.get(shape.namespace, {}).values():
            if selector.items() <= shape.labels.items():
                labels |= selector
        kind, name = shape.owner
        owner = self._controllers.get((kind, shape.namespace, name))
        requirements = from_map(labels).requirements + (owner.requirements if owner is not None else ())
        return Selector(requirements) if requirements else None


def _selector(kind: str, selector: Any) -> Selector:
    if kind in _PLAIN:
        return from_map(selector or {})
    try:
        return from_label_selector(selector)
    except ValueError:
        return Selector()
