"""The typed client: verbs over resources, whatever the transport.

Errors are the classes of `api.errors`, and `Unreachable`.

client = Client(HTTPTransport(kubeconfig.load(path)))
pod = await client.get(PODS, "web-1", "default")
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast

import orjson

from api import errors
from api.resource import Resource
from client.transport import RawRequest, RawResponse, Transport

T = TypeVar("T", bound=Mapping[str, Any])
PatchKind: TypeAlias = Literal["json", "merge", "strategic", "apply"]
EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]

_PATCH_TYPES: dict[str, str] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_JSON = {"Content-Type": "application/json"}
# What to ask for when only metadata matters; a server that cannot do it sends the whole object.
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"


@dataclass(slots=True)
class ObjectList(Generic[T]):
    """One page of a list. Items bear `apiVersion` and `kind` even if the server leaves them out."""

    items: list[T]
    resource_version: str
    continue_token: str = ""
    remaining: int = 0


@dataclass(slots=True)
class WatchEvent(Generic[T]):
    """One change. A bookmark's object holds nothing but `metadata.resourceVersion` (and annotations)."""

    type: EventType
    object: T


class Client:
    """Verbs. `field_manager` is sent with every write that names none."""

    def __init__(self, transport: Transport, field_manager: str = "") -> None:
        self.transport = transport
        self._field_manager = field_manager

    async def get(
        self,
        resource: Resource[T],
        name: str,
        namespace: str = "",
        subresource: str = "",
        resource_version: str = "",
    ) -> T:
        """Return one object, or its subresource."""
        query = _query(resourceVersion=resource_version)
        return cast(T, await self._json("GET", resource.path(namespace, name, subresource), query))

    async def list(  # noqa: PLR0913 - the parameters of the API
        self,
        resource: Resource[T],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
        metadata_only: bool = False,
    ) -> ObjectList[T]:
        """Return one page; `limit` 0 asks for everything. Raises `Expired` if a continue token is too old."""
        query = _query(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=str(limit) if limit else "",
            resourceVersion=resource_version,
            **{"continue": continue_token},
        )
        headers = {"Accept": METADATA_LIST} if metadata_only else {}
        body = await self._json("GET", resource.path(namespace), query, headers=headers)
        return _object_list(resource, body)

    async def watch(  # noqa: PLR0913 - the parameters of the API
        self,
        resource: Resource[T],
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_s: float = 0,
        bookmarks: bool = True,
        metadata_only: bool = False,
    ) -> AsyncGenerator[WatchEvent[T], None]:
        """Yield changes after `resource_version` until the server ends the watch. Raises `Gone`."""
        query = _query(
            watch="true",
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            timeoutSeconds=str(int(timeout_s)) if timeout_s else "",
            allowWatchBookmarks="true" if bookmarks else "",
        )
        headers = {"Accept": _METADATA} if metadata_only else {}
        request = RawRequest("GET", resource.path(namespace), query, headers=headers)
        async with self.transport.stream(request) as response:
            if response.status != 200:
                raise _error(response.status, await response.read())
            rest = b""
            async for piece in response.pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if line:
                        yield _event(line)

    async def create(
        self,
        resource: Resource[T],
        obj: Mapping[str, Any],
        namespace: str = "",
        *,
        subresource: str = "",
        name: str = "",
        field_manager: str = "",
    ) -> T:
        """Create an object, or post to the subresource of the object `name` (`binding`, `token`)."""
        path = resource.path(namespace or _namespace(resource, obj), name, subresource)
        query = _query(fieldManager=field_manager or self._field_manager)
        return cast(T, await self._json("POST", path, query, orjson.dumps(obj), _JSON))

    async def update(
        self,
        resource: Resource[T],
        obj: Mapping[str, Any],
        namespace: str = "",
        *,
        subresource: str = "",
        field_manager: str = "",
    ) -> T:
        """Replace an object; a `resourceVersion` in it must be the current one. Raises `Conflict`."""
        path = resource.path(
            namespace or _namespace(resource, obj), str(obj["metadata"]["name"]), subresource
        )
        query = _query(fieldManager=field_manager or self._field_manager)
        return cast(T, await self._json("PUT", path, query, orjson.dumps(obj), _JSON))

    async def patch(  # noqa: PLR0913 - the parameters of the API
        self,
        resource: Resource[T],
        name: str,
        namespace: str = "",
        body: Any = None,
        *,
        kind: PatchKind = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> T:
        """Patch an object. `body` is the patch as JSON values; `force` takes fields over (apply only)."""
        query = _query(
            fieldManager=field_manager or self._field_manager or ("pelamis" if kind == "apply" else ""),
            force="true" if force and kind == "apply" else "",
        )
        headers = {"Content-Type": _PATCH_TYPES[kind]}
        path = resource.path(namespace, name, subresource)
        return cast(T, await self._json("PATCH", path, query, orjson.dumps(body), headers))

    async def delete(
        self,
        resource: Resource[Any],
        name: str,
        namespace: str = "",
        *,
        grace_period_s: int | None = None,
        propagation: str = "",
        uid: str = "",
        resource_version: str = "",
    ) -> dict[str, Any]:
        """Delete an object, only if `uid` and `resource_version`, where given, are its own."""
        wanted = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {key: value for key, value in wanted.items() if value}
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = grace_period_s
        if propagation:
            options["propagationPolicy"] = propagation
        if preconditions:
            options["preconditions"] = preconditions
        path = resource.path(namespace, name)
        return cast(dict[str, Any], await self._json("DELETE", path, {}, orjson.dumps(options), _JSON))

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> RawResponse:
        """Send anything anywhere and return the answer, whatever its status."""
        return await self.transport.request(RawRequest(method, path, query or {}, body, headers or {}))

    async def close(self) -> None:
        await self.transport.close()

    async def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        response = await self.transport.request(RawRequest(method, path, query, body, headers or {}))
        if response.status >= 300:
            raise _error(response.status, response.body)
        return orjson.loads(response.body)


def _query(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _namespace(resource: Resource[Any], obj: Mapping[str, Any]) -> str:
    if not resource.namespaced:
        return ""
    return str((obj.get("metadata") or {}).get("namespace") or "")


def _object_list(resource: Resource[T], body: Mapping[str, Any]) -> ObjectList[T]:
    metadata = body.get("metadata") or {}
    items = body.get("items") or []
    for item in items:
        item.setdefault("kind", resource.kind)
        item.setdefault("apiVersion", resource.group_version)
    return ObjectList(
        items,
        str(metadata.get("resourceVersion", "")),
        metadata.get("continue") or "",
        int(metadata.get("remainingItemCount") or 0),
    )


def _event(line: bytes) -> WatchEvent[Any]:
    event = orjson.loads(line)
    if event["type"] == "ERROR":
        status = event["object"]
        raise errors.from_status(int(status.get("code") or 500), status)
    return WatchEvent(event["type"], event["object"])


def _error(status: int, body: bytes) -> errors.StatusError:
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        decoded = {}
    if not isinstance(decoded, dict):
        decoded = {}
    decoded.setdefault("message", body.decode(errors="replace")[:1024].strip())
    return errors.from_status(status, decoded)
