"""HorizontalPodAutoscalers, v1 and v2. Spec: pkg/apis/autoscaling/v2/defaults.go, validation (1.36)."""

from api import field
from api.apps.template import non_negative
from api.autoscaling.behavior import behavior_errors
from api.autoscaling.metrics import metric_errors
from api.autoscaling.reference import reference_errors
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_SCALE_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_SCALE_DOWN = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}
_CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}


# What v1 has no fields for is kept in annotations; this one holds all metrics but the use of CPU.
METRICS_ANNOTATION = "autoscaling.alpha.kubernetes.io/metrics"


def _is_v1(obj: Obj) -> bool:
    return bool(obj.get("apiVersion", "").endswith("/v1"))


_spec = defaulting(absent={"minReplicas": 1})
_spec_v1 = defaulting(absent={"minReplicas": 1, "targetCPUUtilizationPercentage": 80})
_behavior = defaulting(
    nested={"scaleUp": defaulting(absent=_SCALE_UP), "scaleDown": defaulting(absent=_SCALE_DOWN)}
)
_both: Obj = {"scaleUp": {}, "scaleDown": {}}
_spec_v2 = defaulting(
    absent={"minReplicas": 1, "metrics": [_CPU]},
    nested={"behavior": lambda value: _behavior({**_both, **value})},
)


def defaults(obj: Obj) -> Obj:
    """Fill the lower bound, the CPU metric and the scaling rules."""
    old = obj.get("spec") or {}
    if _is_v1(obj):
        noted = METRICS_ANNOTATION in ((obj.get("metadata") or {}).get("annotations") or {})
        # As v2 does when such an object is read from the store.
        spec = (_spec if noted else _spec_v1)(old)
    else:
        spec = _spec_v2(old)
    return obj if spec == old else {**obj, "spec": spec}


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if least is not None and least < 1:
        text = "must be greater than or equal to 1"
        errors.append(field.invalid(_SPEC.child("minReplicas"), least, text))
    if most < 1:
        errors.append(field.invalid(_SPEC.child("maxReplicas"), most, "must be greater than 0"))
    if least is not None and most < least:
        text = "must be greater than or equal to `minReplicas`"
        errors.append(field.invalid(_SPEC.child("maxReplicas"), most, text))
    errors += reference_errors(spec.get("scaleTargetRef") or {}, _SPEC.child("scaleTargetRef"))
    percent = spec.get("targetCPUUtilizationPercentage")
    if percent is not None and percent < 1:
        at = _SPEC.child("targetCPUUtilizationPercentage")
        errors.append(field.invalid(at, percent, "must be greater than 0"))
    for number, metric in enumerate(spec.get("metrics") or ()):
        errors += metric_errors(metric, _SPEC.child("metrics").index(number))
    return errors + behavior_errors(spec.get("behavior") or {}, _SPEC.child("behavior"))


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + _spec_errors(new.get("spec") or {})


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    errors = validate_metadata_update(new, old)
    for name in ("currentReplicas", "desiredReplicas"):
        errors += non_negative(new.get("status") or {}, name, Path("status"))
    return errors
