"""HorizontalPodAutoscaler: stored as autoscaling/v2, served as v1 too. Conversions are pure.

Source: pkg/apis/autoscaling/v1/conversion.go (1.36): what v1 cannot say rides in annotations.
"""

from typing import Any

import orjson

from api.autoscaling.horizontalpodautoscaler import METRICS_ANNOTATION
from api.resource import Obj
from apiserver.resources.autoscaling import alpha

METRICS = METRICS_ANNOTATION
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
_ALL = (METRICS, BEHAVIOR, CONDITIONS, CURRENT_METRICS)


def to_v2(obj: Obj) -> Obj:
    """Return the autoscaling/v2 form of a v1 object."""
    metadata = dict(obj["metadata"])
    notes = dict(metadata.get("annotations") or {})
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    metrics = [alpha.spec_from_alpha(metric) for metric in _list(notes.get(METRICS))]
    target = spec.pop("targetCPUUtilizationPercentage", None)
    if target is not None:
        metrics.append(_cpu("target", "averageUtilization", target, "Utilization"))
    if metrics:
        spec["metrics"] = metrics
    if behavior := _loads(notes.get(BEHAVIOR)):
        spec["behavior"] = alpha.behavior_from_alpha(behavior)
    current = [alpha.status_from_alpha(metric) for metric in _list(notes.get(CURRENT_METRICS))]
    percentage = status.pop("currentCPUUtilizationPercentage", None)
    if percentage is not None and not current:
        current = [_cpu("current", "averageUtilization", percentage, "")]
    if current:
        status["currentMetrics"] = current
    if conditions := _list(notes.get(CONDITIONS)):
        status["conditions"] = conditions
    return _made(
        obj, metadata, {key: value for key, value in notes.items() if key not in _ALL}, spec, status, "v2"
    )


def to_v1(obj: Obj) -> Obj:
    """Return the autoscaling/v1 form of a v2 object."""
    metadata = dict(obj["metadata"])
    notes = dict(metadata.get("annotations") or {})
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    target, others = _split(spec.pop("metrics", None) or [])
    if target is not None:
        spec["targetCPUUtilizationPercentage"] = target
    _note(notes, METRICS, [alpha.spec_to_alpha(metric) for metric in others])
    _note(notes, BEHAVIOR, alpha.behavior_to_alpha(spec.pop("behavior", None) or {}))
    current = status.pop("currentMetrics", None) or []
    # All of them, for the field of v1 has no room for the amount beside the percentage.
    _note(notes, CURRENT_METRICS, [alpha.status_to_alpha(metric) for metric in current])
    for metric in current:
        percentage = _cpu_percentage(metric, "current")
        if percentage is not None:
            status["currentCPUUtilizationPercentage"] = percentage
    _note(notes, CONDITIONS, status.pop("conditions", None))
    return _made(obj, metadata, notes, spec, status, "v1")


def _made(obj: Obj, metadata: Obj, notes: Obj, spec: Obj, status: Obj, version: str) -> Obj:
    metadata.pop("annotations", None)
    if notes:
        metadata["annotations"] = notes
    made = {
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": f"autoscaling/{version}",
        "metadata": metadata,
        "spec": spec,
    }
    return {**made, "status": status} if "status" in obj else made


def _cpu(part: str, name: str, value: int, kind: str) -> Obj:
    inner: Obj = {"type": kind, name: value} if kind else {name: value}
    return {"type": "Resource", "resource": {"name": "cpu", part: inner}}


def _split(metrics: list[Obj]) -> tuple[int | None, list[Obj]]:
    """Take the CPU utilization out of the metrics."""
    found = [_cpu_percentage(metric, "target") for metric in metrics]
    others = [metric for metric, percentage in zip(metrics, found, strict=True) if percentage is None]
    return next((percentage for percentage in found if percentage is not None), None), others


def _cpu_percentage(metric: Obj, part: str) -> int | None:
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    value: int | None = (resource.get(part) or {}).get("averageUtilization")
    return value


def _note(notes: Obj, name: str, value: Any) -> None:
    if value:
        notes[name] = orjson.dumps(value).decode()


def _loads(text: str | None) -> Obj:
    """Return the object in an annotation; what users wrote wrong there counts as nothing, as upstream."""
    found = _parsed(text)
    return found if isinstance(found, dict) else {}


def _list(text: str | None) -> list[Obj]:
    found = _parsed(text)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _parsed(text: str | None) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None
