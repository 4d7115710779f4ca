"""Metrics by which an autoscaler scales: of the pods' resources, of pods, of another object, of elsewhere.

Spec: pkg/apis/autoscaling/validation validateMetricSpec (1.36).
"""

from typing import Any

from api import field, names
from api.autoscaling.reference import reference_errors
from api.field import FieldError, Path
from api.quantity import parse_quantity
from api.resource import Obj

# Type -> the field that holds the source; in the order in which upstream looks at the fields.
_FIELDS = {
    "Object": "object", "External": "external", "Pods": "pods", "Resource": "resource",
    "ContainerResource": "containerResource",
}  # fmt: skip
_TARGETS = ("Utilization", "Value", "AverageValue")


def metric_errors(metric: Obj, path: Path) -> list[FieldError]:
    """Check one metric: a type, and the source of that type alone."""
    kind, at = metric.get("type", ""), path.child("type")
    errors: list[FieldError] = []
    if not kind:
        errors.append(field.required(at, "must specify a metric source type"))
    if kind not in _FIELDS:
        errors.append(field.not_supported(at, kind, sorted(_FIELDS)))
    given = [name for name in _FIELDS.values() if metric.get(name) is not None]
    if given:
        errors += _source_errors(given[0], metric[given[0]], path.child(given[0]))
    wanted = _FIELDS.get(kind)
    if wanted is not None and wanted not in given:
        text = "must populate information for the given metric source"
        errors.append(field.required(path.child(wanted), text))
    if len(given) != 1:
        text = "must populate the given metric source only"
        errors += [field.forbidden(path.child(name), text) for name in given if name != wanted]
    return errors


def _source_errors(name: str, source: Obj, path: Path) -> list[FieldError]:
    target, at = source.get("target") or {}, path.child("target")
    errors: list[FieldError] = []
    if name == "object":
        errors += reference_errors(source.get("describedObject") or {}, path.child("describedObject"))
    if name in ("resource", "containerResource"):
        return errors + _resource_errors(name, source, path) + _use_errors(target, at)
    errors += _identifier_errors(source.get("metric") or {}, path.child("metric"))
    errors += _target_errors(target, at)
    average, value = target.get("averageValue"), target.get("value")
    if name == "pods":
        if average is None or not _is_positive(average):
            text = "must specify a positive target averageValue"
            errors.append(field.required(at.child("averageValue"), text))
        return errors
    if average is None and value is None:
        text = "must set either a target value for metric or a per-pod target"
        errors.append(field.required(at.child("averageValue"), text))
    if name == "external" and average is not None and value is not None:
        text = "may not set both a target value for metric and a per-pod target"
        errors.append(field.forbidden(at.child("value"), text))
    return errors


def _resource_errors(name: str, source: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if not source.get("name"):
        errors.append(field.required(path.child("name"), "must specify a resource name"))
    if name == "containerResource" and not source.get("container"):
        errors.append(field.required(path.child("container"), "must specify a container"))
    return errors + _target_errors(source.get("target") or {}, path.child("target"))


def _use_errors(target: Obj, path: Path) -> list[FieldError]:
    """Check that the use of a resource is meant as an amount or as a percentage."""
    given = [name for name in ("averageUtilization", "averageValue") if target.get(name) is not None]
    if not given:
        text = "must set either a target raw value or a target utilization"
        return [field.required(path.child("averageUtilization"), text)]
    if len(given) > 1:
        text = "may not set both a target raw value and a target utilization"
        return [field.forbidden(path.child("averageValue"), text)]
    return []


def _identifier_errors(metric: Obj, path: Path) -> list[FieldError]:
    name, at = metric.get("name", ""), path.child("name")
    if not name:
        return [field.required(at, "must specify a metric name")]
    return [field.invalid(at, name, text) for text in names.is_path_segment(name)]


def _target_errors(target: Obj, path: Path) -> list[FieldError]:
    kind, at = target.get("type", ""), path.child("type")
    errors: list[FieldError] = []
    if not kind:
        errors.append(field.required(at, "must specify a metric target type"))
    if kind not in _TARGETS:
        errors.append(field.invalid(at, kind, "must be either Utilization, Value, or AverageValue"))
    errors += [
        field.invalid(path.child(name), target[name], "must be positive")
        for name in ("value", "averageValue")
        if target.get(name) is not None and not _is_positive(target[name])
    ]
    percent = target.get("averageUtilization")
    if percent is not None and percent < 1:
        errors.append(field.invalid(path.child("averageUtilization"), percent, "must be greater than 0"))
    return errors


def _is_positive(quantity: Any) -> bool:
    return parse_quantity(quantity).nano > 0
