"""How custom objects behave under REST. Pure.

Source: apiextensions-apiserver pkg/registry/customresource strategy.go, status_strategy.go (1.36).
"""

from api.apiextensions.rules import estimated_cost
from api.codec.typed import Conformed
from api.crd.selectable import compile_selectable, selectable_fields
from api.errors import MethodNotAllowed
from api.field import FieldError
from api.kinds import KindRules
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj
from apiserver.customresources.resource import CustomResource
from apiserver.rest.strategy import FOREGROUND, ORPHAN, Strategy, with_part

# Estimated cost of the rules of one object from which on they are run apart from the event loop: 10 ms.
DEAR = 100_000


class CustomStrategy(Strategy):
    """One per served version."""

    unconditional_update = False
    migrates = True

    def __init__(self, resource: CustomResource) -> None:
        super().__init__(resource, _rules(resource))
        self.conform = self.conformed
        self.has_generation = True
        self.deprecation = resource.deprecation
        self._structural = resource.structural
        if estimated_cost(resource.structural.schema) > DEAR:
            # Even the smallest object may be as much work as a megabyte without rules.
            self.dearness = 1 << 20
        self.selectable = selectable_fields(resource.spec)
        self.indexed_fields = self.selectable
        self._selected = compile_selectable(resource.spec)
        # The definition is being deleted, and its objects with it. Set by `serving.py`.
        self.terminating = False

    def unknown_field(self, path: str) -> str:
        return f"field label not supported: {path}"

    def fields(self, obj: Obj) -> dict[str, str]:
        metadata = obj["metadata"]
        found = {
            "metadata.name": metadata.get("name", ""),
            "metadata.namespace": metadata.get("namespace", ""),
        }
        return found | self._selected(obj) if self.selectable else found

    def conformed(self, obj: Obj) -> Conformed:
        return self._structural.conform(obj)

    def check_create(self) -> None:
        # DEVIATION: neither is an object created by an apply patch, which would outlive its definition.
        if self.terminating:
            raise MethodNotAllowed("create not allowed while custom resource definition is terminating")

    def prepare_for_create(self, obj: Obj) -> Obj:
        if not self.has_status or "status" not in obj:
            return obj
        return {key: value for key, value in obj.items() if key != "status"}

    def warnings(self, obj: Obj) -> list[str]:
        return [
            f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name including a path (/) '
            "to avoid accidental conflicts with other finalizer writers"
            for name in obj["metadata"].get("finalizers") or ()
            if "/" not in name and name not in (FOREGROUND, ORPHAN)
        ]

    def prepare_for_status(self, new: Obj, old: Obj) -> Obj:
        """Return the present object with the new status; of metadata only who manages what is new."""
        metadata = dict(old["metadata"])
        for name in ("managedFields", "resourceVersion"):
            metadata.pop(name, None)
            if name in new["metadata"]:
                metadata[name] = new["metadata"][name]
        return {**with_part(old, "status", new), "metadata": metadata}

    def is_new_generation(self, new: Obj, old: Obj) -> bool:
        """Say whether anything but metadata differs; with a status of its own that has been put back."""
        keys = (new.keys() | old.keys()) - {"metadata", "kind", "apiVersion"}
        return any(new.get(key) != old.get(key) for key in keys)


def _rules(resource: CustomResource) -> KindRules:
    structural = resource.structural

    def validate(obj: Obj) -> list[FieldError]:
        return validate_metadata(obj, resource.namespaced, custom=True) + structural.validate(obj)

    def validate_update(new: Obj, old: Obj) -> list[FieldError]:
        return validate_metadata_update(new, old, custom=True) + structural.validate_update(new, old)

    def validate_status(new: Obj, old: Obj) -> list[FieldError]:
        return validate_metadata_update(new, old, custom=True) + structural.validate_status(new, old)

    return KindRules(structural.default, validate, validate_update, validate_status)
