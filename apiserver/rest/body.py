"""Request bodies -> objects: JSON or YAML, of the right kind, with what is unknown or doubled reported as
the client asks.

Source: k8s.io/apiserver/pkg/endpoints/handlers create.go, update.go; fieldValidation (KEP-2885).
"""

from typing import Any

from api.codec import json, yaml
from api.codec.json import DecodeError
from api.errors import BadRequest, invalid
from api.field import Path, not_supported
from api.resource import Obj, Resource
from apiserver.http.message import Request
from apiserver.http.negotiate import YAML, body_type
from apiserver.rest.structure import unknown_fields

STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"


def read_object(request: Request, resource: Resource[Any], kind: str = "", group_version: str = "") -> Obj:
    """Return the object that a create or update body holds, with `kind` and `apiVersion` as they must be.

    `kind`, `group_version`: those of a subresource that speaks another kind. Raises `BadRequest`,
    `UnsupportedMediaType`.
    """
    wanted_kind, wanted_version = kind or resource.kind, group_version or resource.group_version
    obj, doubled = _decoded(request, wanted_kind, wanted_version)
    given_kind, given_version = obj.get("kind") or wanted_kind, obj.get("apiVersion") or wanted_version
    if (given_kind, given_version) != (wanted_kind, wanted_version):
        raise BadRequest(_mismatch(given_version, given_kind, wanted_version, wanted_kind))
    obj["kind"], obj["apiVersion"] = wanted_kind, wanted_version
    report(
        request, wanted_version, wanted_kind, obj, doubled, "create" if request.method == "POST" else "update"
    )
    return obj


def _decoded(request: Request, kind: str, version: str) -> tuple[Obj, list[str]]:
    media = body_type(request.headers)
    try:
        if media == YAML:
            obj, faults = yaml.loads_strict(request.body)
            return obj, [yaml.strict_fault(faults)] if faults else []
        obj = json.loads(request.body)
    except DecodeError as error:
        short = version.rpartition("/")[2]
        raise BadRequest(f'{kind} in version "{short}" cannot be handled as a {kind}: {error}') from error
    if validation_of(request) == IGNORE:
        return obj, []
    return obj, json.strict_faults([], json.duplicate_fields(request.body, obj))


def _mismatch(given_version: str, given_kind: str, wanted_version: str, wanted_kind: str) -> str:
    if given_kind == wanted_kind:
        return (
            f"the API version in the data ({given_version}) does not match the expected API version "
            f"({wanted_version})"
        )
    return (
        f'{given_kind} in version "{given_version.rpartition("/")[2]}" cannot be handled as a {wanted_kind}: '
        + (f'no kind "{given_kind}" is registered for version "{given_version}"')
    )


def validation_of(request: Request) -> str:
    """Return Strict, Warn or Ignore. Raises `Invalid` for anything else."""
    given = request.param("fieldValidation", WARN) or WARN
    if given not in (STRICT, WARN, IGNORE):
        fault = not_supported(Path("fieldValidation"), given, ["", IGNORE, STRICT, WARN])
        raise invalid(
            "meta.k8s.io", "CreateOptions" if request.method == "POST" else "UpdateOptions", "", [fault]
        )
    return given


def report(request: Request, version: str, kind: str, obj: Obj, doubled: list[str], verb: str) -> None:
    """Drop what the schema does not know, and tell it: by an error, as warnings, or not at all.

    `doubled` holds faults that are worded already. Raises `BadRequest` in Strict mode.
    """
    unknown = unknown_fields(version, kind, obj)
    how = validation_of(request)
    if how == IGNORE or not (unknown or doubled):
        return
    faults = [*json.strict_faults(unknown, []), *doubled][: json.MAX_STRICT_ERRORS]
    if how == STRICT:
        short = version.rpartition("/")[2]
        raise BadRequest(
            f'{kind} in version "{short}" cannot be handled as a {kind}: '
            f"strict decoding error: {', '.join(faults)}"
        )
    for fault in faults:
        request.warn(fault)
