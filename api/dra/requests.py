"""What a claim asks for: requests, constraints between them, configuration. ResourceClaims and their
templates have it.

Spec: pkg/apis/resource/validation validateDeviceClaim, pkg/apis/resource/v1/defaults.go (1.36).
"""

from collections.abc import Mapping

from api import field
from api.defaulting import defaulting, each
from api.dra.lists import each_errors, set_errors
from api.dra.naming import (
    class_errors,
    configuration_errors,
    fully_qualified_errors,
    label_errors,
    toleration_errors,
)
from api.dra.selectors import selectors_errors
from api.field import FieldError, Path
from api.resource import Obj

REQUESTS_MAX = 32
CONSTRAINTS_MAX = 32
CONFIG_MAX = 32
SUBREQUESTS_MAX = 8
TOLERATIONS_MAX = 16
_MODES = ("All", "ExactCount")
_ONE_OF = "exactly one of `exactly` or `firstAvailable` is required"
_NOT_A_REQUEST = (
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
)


def _count(request: Obj) -> Obj:
    mode = request.get("allocationMode") or "ExactCount"
    made: Obj = {} if request.get("allocationMode") else {"allocationMode": mode}
    if mode == "ExactCount" and not request.get("count"):
        made["count"] = 1
    return made


tolerations = each(defaulting(empty={"operator": "Equal"}))
_request = defaulting(nested={"tolerations": tolerations}, rule=_count)
# The defaults of the spec of a claim.
default_spec = defaulting(
    nested={
        "devices": defaulting(
            nested={
                "requests": each(defaulting(nested={"exactly": _request, "firstAvailable": each(_request)}))
            }
        )
    }
)


class RequestNames:
    """The names that a claim gives its requests, and to which constraints and results refer."""

    def __init__(self, requests: list[Obj] | None) -> None:
        self._names: Mapping[str, frozenset[str]] = {
            request.get("name", ""): frozenset(
                sub.get("name", "") for sub in request.get("firstAvailable") or ()
            )
            for request in requests or ()
        }

    def errors(self, text: str, path: Path) -> list[FieldError]:
        """Check a reference to a request, or to a request and a subrequest."""
        parts = text.split("/")
        if len(parts) > 2:
            return [field.invalid(path, text, _NOT_A_REQUEST)]
        errors = [error for part in parts for error in label_errors(part, path)]
        return errors if self._has(parts) else [*errors, field.invalid(path, text, _NOT_A_REQUEST)]

    def _has(self, parts: list[str]) -> bool:
        known = self._names.get(parts[0])
        return known is not None and (len(parts) == 1 or parts[1] in known)


def name_of(item: Obj) -> str:
    return str(item.get("name", ""))


def spec_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check the spec of a new claim."""
    devices, at = spec.get("devices") or {}, path.child("devices")
    known = RequestNames(devices.get("requests"))
    errors = set_errors(
        devices.get("requests"), REQUESTS_MAX, _request_errors, at.child("requests"), key=name_of
    )
    errors += each_errors(
        devices.get("constraints"),
        CONSTRAINTS_MAX,
        lambda item, where: _constraint_errors(item, known, where),
        at.child("constraints"),
    )
    return errors + each_errors(
        devices.get("config"),
        CONFIG_MAX,
        lambda item, where: referring_errors(item, known, where) + configuration_errors(item, where),
        at.child("config"),
    )


def referring_errors(item: Obj, known: RequestNames, path: Path) -> list[FieldError]:
    """Check the list of requests to which something applies."""
    return set_errors(item.get("requests"), REQUESTS_MAX, known.errors, path.child("requests"))


def _request_errors(request: Obj, path: Path) -> list[FieldError]:
    errors = label_errors(name_of(request), path.child("name"))
    exactly, available = request.get("exactly"), request.get("firstAvailable")
    if exactly is not None and available:
        return [*errors, field.invalid(path, None, f"{_ONE_OF}, but multiple fields are set")]
    if available:
        at = path.child("firstAvailable")
        return errors + set_errors(available, SUBREQUESTS_MAX, _subrequest_errors, at, key=name_of)
    if exactly is not None:
        return errors + _wanted_errors(exactly, path.child("exactly"))
    return [*errors, field.required(path, _ONE_OF)]


def _subrequest_errors(request: Obj, path: Path) -> list[FieldError]:
    return label_errors(name_of(request), path.child("name")) + _wanted_errors(request, path)


def _wanted_errors(request: Obj, path: Path) -> list[FieldError]:
    errors = class_errors(request.get("deviceClassName", ""), path.child("deviceClassName"))
    errors += selectors_errors(request.get("selectors"), path.child("selectors"))
    errors += _mode_errors(request, path)
    return errors + each_errors(
        request.get("tolerations"), TOLERATIONS_MAX, toleration_errors, path.child("tolerations")
    )


def _mode_errors(request: Obj, path: Path) -> list[FieldError]:
    mode, count = request.get("allocationMode", ""), request.get("count", 0)
    if mode == "All":
        text = "must not be specified when allocationMode is 'All'"
        return [field.invalid(path.child("count"), count, text)] if count else []
    if mode == "ExactCount":
        return [] if count > 0 else [field.invalid(path.child("count"), count, "must be greater than zero")]
    return [field.not_supported(path.child("allocationMode"), mode, _MODES)]


def _constraint_errors(constraint: Obj, known: RequestNames, path: Path) -> list[FieldError]:
    errors = referring_errors(constraint, known, path)
    for name in ("matchAttribute", "distinctAttribute"):
        if constraint.get(name) is not None:
            return errors + fully_qualified_errors(constraint[name], path.child(name))
    text = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
    return [*errors, field.required(path, text)]
