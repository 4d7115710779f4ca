"""The options of writes: query parameters and DeleteOptions -> `Operation` and `Deletion`. Pure.

Source: k8s.io/apimachinery/pkg/apis/meta/v1/validation (1.36).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from api import field
from api.codec import json, protobuf, yaml
from api.codec.json import DecodeError
from api.errors import BadRequest, invalid
from api.resource import Obj
from api.structure import normalise
from apiserver.http.message import Request
from apiserver.http.negotiate import APPLY_PATCH, PROTOBUF, YAML, body_type, media_type
from apiserver.rest.body import validation_of
from apiserver.rest.hub import Operation
from apiserver.rest.strategy import Deletion

_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_POLICIES = ("Foreground", "Background", "Orphan")
_KINDS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}


def operation_of(request: Request) -> Operation:
    """Return the options of a create, update or patch request. Raises `Invalid`."""
    kind = _KINDS.get(request.method, "UpdateOptions")
    options: Obj = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    if not request.query:
        return Operation(request.user, False, manager_of(request), request, options)
    dry_run = _dry_run(request.query.get("dryRun"), kind)
    if dry_run:
        options["dryRun"] = ["All"]
    validation_of(request)
    for name in ("fieldManager", "fieldValidation"):
        if value := request.param(name):
            options[name] = value
    return Operation(request.user, dry_run, manager_of(request), request, options)


def manager_of(request: Request) -> str:
    """Return the field manager: as given, else the client's name from its user agent.

    Spec: endpoints/handlers managerOrUserAgent (1.36).
    """
    given = request.param("fieldManager")
    if given or media_type(request.headers) == APPLY_PATCH:
        return given
    return request.headers.get("user-agent", "").partition("/")[0][:128]


def _dry_run(values: list[str] | None, kind: str) -> bool:
    wrong = [value for value in values or () if value != "All"]
    if wrong:
        fault = field.not_supported(field.Path("dryRun"), wrong, ["All"])
        raise invalid("meta.k8s.io", kind, "", [fault])
    return bool(values)


def deletion_of(request: Request) -> tuple[Deletion, Obj]:
    """Return the options of a delete request, from its body or else its query. Raises `BadRequest`,
    `Invalid`."""
    return deletion_from(_body(request) if request.body else _query(request))


def deletion_from(body: Obj) -> tuple[Deletion, Obj]:
    """Return DeleteOptions as the verbs understand them. Raises `Invalid`."""
    faults = _faults(body)
    if faults:
        raise invalid("meta.k8s.io", "DeleteOptions", "", faults)
    preconditions = body.get("preconditions") or {}
    deletion = Deletion(
        grace_s=_grace_s(body.get("gracePeriodSeconds")),
        propagation=body.get("propagationPolicy") or "",
        orphan_dependents=body.get("orphanDependents"),
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        dry_run=_dry_run(body.get("dryRun"), "DeleteOptions"),
    )
    return deletion, {**body, "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}


def _grace_s(given: int | None) -> int | None:
    """Return the grace asked for; less than none counts as one second. Source: rest.BeforeDelete (1.36)."""
    return 1 if given is not None and given < 0 else given


def int64(text: str) -> int:
    """Return the number that a query parameter holds, 0 for none. Raises `BadRequest` in Go's words."""
    try:
        value = int(text or "0")
    except ValueError as error:
        raise BadRequest(f"strconv.ParseInt: parsing {_quoted(text)}: invalid syntax") from error
    if not -(2**63) <= value < 2**63:
        raise BadRequest(f"strconv.ParseInt: parsing {_quoted(text)}: value out of range")
    return value


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _body(request: Request) -> Obj:
    try:
        media = body_type(request.headers) if request.headers.get("content-type") else ""
        if media == PROTOBUF:
            obj = protobuf.loads(request.body)
        else:
            obj = yaml.loads(request.body) if media == YAML else json.loads(request.body)
        obj = normalise(obj, _DELETE_OPTIONS).obj
    except DecodeError as error:
        raise BadRequest(f"DeleteOptions cannot be read: {error}") from error
    if (kind := obj.get("kind") or "DeleteOptions") != "DeleteOptions":
        raise BadRequest(f"decoded object cannot be converted to DeleteOptions: {kind}")
    return {**_query(request), **obj} if request.query else obj


def _query(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if grace := request.param("gracePeriodSeconds"):
        found["gracePeriodSeconds"] = int64(grace)
    if policy := request.param("propagationPolicy"):
        found["propagationPolicy"] = policy
    if orphan := request.param("orphanDependents"):
        found["orphanDependents"] = orphan.lower() in ("true", "1")
    if values := request.query.get("dryRun"):
        found["dryRun"] = list(values)
    return found


def _faults(body: Mapping[str, Any]) -> list[field.FieldError]:
    faults = []
    policy, orphan = body.get("propagationPolicy"), body.get("orphanDependents")
    path = field.Path("propagationPolicy")
    if policy and policy not in _POLICIES:
        faults.append(field.not_supported(path, policy, [*_POLICIES, "nil"]))
    if policy and orphan is not None:
        faults.append(
            field.invalid(path, policy, "orphanDependents and deletionPropagation cannot be both set")
        )
    return faults
