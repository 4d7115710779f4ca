"""HorizontalPodAutoscalers, v1 and v2. Spec: pkg/apis/autoscaling/v2/defaults.go, validation (1.36)."""

from api import field, names
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_MAX_WINDOW_S = 3600
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
_FIELDS = {
    "Resource": "resource", "Pods": "pods", "Object": "object", "External": "external",
    "ContainerResource": "containerResource",
}  # fmt: skip


def _is_v1(obj: Obj) -> bool:
    return bool(obj.get("apiVersion", "").endswith("/v1"))


_spec = defaulting(absent={"minReplicas": 1})
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
    spec = (_spec if _is_v1(obj) else _spec_v2)(old)
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
    errors += _target_errors(spec.get("scaleTargetRef") or {}, _SPEC.child("scaleTargetRef"))
    percent = spec.get("targetCPUUtilizationPercentage")
    if percent is not None and percent < 1:
        at = _SPEC.child("targetCPUUtilizationPercentage")
        errors.append(field.invalid(at, percent, "must be greater than 0"))
    for number, metric in enumerate(spec.get("metrics") or ()):
        errors += _metric_errors(metric, _SPEC.child("metrics").index(number))
    for name in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(name) or {}
        errors += _rules_errors(rules, _SPEC.child("behavior").child(name))
    return errors


def _target_errors(target: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in ("kind", "name"):
        value = target.get(name, "")
        if not value:
            errors.append(field.required(path.child(name)))
        errors += [
            field.invalid(path.child(name), value, text)
            for text in (names.is_path_segment(value) if value else ())
        ]
    return errors


def _metric_errors(metric: Obj, path: Path) -> list[FieldError]:
    kind = metric.get("type", "")
    if kind not in _FIELDS:
        at = path.child("type")
        return [
            field.not_supported(at, kind, sorted(_FIELDS))
            if kind
            else field.required(at, "must specify a metric source type")
        ]
    name = _FIELDS[kind]
    if metric.get(name) is None:
        return [field.required(path.child(name), f"must populate the given metric source ({name})")]
    target = metric[name].get("target") or {}
    if target.get("averageUtilization", 1) < 1:
        at = path.child(name).child("target").child("averageUtilization")
        return [field.invalid(at, target["averageUtilization"], "must be greater than 0")]
    if not {"averageUtilization", "averageValue", "value"} & set(target):
        at = path.child(name).child("target").child("averageUtilization")
        return [field.required(at, "must set either a target raw value or a target utilization")]
    return []


def _rules_errors(rules: Obj, path: Path) -> list[FieldError]:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and not 0 <= window <= _MAX_WINDOW_S:
        at = path.child("stabilizationWindowSeconds")
        text = (
            "must be greater than or equal to zero"
            if window < 0
            else f"must be less than or equal to {_MAX_WINDOW_S}"
        )
        return [field.invalid(at, window, text)]
    return []


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + _spec_errors(new.get("spec") or {})
