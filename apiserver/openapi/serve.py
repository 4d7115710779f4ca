"""`/openapi/v2`, `/openapi/v3` and `/openapi/v3/<group version>`: built when first asked for, kept
compressed.

A document's hash (its ETag, and part of the addresses that the v3 index gives out) is that of what it is
made from, so that the index needs no document to exist. Source: k8s.io/kube-openapi pkg/handler3 (1.36).
"""

import asyncio
import gzip
import hashlib
import importlib.metadata
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from api import catalog
from api.errors import NotAcceptable
from api.resource import Resource
from apiserver.http.message import Request, Response
from apiserver.openapi.document import build_v2, build_v2_protobuf, build_v3
from apiserver.openapi.wire import ASKED_MEDIA, MEDIA
from apiserver.version import version_info

_V2_PATH, _V3_PATH = "/openapi/v2", "/openapi/v3"
_JSON = "application/json"


class OpenAPI:
    """Answers the OpenAPI paths for a set of resources."""

    def __init__(self, resources: Iterable[Resource[Any]] = catalog.ALL) -> None:
        self._resources: tuple[Resource[Any], ...] = ()
        # Compressed documents by path, and who is building one now.
        self._documents: dict[str, bytes] = {}
        self._building: dict[str, asyncio.Lock] = {}
        self._index = b""
        self.replace(resources)

    def replace(self, resources: Iterable[Resource[Any]]) -> None:
        """Describe another set of resources from now on."""
        self._resources = tuple(resources)
        self._documents.clear()
        self._index = b""

    async def handle(self, request: Request) -> Response | None:
        """Answer a request below `/openapi`; None if there is nothing at its path."""
        path = request.path.rstrip("/")
        if path == _V3_PATH:
            return self._whole_index()
        served = self._of(path)
        if not served:
            return None
        media = _media(request, path)
        tag = self._tag(path, media)
        headers = {"ETag": f'"{tag}"', "Vary": "Accept-Encoding, Accept"}
        if request.param("hash") == tag:
            headers["Cache-Control"] = "public, immutable"
        if tag in request.headers.get("if-none-match", ""):
            return Response(304, b"", media, headers)
        packed = await self._packed(path, media, served)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(200, packed, media, headers)
        return Response(200, gzip.decompress(packed), media, headers)

    def _of(self, path: str) -> tuple[Resource[Any], ...]:
        """Return the resources that the document at a path describes."""
        if path == _V2_PATH:
            return self._resources
        return tuple(item for item in self._resources if path == f"{_V3_PATH}{_root(item)}")

    async def _packed(self, path: str, media: str, served: tuple[Resource[Any], ...]) -> bytes:
        key = path + media
        lock = self._building.setdefault(key, asyncio.Lock())
        async with lock:
            packed = self._documents.get(key)
            if packed is None:
                packed = await asyncio.to_thread(_pack, _builder(path, media), served)
                if served == self._of(path):
                    self._documents[key] = packed
        return packed

    def _whole_index(self) -> Response:
        if not self._index:
            roots = dict.fromkeys(_root(item) for item in self._resources)
            paths = {
                root[1:]: {"serverRelativeURL": f"{_V3_PATH}{root}?hash={self._tag(_V3_PATH + root)}"}
                for root in roots
            }
            self._index = orjson.dumps({"paths": paths})
        return Response(200, self._index, _JSON)

    def _tag(self, path: str, media: str = _JSON) -> str:
        told = [(item.group_version, item.plural, item.verbs, item.subresources) for item in self._of(path)]
        text = f"{_sources()} {path} {media} {told}"
        return hashlib.sha512(text.encode()).hexdigest().upper()


def _root(resource: Resource[Any]) -> str:
    return f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"


def _sources() -> str:
    return f"{importlib.metadata.version('kubernetes-validate')} {version_info()}"


def _pack(build: Callable[[Any, str], bytes], served: tuple[Resource[Any], ...]) -> bytes:
    return gzip.compress(build(served, version_info()["gitVersion"]), 6, mtime=0)


def _builder(path: str, media: str) -> Callable[[Any, str], bytes]:
    if path != _V2_PATH:
        return build_v3
    return build_v2 if media == _JSON else build_v2_protobuf


def _media(request: Request, path: str) -> str:
    """Return the media type to answer in: JSON if the client takes it. Raises `NotAcceptable`."""
    accept = request.headers.get("accept", "")
    if not accept or _JSON in accept or "*/*" in accept or "application/*" in accept:
        return _JSON
    if path == _V2_PATH and (ASKED_MEDIA in accept or MEDIA in accept):
        return MEDIA
    raise NotAcceptable(f"only the following media types are accepted: {_JSON}")
