"""ResourceClaims: devices asked for, and in the status which ones were given, to whom.

Spec: pkg/apis/resource/validation ValidateResourceClaim, ValidateResourceClaimStatusUpdate (1.36).
"""

from api import field
from api.codec.shapes import equal
from api.conditions import condition_errors
from api.core.pod_affinity import node_selector_errors
from api.defaulting import defaulting, each
from api.dra.bindings import binding_errors
from api.dra.lists import each_errors, set_errors
from api.dra.naming import (
    OPAQUE_MAX_BYTES,
    configuration_errors,
    interface_address_errors,
    json_object_errors,
    label_errors,
    pool_errors,
    toleration_errors,
    uid_errors,
)
from api.dra.requests import (
    CONFIG_MAX,
    RequestNames,
    default_spec,
    referring_errors,
    spec_errors,
    tolerations,
)
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj
from api.storage.drivers import driver_errors

RESULTS_MAX = 32
RESERVED_MAX = 256
CONDITIONS_MAX = 8
INTERFACE_NAME_MAX = 256
HARDWARE_ADDRESS_MAX = 128
ADDRESSES_MAX = 16
# No limit of its own: each entry is one of the results.
_ANY = 1 << 30
_SPEC, _STATUS = Path("spec"), Path("status")
_SOURCES = ("FromClaim", "FromClass")

_results = each(defaulting(nested={"tolerations": tolerations}))
_allocation = defaulting(nested={"devices": defaulting(nested={"results": _results})})
defaults = defaulting(nested={"spec": default_spec, "status": defaulting(nested={"allocation": _allocation})})


def device_id(item: Obj) -> str:
    """Return what names a device that was given: driver, pool, device, and the share if it is shared."""
    parts = [item.get(name, "") for name in ("driver", "pool", "device")]
    return "/".join([*parts, *([item["shareID"]] if item.get("shareID") else [])])


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + spec_errors(obj.get("spec") or {}, _SPEC)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    if not equal(new.get("spec"), old.get("spec")):
        errors.append(field.invalid(_SPEC, new.get("spec"), IMMUTABLE))
    return errors


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    status, before = new.get("status") or {}, old.get("status") or {}
    known = RequestNames(((new.get("spec") or {}).get("devices") or {}).get("requests"))
    errors = validate_metadata_update(new, old)
    errors += set_errors(
        status.get("reservedFor"),
        RESERVED_MAX,
        _consumer_errors,
        _STATUS.child("reservedFor"),
        key=lambda item: item.get("uid", ""),
    )
    errors += _devices_errors(status)
    errors += _reservation_errors(new, status, before)
    allocation, at = status.get("allocation"), _STATUS.child("allocation")
    if allocation is None:
        return errors
    if before.get("allocation") is None:
        return errors + _allocation_errors(allocation, known, at)
    same = equal(allocation, before["allocation"])
    return errors if same else [*errors, field.invalid(at, allocation, IMMUTABLE)]


def _consumer_errors(consumer: Obj, path: Path) -> list[FieldError]:
    return [
        field.required(path.child(name)) for name in ("resource", "name", "uid") if not consumer.get(name)
    ]


def _reservation_errors(new: Obj, status: Obj, before: Obj) -> list[FieldError]:
    reserved, at = status.get("reservedFor") or [], _STATUS.child("reservedFor")
    if not reserved:
        return []
    if status.get("allocation") is None:
        return [field.forbidden(at, "may not be specified when `allocated` is not set")]
    added = [item for item in reserved if item not in (before.get("reservedFor") or [])]
    if added and new["metadata"].get("deletionTimestamp"):
        text = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        return [field.forbidden(at, text)]
    return []


def _allocation_errors(allocation: Obj, known: RequestNames, path: Path) -> list[FieldError]:
    devices, at = allocation.get("devices") or {}, path.child("devices")
    errors = each_errors(
        devices.get("results"),
        RESULTS_MAX,
        lambda item, where: _result_errors(item, known, where),
        at.child("results"),
    )
    errors += each_errors(
        devices.get("config"),
        2 * CONFIG_MAX,
        lambda item, where: _config_errors(item, known, where),
        at.child("config"),
    )
    selector = allocation.get("nodeSelector")
    if selector is not None:
        errors += node_selector_errors(selector, path.child("nodeSelector"))
    return errors


def _named_errors(item: Obj, path: Path) -> list[FieldError]:
    """Check the names of a device that was given, and of its share."""
    errors = driver_errors(item.get("driver", ""), path.child("driver"))
    errors += pool_errors(item.get("pool", ""), path.child("pool"))
    errors += label_errors(item.get("device", ""), path.child("device"))
    share = item.get("shareID")
    return errors if share is None else errors + uid_errors(share, path.child("shareID"))


def _result_errors(result: Obj, known: RequestNames, path: Path) -> list[FieldError]:
    errors = known.errors(result.get("request", ""), path.child("request"))
    errors += _named_errors(result, path)
    errors += binding_errors(result, path)
    return errors + each_errors(result.get("tolerations"), _ANY, toleration_errors, path.child("tolerations"))


def _config_errors(config: Obj, known: RequestNames, path: Path) -> list[FieldError]:
    source, at = config.get("source", ""), path.child("source")
    errors: list[FieldError] = []
    if source not in _SOURCES:
        errors.append(field.not_supported(at, source, _SOURCES) if source else field.required(at))
    return errors + referring_errors(config, known, path) + configuration_errors(config, path)


def _devices_errors(status: Obj) -> list[FieldError]:
    results = ((status.get("allocation") or {}).get("devices") or {}).get("results") or ()
    allocated = {device_id(result) for result in results}

    def check(device: Obj, path: Path) -> list[FieldError]:
        errors = _named_errors(device, path)
        if device_id(device) not in allocated:
            text = "must be an allocated device in the claim"
            errors.append(field.invalid(path, device_id(device), text))
        return errors + _report_errors(device, path)

    return set_errors(status.get("devices"), _ANY, check, _STATUS.child("devices"), key=device_id)


def _report_errors(device: Obj, path: Path) -> list[FieldError]:
    """Check what a driver reports of a device: conditions, free data, addresses."""
    conditions, at = device.get("conditions") or [], path.child("conditions")
    errors: list[FieldError] = []
    if len(conditions) > CONDITIONS_MAX:
        errors.append(field.too_many(at, len(conditions), CONDITIONS_MAX))
    errors += condition_errors(conditions, at)
    if device.get("data") is not None:
        errors += json_object_errors(device["data"], path.child("data"), OPAQUE_MAX_BYTES)
    return errors + _network_errors(device.get("networkData") or {}, path.child("networkData"))


def _network_errors(network: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, most in (("interfaceName", INTERFACE_NAME_MAX), ("hardwareAddress", HARDWARE_ADDRESS_MAX)):
        if len(network.get(name, "")) > most:
            errors.append(field.too_long(path.child(name), most))
    return errors + set_errors(network.get("ips"), ADDRESSES_MAX, interface_address_errors, path.child("ips"))
