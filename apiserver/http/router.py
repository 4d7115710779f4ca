"""URL path -> `RequestInfo`: what a request is about. Pure; called by the listener for every request.

    /api/v1/[namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE[/REST...]]]
    /apis/GROUP/VERSION/[namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE[/REST...]]]
    /api/v1/watch/[namespaces/NS/]RESOURCE[/NAME], and so under /apis
    anything else: not a resource request; the verb is the lower-case method

Spec: k8s.io/apiserver/pkg/endpoints/request RequestInfoFactory.NewRequestInfo (1.36).
"""

from collections.abc import Callable, Mapping
from typing import Any

from api.resource import Resource
from apiserver.http.message import RequestInfo

_VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
# Subresources of a namespace; any other third word names a resource inside it.
_NAMESPACE_SUBRESOURCES = ("status", "finalize")

Lookup = Callable[[str, str, str], Resource[Any] | None]


def parse(method: str, path: str, query: Mapping[str, list[str]], lookup: Lookup) -> RequestInfo:
    """Return what a request with this (decoded) path and query is about; `lookup` finds served resources."""
    parts = [part for part in path.split("/") if part]
    group, version, rest = _root(parts)
    if rest is None:
        return RequestInfo(False, path, method.lower())
    verb = _VERBS.get(method, "")
    if rest[0] == "watch" and len(rest) > 1:
        # The old form of a watch, which no client uses that is younger than 1.11.
        verb, rest = "watch" if verb == "get" else "", rest[1:]
    namespace, rest = _namespace(rest)
    resource = rest[0]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if verb == "get" and not name:
        verb = "watch" if _true(query, "watch") else "list"
    elif verb == "delete" and not name:
        verb = "deletecollection"
    if verb in ("list", "watch") and not name:
        name = _named_by_field(query)
    return RequestInfo(
        True,
        path,
        verb,
        group,
        version,
        resource,
        subresource,
        namespace,
        name,
        "/".join(rest[3:]),
        lookup(group, version, resource),
    )


def _root(parts: list[str]) -> tuple[str, str, list[str] | None]:
    if len(parts) > 2 and parts[0] == "api":
        return "", parts[1], parts[2:]
    if len(parts) > 3 and parts[0] == "apis":
        return parts[1], parts[2], parts[3:]
    return "", "", None


def _namespace(parts: list[str]) -> tuple[str, list[str]]:
    if parts[0] != "namespaces" or len(parts) < 2:
        return "", parts
    if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
        return parts[1], parts[2:]
    return parts[1], parts


def _true(query: Mapping[str, list[str]], name: str) -> bool:
    values = query.get(name)
    return bool(values) and values is not None and values[0].lower() not in ("false", "0")


def _named_by_field(query: Mapping[str, list[str]]) -> str:
    """Return NAME of `fieldSelector=metadata.name=NAME`: authorizers may grant a list of one name."""
    values = query.get("fieldSelector")
    if not values or not values[0].startswith("metadata.name="):
        return ""
    name = values[0].removeprefix("metadata.name=")
    return "" if "," in name or "=" in name else name
