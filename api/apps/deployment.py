"""Deployments.

Spec: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation ValidateDeployment (1.36).
"""

from api import field
from api.apps.template import (
    at_most,
    is_zero,
    non_negative,
    not_decremented,
    percent_at_most_100,
    percent_or_int,
    rolling_update,
    validate_selector,
    validate_template_of,
)
from api.core.pod_defaults import default_template
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_QUARTER = {"maxUnavailable": "25%", "maxSurge": "25%"}


defaults = defaulting(
    nested={
        "spec": struct(
            defaulting(
                absent={"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
                nested={"strategy": struct(rolling_update(_QUARTER)), "template": struct(default_template)},
            )
        )
    }
)


def _strategy_errors(strategy: Obj, path: Path) -> list[FieldError]:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    at = path.child("rollingUpdate")
    if kind == "Recreate":
        text = "may not be specified when strategy `type` is 'Recreate'"
        return [] if rolling is None else [field.forbidden(at, text)]
    if kind != "RollingUpdate":
        return [field.not_supported(path, strategy, ("Recreate", "RollingUpdate"))]
    if rolling is None:
        return [field.required(at, "this should be defaulted and never be nil")]
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    errors = percent_or_int(unavailable, at.child("maxUnavailable"))
    errors += percent_or_int(surge, at.child("maxSurge"))
    if is_zero(unavailable) and is_zero(surge):
        text = "may not be 0 when `maxSurge` is 0"
        errors.append(field.invalid(at.child("maxUnavailable"), unavailable, text))
    return errors + percent_at_most_100(unavailable, at.child("maxUnavailable"))


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors = non_negative(spec, "replicas", _SPEC)
    errors += validate_selector(spec.get("selector"), _SPEC.child("selector"))
    errors += validate_template_of(spec, _SPEC, "ReplicaSet")
    errors += _strategy_errors(spec.get("strategy") or {}, _SPEC.child("strategy"))
    for name in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        errors += non_negative(spec, name, _SPEC)
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        at = _SPEC.child("progressDeadlineSeconds")
        errors.append(field.invalid(at, deadline, "must be greater than minReadySeconds"))
    return errors


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + _spec_errors(spec)
    return errors + immutable(spec, before, "selector", _SPEC)


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    errors = validate_metadata_update(new, old)
    status, before = new.get("status") or {}, old.get("status") or {}
    path = Path("status")
    for name in ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
                 "unavailableReplicas", "terminatingReplicas", "collisionCount"):  # fmt: skip
        errors += non_negative(status, name, path)
    errors += at_most(
        status, path, ("updatedReplicas", "replicas"), ("readyReplicas", "replicas"),
        ("availableReplicas", "replicas"), ("availableReplicas", "readyReplicas"),
    )  # fmt: skip
    return errors + not_decremented(status, before, "collisionCount", path)
