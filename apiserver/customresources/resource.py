"""Served versions of custom resources: the tokens made of their definitions, and in which order. Pure.

A token carries what the generic layers ask of a kind that is not built in: its schema, its columns, its
scale. Called by `serving.py`; looked at by `rest/` and `openapi/`.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from api.codec.columns.layout import Layout
from api.conditions import is_true
from api.crd.columns import columns_of
from api.crd.scale import Scale
from api.crd.structural import Structural
from api.resource import Obj, Resource

# Verbs of a resource whose definition is being deleted, as discovery tells them.
LAST_VERBS = ("delete", "deletecollection", "get", "list", "watch")
_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_KUBE_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?", re.ASCII)
_STAGES = {"": 2, "beta": 1, "alpha": 0}


@dataclass(frozen=True, eq=False)
class CustomResource(Resource[Any]):
    """One version of a custom resource. `version`: its element of the definition's `spec.versions`."""

    definition: Obj = field(default_factory=dict, repr=False)
    spec: Obj = field(default_factory=dict, repr=False)

    @cached_property
    def structural(self) -> Structural:
        """The compiled schema: some milliseconds of work for a large one."""
        return Structural.compile(self.spec)

    @cached_property
    def columns(self) -> Layout:
        return columns_of(self.spec)

    @cached_property
    def scale(self) -> Scale | None:
        scale = (self.spec.get("subresources") or {}).get("scale")
        return Scale.of(scale) if scale else None

    @cached_property
    def deprecation(self) -> str:
        """What clients of a deprecated version are told; "" for any other.

        Spec: customresource_handler.go defaultDeprecationWarning (1.36).
        """
        if not self.spec.get("deprecated"):
            return ""
        if warning := self.spec.get("deprecationWarning"):
            return str(warning)
        better = [
            item["name"]
            for item in self.definition["spec"]["versions"]
            if item.get("served")
            and not item.get("deprecated")
            and version_rank(item["name"]) < version_rank(self.version)
        ]
        told = f"{self.group_version} {self.kind} is deprecated"
        if not better:
            return told
        return f"{told}; use {self.group}/{min(better, key=version_rank)} {self.kind}"

    @property
    def name(self) -> str:
        """The definition's name."""
        return str(self.definition["metadata"]["name"])

    @property
    def schema_name(self) -> str:
        """The name of the kind in OpenAPI documents: `com.example.stable.v1.CronTab`."""
        return ".".join([*reversed(self.group.split(".")), self.version, self.kind])

    @property
    def list_schema_name(self) -> str:
        return self.schema_name.removesuffix(self.kind) + self.list_kind

    @cached_property
    def fingerprint(self) -> str:
        """What tells apart two tokens whose documents differ."""
        told = [self.spec, self.namespaced, self.kind, self.list_kind]
        return hashlib.sha256(orjson.dumps(told)).hexdigest()


def resources_of(definition: Obj) -> list[CustomResource]:
    """Return the tokens of all versions of a definition with accepted names, served or not."""
    spec = definition["spec"]
    names = (definition.get("status") or {}).get("acceptedNames") or {}
    return [
        CustomResource(
            spec["group"],
            version["name"],
            names.get("plural", ""),
            names.get("kind", ""),
            spec["scope"] == "Namespaced",
            names.get("singular", ""),
            tuple(names.get("shortNames") or ()),
            tuple(names.get("categories") or ()),
            tuple(name for name in ("scale", "status") if name in (version.get("subresources") or {})),
            _VERBS,
            names.get("listKind", ""),
            definition,
            version,
        )
        for version in spec["versions"]
    ]


def stored_version(definition: Obj) -> str:
    """Return the name of the version in which objects are written to the store. Raises `ValueError`."""
    (name,) = [version["name"] for version in definition["spec"]["versions"] if version.get("storage")]
    return str(name)


def is_established(definition: Obj) -> bool:
    return is_true((definition.get("status") or {}).get("conditions"), "Established")


def is_terminating(definition: Obj) -> bool:
    return is_true((definition.get("status") or {}).get("conditions"), "Terminating")


def in_order(resources: Iterable[CustomResource]) -> list[CustomResource]:
    """Return resources by group, in each group the preferred versions first.

    Spec: apimachinery/pkg/version CompareKubeAwareVersionStrings (1.36).
    """
    return sorted(resources, key=lambda item: (item.group, version_rank(item.version), item.plural))


def version_rank(version: str) -> tuple[int, int, int, int, str]:
    """Return what sorts `v2` before `v1`, that before `v1beta1`, `v1alpha1` and any other name."""
    found = _KUBE_VERSION.fullmatch(version)
    if found is None:
        return (1, 0, 0, 0, version)
    major, stage, minor = found.groups()
    return (0, -_STAGES[stage or ""], -int(major), -int(minor or 0), "")
