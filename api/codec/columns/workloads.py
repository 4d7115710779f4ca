"""Rows of apps, batch, autoscaling and policy. Source: pkg/printers/internalversion/printers.go (1.36)."""

from datetime import datetime
from typing import Any

from api.codec.columns.layout import (
    NONE,
    UNKNOWN,
    UNSET,
    Layout,
    age,
    condition_status,
    container_cells,
    format_labels,
    format_selector,
    human_duration,
    layout,
    limited,
    name,
    part,
    since,
    template_cells,
)
from api.owners import controller_of
from api.resource import Obj
from api.times import parse_time

_HPA_METRICS = 2


def _deployment(obj: Obj, now: datetime) -> list[Any]:
    spec, status = part(obj, "spec"), part(obj, "status")
    return [
        name(obj),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age(obj, now),
        *template_cells(obj),
        format_selector(spec.get("selector")),
    ]


def _replicaset(obj: Obj, now: datetime) -> list[Any]:
    spec, status = part(obj, "spec"), part(obj, "status")
    return [
        name(obj),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj, now),
        *template_cells(obj),
        format_selector(spec.get("selector")),
    ]


def _statefulset(obj: Obj, now: datetime) -> list[Any]:
    ready, wanted = part(obj, "status").get("readyReplicas", 0), part(obj, "spec").get("replicas", 0)
    return [name(obj), f"{ready}/{wanted}", age(obj, now), *template_cells(obj)]


def _daemonset(obj: Obj, now: datetime) -> list[Any]:
    status = part(obj, "status")
    counts = [
        status.get(field, 0)
        for field in (
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
        )
    ]
    nodes = format_labels(part(obj, "spec", "template", "spec").get("nodeSelector"))
    return [
        name(obj),
        *counts,
        nodes,
        age(obj, now),
        *template_cells(obj),
        format_selector(part(obj, "spec").get("selector")),
    ]


def _controllerrevision(obj: Obj, now: datetime) -> list[Any]:
    owner = controller_of(obj)
    shown = NONE
    if owner:
        group = owner.get("apiVersion", "").rpartition("/")[0]
        kind = ".".join(text for text in (owner.get("kind", ""), group) if text)
        shown = f"{kind.lower()}/{owner.get('name', '')}"
    return [name(obj), shown, obj.get("revision", 0), age(obj, now)]


def _job_status(obj: Obj) -> str:
    true = {
        kind
        for kind in ("Complete", "Failed", "Suspended", "FailureTarget")
        if condition_status(obj, kind) == "True"
    }
    for kind in ("Complete", "Failed"):
        if kind in true:
            return kind
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    return "Suspended" if "Suspended" in true else "FailureTarget" if "FailureTarget" in true else "Running"


def _job(obj: Obj, now: datetime) -> list[Any]:
    spec, status = part(obj, "spec"), part(obj, "status")
    done, wanted = status.get("succeeded", 0), spec.get("completions")
    parallelism = spec.get("parallelism", 0)
    if wanted is not None:
        completions = f"{done}/{wanted}"
    else:
        completions = f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"
    start, end = status.get("startTime"), status.get("completionTime")
    length = human_duration((parse_time(end) if end else now) - parse_time(start)) if start else ""
    return [
        name(obj),
        _job_status(obj),
        completions,
        length,
        age(obj, now),
        *template_cells(obj),
        format_selector(spec.get("selector")),
    ]


def _cronjob(obj: Obj, now: datetime) -> list[Any]:
    spec, status = part(obj, "spec"), part(obj, "status")
    last = status.get("lastScheduleTime")
    job = part(spec, "jobTemplate", "spec")
    suspend = spec.get("suspend")
    return [
        name(obj),
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        UNSET if suspend is None else str(suspend).capitalize(),
        len(status.get("active") or ()),
        since(last, now) if last else NONE,
        age(obj, now),
        *container_cells(part(job, "template", "spec")),
        format_selector(job.get("selector")),
    ]


