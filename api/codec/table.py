"""Objects -> the `Table` that `kubectl get` prints: columns by kind, a row per object.

Called by the API server for clients that accept `as=Table`, and by our own command line. The columns of each
kind are in `api/codec/columns/`. Source: pkg/printers, k8s.io/apiserver/pkg/endpoints/handlers/response.go
(1.36).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from api.codec.columns import cluster, core, workloads
from api.codec.columns.layout import Layout, human_duration
from api.codec.columns.pods import row_conditions
from api.resource import Obj, Resource

_LAYOUTS: Mapping[str, Mapping[str, Layout]] = {
    "": core.LAYOUTS,
    "apps": workloads.APPS,
    "batch": workloads.BATCH,
    "autoscaling": workloads.AUTOSCALING,
    "policy": workloads.POLICY,
    **cluster.GROUPS,
}

__all__ = ["columns_of", "human_duration", "layout_of", "to_table"]


def layout_of(resource: Resource[Any]) -> Layout:
    """Return the columns of a resource; those of unknown ones are its name and time of creation."""
    return _LAYOUTS.get(resource.group, {}).get(resource.plural, cluster.CREATED)


def columns_of(resource: Resource[Any]) -> list[Obj]:
    """Return the `columnDefinitions` of a resource."""
    return [dict(column) for column in layout_of(resource).columns]


def to_table(
    resource: Resource[Any],
    objects: Sequence[Mapping[str, Any]],
    now: datetime,
    include: str = "Metadata",
    layout: Layout | None = None,
) -> Obj:
    """Return a `meta.k8s.io/v1` Table; `include` says what each row carries: `None`, `Metadata` or `Object`.

    `layout`: the columns of a custom resource.
    """
    chosen = layout or layout_of(resource)
    rows = [_row(resource, dict(obj), chosen, now, include) for obj in objects]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": [dict(column) for column in chosen.columns],
        "rows": rows,
    }


def _row(resource: Resource[Any], obj: Obj, layout: Layout, now: datetime, include: str) -> Obj:
    row: Obj = {"cells": layout.cells(obj, now)}
    if resource.plural == "pods" and not resource.group:
        conditions = row_conditions(obj)
        if conditions:
            row["conditions"] = conditions
    carried = _carried(obj, include)
    if carried is not None:
        row["object"] = carried
    return row


def _carried(obj: Obj, include: str) -> Obj | None:
    if include == "Object":
        return obj
    if include == "None":
        return None
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
