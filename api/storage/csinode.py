"""CSINodes: the drivers on a node. Spec: pkg/apis/storage/validation ValidateCSINode (1.36)."""

from api import field, names
from api.apps.template import non_negative
from api.codec.shapes import equal
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj
from api.storage.drivers import driver_errors

NODE_ID_MAX = 192
_DRIVERS = Path("spec").child("drivers")

defaults = unchanged


def _drivers(obj: Obj) -> list[Obj]:
    return (obj.get("spec") or {}).get("drivers") or []


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    seen: set[str] = set()
    for number, driver in enumerate(_drivers(obj)):
        at, name = _DRIVERS.index(number), driver.get("name", "")
        errors += _driver_errors(driver, at)
        if name in seen:
            errors.append(field.duplicate(at.child("name"), name))
        seen.add(name)
        errors += _topology_errors(driver.get("topologyKeys") or [], at)
    return errors


def _driver_errors(driver: Obj, path: Path) -> list[FieldError]:
    errors = driver_errors(driver.get("name", ""), path.child("name"))
    node, at = driver.get("nodeID", ""), path.child("nodeID")
    if not node:
        errors.append(field.required(at))
    if len(node) > NODE_ID_MAX:
        errors.append(field.invalid(at, node, f"must be {NODE_ID_MAX} characters or less"))
    return errors + non_negative(driver.get("allocatable") or {}, "count", path.child("allocatable"))


def _topology_errors(keys: list[str], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for number, key in enumerate(keys):
        if not key:
            errors.append(field.required(path))
        if key in keys[:number]:
            errors.append(field.duplicate(path, key))
        errors += [field.invalid(path, key, text) for text in names.is_qualified_name(key)]
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check an update: drivers come and go; of one that stays only `allocatable` may change."""
    errors = validate_metadata_update(new, old) + validate(new)
    before = {driver.get("name", ""): driver for driver in _drivers(old)}
    for driver in _drivers(new):
        known = before.get(driver.get("name", ""))
        if known is not None and not equal(_fixed(driver), _fixed(known)):
            errors.append(field.invalid(_DRIVERS, _fixed(driver), IMMUTABLE))
    return errors


def _fixed(driver: Obj) -> Obj:
    return {name: value for name, value in driver.items() if name != "allocatable"}