def _metric(spec: Obj, current: Obj) -> str:
    """Return `cpu: 12%/50%` of one metric of an autoscaler."""
    kind = spec.get("type", "")
    field = kind[:1].lower() + kind[1:]
    wanted, seen = part(spec, field, "target"), part(current, field, "current")
    label = f"{part(spec, field).get('name', '')}: " if kind in ("Resource", "ContainerResource") else ""
    for quantity, mark in (
        ("averageValue", " (avg)" if kind in ("External", "Object") else ""),
        ("value", ""),
    ):
        if quantity in wanted:
            return f"{label}{seen.get(quantity, UNKNOWN)}/{wanted[quantity]}{mark}"
    if "averageUtilization" in wanted:
        now = f"{seen['averageUtilization']}%" if "averageUtilization" in seen else UNKNOWN
        return f"{label}{now}/{wanted['averageUtilization']}%"
    return f"{label}{UNKNOWN}/<auto>" if label else "<unknown type>"


def _metrics(obj: Obj) -> str:
    spec, status = part(obj, "spec"), part(obj, "status")
    if "targetCPUUtilizationPercentage" in spec:
        seen = status.get("currentCPUUtilizationPercentage")
        return f"cpu: {UNKNOWN if seen is None else f'{seen}%'}/{spec['targetCPUUtilizationPercentage']}%"
    metrics, current = spec.get("metrics") or [], status.get("currentMetrics") or []
    if not metrics:
        return NONE
    texts = [_metric(each, current[at] if at < len(current) else {}) for at, each in enumerate(metrics)]
    shown, more = limited(texts, _HPA_METRICS)
    shown = shown.replace(",", ", ")
    return f"{shown} + {more} more..." if more else shown


def _autoscaler(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    target = part(spec, "scaleTargetRef")
    least = spec.get("minReplicas")
    return [
        name(obj),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _metrics(obj),
        UNSET if least is None else str(least),
        spec.get("maxReplicas", 0),
        part(obj, "status").get("currentReplicas", 0),
        age(obj, now),
    ]


def _disruptionbudget(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    return [
        name(obj),
        "N/A" if least is None else str(least),
        "N/A" if most is None else str(most),
        part(obj, "status").get("disruptionsAllowed", 0),
        age(obj, now),
    ]


_WIDE = "Containers*, Images*"
_HPA = layout("Name, Reference, Targets, MinPods, MaxPods, Replicas, Age", _autoscaler)

APPS: dict[str, Layout] = {
    "deployments": layout(f"Name, Ready, Up-to-date, Available, Age, {_WIDE}, Selector*", _deployment),
    "replicasets": layout(
        f"Name, Desired:integer, Current:integer, Ready:integer, Age, {_WIDE}, Selector*", _replicaset
    ),
    "statefulsets": layout(f"Name, Ready, Age, {_WIDE}", _statefulset),
    "daemonsets": layout(
        "Name, Desired:integer, Current:integer, Ready:integer, Up-to-date:integer, Available:integer, "
        f"Node Selector, Age, {_WIDE}, Selector*",
        _daemonset,
    ),
    "controllerrevisions": layout("Name, Controller, Revision, Age", _controllerrevision),
}
BATCH: dict[str, Layout] = {
    "jobs": layout(f"Name, Status, Completions, Duration, Age, {_WIDE}, Selector*", _job),
    "cronjobs": layout(
        f"Name, Schedule, Timezone, Suspend:boolean, Active:integer, Last Schedule, Age, {_WIDE}, Selector*",
        _cronjob,
    ),
}
AUTOSCALING: dict[str, Layout] = {"horizontalpodautoscalers": _HPA}
POLICY: dict[str, Layout] = {
    "poddisruptionbudgets": layout(
        "Name, Min Available, Max Unavailable, Allowed Disruptions:integer, Age", _disruptionbudget
    ),
}
