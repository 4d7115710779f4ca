"""Conditions for which the scheduler waits before it binds a pod to its devices.

Spec: pkg/apis/resource/validation validateDeviceBindingParameters (1.36).
"""

from api import field
from api.dra.lists import each_errors
from api.dra.naming import key_errors
from api.field import FieldError, Path
from api.resource import Obj

_WAITED, _FAILED = "bindingConditions", "bindingFailureConditions"
_MAX = 4


def binding_errors(device: Obj, path: Path) -> list[FieldError]:
    """Check the conditions of a device: both lists or none, nothing twice, nothing in both."""
    waited, failed = device.get(_WAITED) or [], device.get(_FAILED) or []
    if not waited and not failed:
        return []
    errors = each_errors(waited, _MAX, key_errors, path.child(_WAITED))
    errors += each_errors(failed, _MAX, key_errors, path.child(_FAILED))
    errors += _duplicates(waited, path.child(_WAITED))
    errors += _duplicates(failed, path.child(_FAILED))
    for number, name in enumerate(failed):
        if name in waited:
            text = "bindingFailureConditions must not overlap with bindingConditions"
            errors.append(field.invalid(path.child(_FAILED).index(number), name, text))
    for name, other in ((_WAITED, _FAILED), (_FAILED, _WAITED)):
        if not device.get(name):
            text = f"{name} are required to use {other}"
            errors.append(field.invalid(path.child(name), device.get(name), text))
    return errors


def _duplicates(names: list[str], path: Path) -> list[FieldError]:
    return [
        field.duplicate(path.index(number), name)
        for number, name in enumerate(names)
        if name in names[:number]
    ]
