"""Request bodies -> objects: JSON or YAML, of the right kind, with what is unknown or doubled reported as
the client asks.

Source: k8s.io/apiserver/pkg/endpoints/handlers create.go, update.go; fieldValidation (KEP-2885).
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from api.codec import json, protobuf, yaml
from api.codec.json import DecodeError
from api.codec.typed import Conformed
from api.errors import BadRequest, invalid
from api.field import Path, not_supported
from api.resource import Obj, Resource
from api.schemas import schema_of_kind
from api.structure import normalise
from apiserver.http.message import Request
from apiserver.http.negotiate import PROTOBUF, YAML, body_type

STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"


# Brings an object into the form of its kind; raises `DecodeError`.
Conform: TypeAlias = Callable[[Obj], Conformed] | None


def read_object(
    request: Request,
    resource: Resource[Any],
    kind: str = "",
    group_version: str = "",
    conform: Conform = None,
) -> Obj:
    """Return the object that a create or update body holds, with `kind` and `apiVersion` as they must be.

    `kind`, `group_version`: those of a subresource that speaks another kind. `conform`: of a kind that is not
    built in. Raises `BadRequest`, `UnsupportedMediaType`.
    """
    wanted_kind, wanted_version = kind or resource.kind, group_version or resource.group_version
    obj, doubled = _decoded(request, wanted_kind, wanted_version, builtin=conform is None)
    for member in ("kind", "apiVersion"):
        if not isinstance(obj.get(member) or "", str):
            fault = f"cannot unmarshal {json.go_kind(obj[member])} into Go struct field"
            raise BadRequest(
                f"couldn't get version/kind; json parse error: json: {fault} TypeMeta.{member} of type string"
            )
    given_kind, given_version = obj.get("kind") or wanted_kind, obj.get("apiVersion") or wanted_version
    if (given_kind, given_version) != (wanted_kind, wanted_version):
        raise BadRequest(_mismatch(given_version, given_kind, wanted_version, wanted_kind))
    obj["kind"], obj["apiVersion"] = wanted_kind, wanted_version
    return checked(request, wanted_version, wanted_kind, obj, doubled, conform)


def _decoded(request: Request, kind: str, version: str, builtin: bool) -> tuple[Obj, list[str]]:
    media = body_type(request.headers, builtin)
    try:
        if media == YAML:
            obj, faults = yaml.loads_strict(request.body)
            return obj, [yaml.strict_fault(faults)] if faults else []
        if media == PROTOBUF:
            return protobuf.loads(request.body), []
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


def checked(
    request: Request,
    version: str,
    kind: str,
    obj: Obj,
    doubled: Sequence[str] = (),
    conform: Conform = None,
) -> Obj:
    """Return the object as its kind's schema has it: wrong types are refused, unknown fields dropped and
    told.

    They are told by an error, as warnings, or not at all, as the client asks. `doubled` holds faults that are
    worded already. Raises `BadRequest`.
    """
    short = version.rpartition("/")[2]
    conformed = _conformed(version, kind, obj, conform)
    how = validation_of(request)
    if how == IGNORE or not (conformed.unknown or doubled):
        return conformed.obj
    faults = [*json.strict_faults(conformed.unknown, []), *doubled][: json.MAX_STRICT_ERRORS]
    if how == STRICT:
        raise BadRequest(
            f'{kind} in version "{short}" cannot be handled as a {kind}: '
            f"strict decoding error: {', '.join(faults)}"
        )
    for fault in faults:
        request.warn(fault)
    return conformed.obj


def _conformed(version: str, kind: str, obj: Obj, conform: Conform) -> Conformed:
    group, _, short = version.rpartition("/")
    name = "" if conform is not None else schema_of_kind(group, short, kind)
    try:
        if conform is not None:
            return conform(obj)
        return normalise(obj, name) if name else Conformed(obj)
    except DecodeError as error:
        raise BadRequest(f'{kind} in version "{short}" cannot be handled as a {kind}: {error}') from error
