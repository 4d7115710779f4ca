"""What autoscaling/v1 says in annotations: metrics, their status and behaviour, in their alpha form.

    v2    {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"averageValue": "1", ...}}}
    v1    {"type": "Pods", "pods": {"metricName": "m", "targetAverageValue": "1"}}

Called by the conversions of autoscalers. Pure. Source: pkg/apis/autoscaling/v1/conversion.go,
staging/src/k8s.io/api/autoscaling/v1/types.go (1.36).
"""

from typing import Any

from api.resource import Obj

_SOURCES = ("object", "external", "pods", "resource", "containerResource")


def spec_to_alpha(metric: Obj) -> Obj:
    """Return a metric of a spec as the annotation holds it."""
    return _each(metric, lambda name, source: _to_alpha(name, source, "target"))


def spec_from_alpha(metric: Obj) -> Obj:
    """Return a metric of a spec from the annotation."""
    return _each(metric, lambda name, source: _from_alpha(name, source, "target"))


def status_to_alpha(metric: Obj) -> Obj:
    """Return a metric of a status as the annotation holds it."""
    return _each(metric, lambda name, source: _to_alpha(name, source, "current"))


def status_from_alpha(metric: Obj) -> Obj:
    """Return a metric of a status from the annotation."""
    return _each(metric, lambda name, source: _from_alpha(name, source, "current"))


def _each(metric: Obj, convert: Any) -> Obj:
    made = {name: convert(name, metric[name]) for name in _SOURCES if metric.get(name) is not None}
    return {"type": metric.get("type", ""), **made}


def _to_alpha(name: str, source: Obj, part: str) -> Obj:
    amount, metric = source.get(part) or {}, source.get("metric") or {}
    value, average = f"{part}Value", f"{part}AverageValue"
    made: Obj = {}
    if name in ("resource", "containerResource"):
        made |= {key: source[key] for key in ("name", "container") if key in source}
        made[f"{part}AverageUtilization"] = amount.get("averageUtilization")
        made[average] = amount.get("averageValue", "0" if part == "current" else None)
        return _kept(made)
    made["metricName"] = metric.get("name", "")
    made["metricSelector" if name == "external" else "selector"] = metric.get("selector")
    if name == "object":
        made["target"] = source.get("describedObject") or {}
        made |= {value: amount.get("value", "0"), "averageValue": amount.get("averageValue")}
    elif name == "pods":
        made[average] = amount.get("averageValue", "0")
    else:
        made |= {value: amount.get("value"), average: amount.get("averageValue")}
    return _kept(made)


def _from_alpha(name: str, source: Obj, part: str) -> Obj:
    average = source.get("averageValue" if name == "object" else f"{part}AverageValue")
    value = source.get(f"{part}Value")
    if name == "object" and average is not None:
        value = None
    utilization = source.get(f"{part}AverageUtilization")
    amount = _kept({"averageUtilization": utilization, "averageValue": average, "value": value})
    if part == "target":
        amount["type"] = _target_type(amount)
    made: Obj = {part: amount}
    if name in ("resource", "containerResource"):
        return made | {key: source[key] for key in ("name", "container") if key in source}
    selector = source.get("metricSelector" if name == "external" else "selector")
    made["metric"] = _kept({"name": source.get("metricName", ""), "selector": selector})
    if name == "object":
        made["describedObject"] = source.get("target") or {}
    return made


def _target_type(amount: Obj) -> str:
    if "averageUtilization" in amount:
        return "Utilization"
    return "AverageValue" if "averageValue" in amount else "Value"


def _kept(fields: Obj) -> Obj:
    return {name: value for name, value in fields.items() if value is not None}


def behavior_to_alpha(behavior: Obj) -> Obj:
    """Return the behaviour with the names that its annotation has: those of the fields in Go."""
    return {_upper(name): _renamed(value, _upper) for name, value in behavior.items()}


def behavior_from_alpha(behavior: Obj) -> Obj:
    """Return the behaviour from its annotation."""
    made: Obj = _renamed(behavior, _lower)
    return made


def _renamed(value: Any, rename: Any) -> Any:
    if isinstance(value, dict):
        return {rename(name): _renamed(item, rename) for name, item in value.items() if item is not None}
    return [_renamed(item, rename) for item in value] if isinstance(value, list) else value


def _upper(name: str) -> str:
    return name[:1].upper() + name[1:]


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
