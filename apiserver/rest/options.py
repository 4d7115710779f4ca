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
from api.field import FieldError
from api.resource import Obj
from api.structure import normalise
from apiserver.http.message import Request
from apiserver.http.negotiate import APPLY_PATCH, PROTOBUF, YAML, body_type, media_type
from apiserver.rest.hub import Operation
from apiserver.rest.strategy import Deletion

_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
# A field manager may be so many bytes long.
_MANAGER_MAX = 128
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_POLICIES = ("Foreground", "Background", "Orphan")
_KINDS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}


def operation_of(request: Request) -> Operation:
    """Return the options of a create, update or patch request. Raises `Invalid`."""
    kind = _KINDS.get(request.method, "UpdateOptions")
    options: Obj = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    if not request.query:
        return Operation(request.user, False, manager_of(request), request, options)
    if faults := _write_faults(request):
        raise invalid("meta.k8s.io", kind, "", faults)
    dry_run = bool(request.query.get("dryRun"))
    if dry_run:
        options["dryRun"] = ["All"]
    for name in ("fieldManager", "fieldValidation"):
        if value := request.param(name):
            options[name] = value
    return Operation(request.user, dry_run, manager_of(request), request, options)


def _write_faults(request: Request) -> list[FieldError]:
    """Spec: apis/meta/v1/validation ValidateCreateOptions, ValidatePatchOptions (1.36)."""
    faults: list[FieldError] = []
    applying = request.method == "PATCH" and media_type(request.headers) == APPLY_PATCH
    manager, path = request.param("fieldManager"), field.Path("fieldManager")
    if request.method == "PATCH" and not applying and "force" in request.query:
        faults.append(field.forbidden(field.Path("force"), "may not be specified for non-apply patch"))
    if len(manager.encode()) > _MANAGER_MAX:
        faults.append(field.too_long(path, _MANAGER_MAX))
    if not manager.isprintable():
        faults.append(field.invalid(path, manager, "should not contain unprintable characters"))
    faults += _dry_run_faults(request.query.get("dryRun"))
    given = request.param("fieldValidation")
    if given not in _VALIDATIONS:
        faults.append(field.not_supported(field.Path("fieldValidation"), given, _VALIDATIONS))
    return faults


def manager_of(request: Request) -> str:
    """Return the field manager: as given, else the client's name from its user agent.

    Spec: endpoints/handlers managerOrUserAgent (1.36).
    """
    given = request.param("fieldManager")
    if given or media_type(request.headers) == APPLY_PATCH:
        return given
    return request.headers.get("user-agent", "").partition("/")[0][:128]


def _dry_run_faults(values: list[str] | None) -> list[FieldError]:
    if all(value == "All" for value in values or ()):
        return []
    return [field.not_supported(field.Path("dryRun"), values, ["All"])]


def boolean(request: Request, name: str) -> bool:
    """Return a boolean parameter as upstream reads it: there, and neither `false` nor `0`."""
    return name in request.query and request.param(name).lower() not in ("false", "0")


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
        dry_run=bool(body.get("dryRun")),
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
        found["orphanDependents"] = orphan.lower() not in ("false", "0")
    if values := request.query.get("dryRun"):
        found["dryRun"] = list(values)
    return found


def _faults(body: Mapping[str, Any]) -> list[FieldError]:
    """Spec: apis/meta/v1/validation ValidateDeleteOptions (1.36)."""
    faults: list[FieldError] = []
    policy, orphan = body.get("propagationPolicy"), body.get("orphanDependents")
    path = field.Path("propagationPolicy")
    if policy and orphan is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        faults.append(field.invalid(path, policy, text))
    if policy and policy not in _POLICIES:
        faults.append(field.not_supported(path, policy, [*_POLICIES, "nil"]))
    return faults + _dry_run_faults(body.get("dryRun"))
