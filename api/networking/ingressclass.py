"""IngressClasses. Spec: pkg/apis/networking/validation ValidateIngressClass (1.36)."""

from api import field
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_CONTROLLER_MAX = 250

defaults = defaulting(
    nested={"spec": defaulting(nested={"parameters": defaulting(absent={"scope": "Cluster"})})}
)


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    controller = (obj.get("spec") or {}).get("controller", "")
    at = _SPEC.child("controller")
    if not controller:
        errors.append(field.required(at))
    elif len(controller) > _CONTROLLER_MAX:
        errors.append(field.too_long(at, _CONTROLLER_MAX))
    elif "/" not in controller:
        text = 'must be a domain-prefixed path (such as "acme.io/foo")'
        errors.append(field.invalid(at, controller, text))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    errors += immutable(new.get("spec") or {}, old.get("spec") or {}, "controller", _SPEC)
    return errors + validate(new)
