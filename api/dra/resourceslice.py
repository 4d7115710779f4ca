"""ResourceSlices: the devices that a driver offers, on one node or on several.

Spec: pkg/apis/resource/validation ValidateResourceSlice (1.36).
"""

from api import field
from api.core.pod_affinity import node_selector_errors
from api.defaulting import unchanged
from api.dra.devices import device_errors, placement_errors
from api.dra.lists import any_errors, map_errors, set_errors
from api.dra.naming import label_errors, pool_errors
from api.dra.requests import name_of
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.names import LABEL_MAX
from api.resource import Obj
from api.storage.drivers import driver_errors

DEVICES_MAX = 128
# With taints or counters.
ADVANCED_DEVICES_MAX = 64
COUNTER_SETS_MAX = 8
COUNTERS_MAX = 32
_SPEC = Path("spec")
_ONE_OF = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=False) + _spec_errors(obj.get("spec") or {}, {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + _spec_errors(spec, before)
    pools = spec.get("pool") or {}, before.get("pool") or {}
    errors += immutable(*pools, "name", _SPEC.child("pool"))
    return errors + [
        error for name in ("driver", "nodeName") for error in immutable(spec, before, name, _SPEC)
    ]


def _spec_errors(spec: Obj, old: Obj) -> list[FieldError]:
    errors = driver_errors(spec.get("driver", ""), _SPEC.child("driver"))
    errors += _pool_errors(spec.get("pool") or {}, _SPEC.child("pool"))
    errors += _nodes_errors(spec)
    devices, counters = spec.get("devices"), spec.get("sharedCounters")
    if counters is not None and devices is not None:
        errors.append(field.invalid(_SPEC, "", "only one of `sharedCounters` or `devices` is allowed"))
    advanced = any(device.get("taints") or device.get("consumesCounters") for device in devices or ())
    most = ADVANCED_DEVICES_MAX if advanced else DEVICES_MAX
    before = {name_of(device): device for device in old.get("devices") or ()}
    per_device = bool(spec.get("perDeviceNodeSelection"))
    errors += set_errors(
        devices,
        most,
        lambda item, where: device_errors(item, before.get(name_of(item)), per_device, where),
        _SPEC.child("devices"),
        key=name_of,
    )
    return errors + set_errors(
        counters, COUNTER_SETS_MAX, _counter_set_errors, _SPEC.child("sharedCounters"), key=name_of
    )


def _pool_errors(pool: Obj, path: Path) -> list[FieldError]:
    errors = pool_errors(pool.get("name", ""), path.child("name"))
    count, generation = pool.get("resourceSliceCount", 0), pool.get("generation", 0)
    if count <= 0:
        errors.append(field.invalid(path.child("resourceSliceCount"), count, "must be greater than zero"))
    if generation < 0:
        text = "must be greater than or equal to zero"
        errors.append(field.invalid(path.child("generation"), generation, text))
    return errors


def _nodes_errors(spec: Obj) -> list[FieldError]:
    empty = "must be either unset or set to a non-empty string"
    chosen, errors = placement_errors(spec, _SPEC, empty)
    selector, at = spec.get("nodeSelector"), _SPEC.child("nodeSelector")
    if selector is not None:
        errors += node_selector_errors(selector, at)
        terms = selector.get("nodeSelectorTerms") or []
        if len(terms) != 1:
            text = "must have exactly one node selector term"
            errors.append(field.invalid(at.child("nodeSelectorTerms"), terms, text))
    if spec.get("perDeviceNodeSelection"):
        chosen.append("`perDeviceNodeSelection`")
    elif spec.get("perDeviceNodeSelection") is not None:
        at = _SPEC.child("perDeviceNodeSelection")
        errors.append(field.invalid(at, False, "must be either unset or set to true"))
    if not chosen:
        errors.append(field.required(_SPEC, _ONE_OF))
    elif len(chosen) > 1:
        shown = f"{{{', '.join(chosen)}}}"
        errors.append(field.invalid(_SPEC, shown, f"{_ONE_OF}, but multiple fields are set"))
    return errors


def _counter_set_errors(counters: Obj, path: Path) -> list[FieldError]:
    name, at = name_of(counters), path.child("counters")
    errors = label_errors(name, path.child("name")) if name else [field.required(path.child("name"))]
    if not counters.get("counters"):
        return [*errors, field.required(at)]
    return errors + map_errors(
        counters["counters"], COUNTERS_MAX, label_errors, any_errors, at, shown=LABEL_MAX
    )
