"""DaemonSets. Spec: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation ValidateDaemonSet (1.36)."""

from api import field
from api.apps.template import (
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
_ROLLING = {"maxUnavailable": 1, "maxSurge": 0}
_COUNTS = {
    "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0,
}  # fmt: skip


defaults = defaulting(
    nested={
        "spec": struct(
            defaulting(
                absent={"revisionHistoryLimit": 10},
                nested={
                    "updateStrategy": struct(rolling_update(_ROLLING)),
                    "template": struct(default_template),
                },
            )
        ),
        "status": defaulting(absent=_COUNTS),
    }
)


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors = validate_selector(spec.get("selector"), _SPEC.child("selector"), "daemonset")
    errors += validate_template_of(spec, _SPEC, "DaemonSet")
    errors += non_negative(spec, "minReadySeconds", _SPEC)
    errors += _strategy_errors(spec.get("updateStrategy") or {}, _SPEC.child("updateStrategy"))
    return errors + non_negative(spec, "revisionHistoryLimit", _SPEC)


def _strategy_errors(strategy: Obj, path: Path) -> list[FieldError]:
    kind, rolling, at = strategy.get("type", ""), strategy.get("rollingUpdate"), path.child("rollingUpdate")
    if kind == "OnDelete":
        return []
    if kind != "RollingUpdate":
        return [field.not_supported(path, strategy, ("RollingUpdate", "OnDelete"))]
    if rolling is None:
        return [field.required(at)]
    most, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    errors: list[FieldError] = []
    for name, value in (("maxUnavailable", most), ("maxSurge", surge)):
        errors += percent_or_int(value, at.child(name)) + percent_at_most_100(value, at.child(name))
    if is_zero(most) and is_zero(surge):
        errors.append(field.required(at.child("maxUnavailable"), "cannot be 0 when maxSurge is 0"))
    elif not is_zero(most) and not is_zero(surge):
        text = "may not be set when maxUnavailable is non-zero"
        errors.append(field.invalid(at.child("maxSurge"), surge, text))
    return errors


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + _spec_errors(spec)
    return errors + immutable(spec, before, "selector", _SPEC)


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    status, path = new.get("status") or {}, Path("status")
    errors = validate_metadata_update(new, old)
    for name in ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
                 "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable",
                 "collisionCount"):  # fmt: skip
        errors += non_negative(status, name, path)
    return errors + not_decremented(status, old.get("status") or {}, "collisionCount", path)
