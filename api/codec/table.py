"""Objects -> the `Table` that `kubectl get` prints: columns by kind, a row per object.

Called by the API server for clients that accept `as=Table`, and by our own command line. The columns of each
kind are in `api/codec/columns/`. Source: pkg/printers, k8s.io/apiserver/pkg/endpoints/handlers/response.go
(1.36).
"""

from collections.abc import Iterable, Mapping
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
    objects: Iterable[Mapping[str, Any]],
    now: datetime,
    include: str = "Metadata",
    layout: Layout | None = None,
    version: str = "v1",
) -> Obj:
    """Return a `meta.k8s.io` Table; `include` says what each row carries: `None`, `Metadata` or `Object`.

    Each object is let go as soon as its row is made. `layout`: the columns of a custom resource.
    """
    chosen = layout or layout_of(resource)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": {},
        "columnDefinitions": [dict(column) for column in chosen.columns],
        "rows": [_row(resource, dict(obj), chosen, now, include, version) for obj in objects],
    }


def _row(resource: Resource[Any], obj: Obj, layout: Layout, now: datetime, include: str, version: str) -> Obj:
    row: Obj = {"cells": layout.cells(obj, now)}
    if resource.plural == "pods" and not resource.group:
        conditions = row_conditions(obj)
        if conditions:
            row["conditions"] = conditions
    row["object"] = _carried(obj, include, version)
    return row


def _carried(obj: Obj, include: str, version: str) -> Obj | None:
    if include == "Object":
        return obj
    if include == "None":
        return None
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": _shown(obj["metadata"]),
    }


def _shown(metadata: Obj) -> Obj:
    """Return the metadata that a row carries.

    DEVIATION: upstream's have managedFields, which nobody looks for in a table, but which take most of the
    time that kubectl needs to read one of thousands of rows.
    """
    return {key: value for key, value in metadata.items() if key != "managedFields"}
