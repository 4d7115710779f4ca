"""One version of a custom resource as its schema has it: how its objects are decoded, defaulted, validated.

A `Structural` is compiled once per version of a CRD and shared by all requests; it never changes. Most
objects pass two compiled JSON schemas (`api.crd.fast`); only others are walked by the files beside this one.
Compiling takes some milliseconds per hundred kilobytes of schema: the server does it in a thread.
Called by the API server's custom resources.
"""

from functools import cached_property
from typing import Any

from api.codec.json import MAX_STRICT_ERRORS, DecodeError
from api.codec.typed import Conformed
from api.crd.correlate import MISSING
from api.crd.default import compile_defaults
from api.crd.embedded import compile_embedded
from api.crd.fast import compile_form, compile_validity
from api.crd.lists import compile_lists
from api.crd.prune import conform_metadata, prune
from api.crd.rules import compile_rules
from api.crd.scale import Scale
from api.crd.schema import schema_of_version
from api.crd.values import complaints
from api.field import NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID, FieldError, Path, invalid
from api.patch.shape import Shape, shape_of_custom
from api.resource import Obj
from api.schemas import Schema

# After such faults rules are not run.
_BLOCKING = frozenset((NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID))
_NOT_CHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
_ROOT = Path()


class Structural:
    """What is true of the objects of one version of a custom resource."""

    def __init__(self, schema: Schema, scale: Scale | None = None) -> None:
        self.schema = schema
        self._scale = scale
        self._form = compile_form(schema)
        self._validity = compile_validity(schema)
        self._fill = compile_defaults(schema)
        self._lists = compile_lists(schema)
        self._embedded = compile_embedded(schema)
        self._rules = compile_rules(schema)

    @classmethod
    def compile(cls, version: Obj) -> "Structural":
        """Return what an element of `spec.versions` of a definition says of its objects."""
        scale = (version.get("subresources") or {}).get("scale")
        return cls(schema_of_version(version), Scale.of(scale) if scale else None)

    @cached_property
    def shape(self) -> Shape:
        """How objects merge in server-side apply."""
        return shape_of_custom(self.schema)

    @cached_property
    def _status_schema(self) -> Schema:
        found: Schema = (self.schema.get("properties") or {}).get("status") or {}
        return found

    def conform(self, obj: Obj) -> Conformed:
        """Return the object as decoding keeps it, with the paths of the fields that were dropped.

        Raises DecodeError for metadata, kinds and versions of a wrong type.
        """
        if self._form is not None and self._form.is_valid(obj):
            return conform_metadata(obj)
        for name in ("apiVersion", "kind"):
            if not isinstance(obj.get(name, ""), str):
                raise DecodeError(f"{name} must be a string")
        made, unknown = prune(obj, self.schema)
        return Conformed(made, unknown[:MAX_STRICT_ERRORS])

    def default(self, obj: Obj) -> Obj:
        """Return the object with the schema's defaults; the same one if none was missing."""
        if self._fill is None:
            return obj
        filled: Obj = self._fill(obj)
        return filled

    def validate(self, obj: Obj) -> list[FieldError]:
        """Return what is wrong with a new object, its metadata aside."""
        errors = [] if self._is_valid(obj) else complaints(self.schema, obj)
        if self._scale is not None:
            errors += self._scale.validate(obj)
        errors += self._embedded_errors(obj) + self._list_errors(obj)
        return errors + self._rule_errors(errors, obj, MISSING)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        """Return what is wrong with an update, its metadata aside; what did not change may stay wrong."""
        errors = [] if self._is_valid(new) else complaints(self.schema, new, old=old)
        if self._scale is not None:
            errors += self._scale.validate(new)
        errors += self._embedded_errors(new) + self._new_list_errors(new, old)
        return errors + self._rule_errors(errors, new, old)

    def validate_status(self, new: Obj, old: Obj) -> list[FieldError]:
        """Return what is wrong with an update of the status."""
        errors: list[FieldError] = []
        if "status" in new and not self._is_valid(new):
            before = old.get("status", MISSING)
            errors += complaints(self._status_schema, new["status"], "status", before)
        if self._scale is not None:
            errors += self._scale.validate_status(new)
        errors += self._new_list_errors(new, old)
        return errors + self._rule_errors(errors, new, old)

    def _is_valid(self, obj: Obj) -> bool:
        return self._validity is not None and bool(self._validity.is_valid(obj))

    def _embedded_errors(self, obj: Obj) -> list[FieldError]:
        errors: list[FieldError] = []
        if self._embedded is not None:
            self._embedded(obj, _ROOT, errors)
        return errors

    def _list_errors(self, obj: Obj) -> list[FieldError]:
        errors: list[FieldError] = []
        if self._lists is not None:
            self._lists(obj, _ROOT, errors)
        return errors

    def _new_list_errors(self, new: Obj, old: Obj) -> list[FieldError]:
        """Return the faults of sets and maps, unless the old object had some."""
        errors = self._list_errors(new)
        return errors if errors and not self._list_errors(old) else []

    def _rule_errors(self, errors: list[FieldError], new: Obj, old: Any) -> list[FieldError]:
        """Return what the rules find; they rely on the types that the schema promises."""
        if self._rules is None:
            return []
        if any(error.kind in _BLOCKING for error in errors):
            return [invalid(_ROOT, None, _NOT_CHECKED)]
        return self._rules.check(new, old)
