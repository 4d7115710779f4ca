"""HorizontalPodAutoscaler: stored as autoscaling/v2, served as v1 too. Conversions are pure.

Source: pkg/apis/autoscaling/v1/conversion.go (1.36): what v1 cannot say rides in annotations.
"""

from typing import Any

import orjson

from api.resource import Obj

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
_ALL = (METRICS, BEHAVIOR, CONDITIONS, CURRENT_METRICS)


def to_v2(obj: Obj) -> Obj:
    """Return the autoscaling/v2 form of a v1 object."""
    metadata = dict(obj["metadata"])
    notes = dict(metadata.get("annotations") or {})
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    metrics = _loads(notes.get(METRICS)) or []
    target = spec.pop("targetCPUUtilizationPercentage", None)
    if target is not None:
        metrics = [_cpu("target", "averageUtilization", target, "Utilization"), *metrics]
    if metrics:
        spec["metrics"] = metrics
    if behavior := _loads(notes.get(BEHAVIOR)):
        spec["behavior"] = behavior
    current = _loads(notes.get(CURRENT_METRICS)) or []
    percentage = status.pop("currentCPUUtilizationPercentage", None)
    if percentage is not None:
        current = [_cpu("current", "averageUtilization", percentage, ""), *current]
    if current:
        status["currentMetrics"] = current
    if conditions := _loads(notes.get(CONDITIONS)):
        status["conditions"] = conditions
    return _made(
        obj, metadata, {key: value for key, value in notes.items() if key not in _ALL}, spec, status, "v2"
    )


def to_v1(obj: Obj) -> Obj:
    """Return the autoscaling/v1 form of a v2 object."""
    metadata = dict(obj["metadata"])
    notes = dict(metadata.get("annotations") or {})
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    target, others = _split(spec.pop("metrics", None) or [], "target")
    if target is not None:
        spec["targetCPUUtilizationPercentage"] = target
    _note(notes, METRICS, others)
    _note(notes, BEHAVIOR, spec.pop("behavior", None))
    current, rest = _split(status.pop("currentMetrics", None) or [], "current")
    if current is not None:
        status["currentCPUUtilizationPercentage"] = current
    _note(notes, CURRENT_METRICS, rest)
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


def _split(metrics: list[Obj], part: str) -> tuple[int | None, list[Obj]]:
    """Take the first CPU utilization out of the metrics."""
    for number, metric in enumerate(metrics):
        resource = metric.get("resource") or {}
        value = (resource.get(part) or {}).get("averageUtilization")
        if metric.get("type") == "Resource" and resource.get("name") == "cpu" and value is not None:
            return int(value), metrics[:number] + metrics[number + 1 :]
    return None, metrics


def _note(notes: Obj, name: str, value: Any) -> None:
    if value:
        notes[name] = orjson.dumps(value).decode()


def _loads(text: str | None) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None
