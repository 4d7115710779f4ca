"""DeviceClasses: which devices a request of the class may get, and how they are configured.

Spec: pkg/apis/resource/validation ValidateDeviceClass (1.36).
"""

from typing import Any

from api import field, names
from api.codec.shapes import equal
from api.core.pod_resources import is_extended
from api.defaulting import unchanged
from api.dra.lists import each_errors
from api.dra.naming import configuration_errors
from api.dra.requests import CONFIG_MAX
from api.dra.selectors import selectors_errors
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")

defaults = unchanged


def _spec_errors(spec: Obj, old: Obj) -> list[FieldError]:
    """Check a spec; selectors and parameters that were stored before are taken as they are."""
    stored = bool(old) and equal(spec.get("selectors"), old.get("selectors"))
    errors = selectors_errors(spec.get("selectors"), _SPEC.child("selectors"), stored)
    known = bool(old) and equal(spec.get("config"), old.get("config"))

    def check(config: Any, path: Path) -> list[FieldError]:
        return configuration_errors(config, path, known)

    errors += each_errors(spec.get("config"), CONFIG_MAX, check, _SPEC.child("config"))
    name = spec.get("extendedResourceName")
    if name is not None and (not is_extended(name) or names.is_qualified_name(f"requests.{name}")):
        at = _SPEC.child("extendedResourceName")
        errors.append(field.invalid(at, name, "must be a valid extended resource name"))
    return errors


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=False) + _spec_errors(obj.get("spec") or {}, {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    return errors + _spec_errors(new.get("spec") or {}, old.get("spec") or {"stored": True})
