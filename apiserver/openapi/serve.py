"""`/openapi/v2`, `/openapi/v3` and `/openapi/v3/<group version>`: built when first asked for, kept
compressed.

A document's hash (its ETag, and part of the addresses that the v3 index gives out) is that of what it is
made from, so that the index needs no document to exist. Source: k8s.io/kube-openapi pkg/handler3 (1.36).
"""

import asyncio
import gzip
import hashlib
import importlib.metadata
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from api import catalog
from api.crd import publish
from api.errors import NotAcceptable
from api.resource import Resource
from apiserver.customresources.resource import CustomResource
from apiserver.http.message import Request, Response
from apiserver.openapi import definitions, document, operations, wire
from apiserver.openapi.document import build_v2, build_v2_protobuf, build_v3, part_v2, part_v2_protobuf
from apiserver.openapi.wire import ASKED_MEDIA, MEDIA
from apiserver.version import version_info

_V2_PATH, _V3_PATH = "/openapi/v2", "/openapi/v3"
_JSON = "application/json"
# Compressed documents beyond this are unpacked in a thread.
LARGE = 64 << 10


class OpenAPI:
    """Answers the OpenAPI paths for a set of resources."""

    def __init__(self, resources: Iterable[Resource[Any]] = catalog.ALL) -> None:
        self._resources: tuple[Resource[Any], ...] = ()
        # The same by group version (`/apis/apps/v1`).
        self._by_root: dict[str, tuple[Resource[Any], ...]] = {}
        # Compressed documents by path and media type with their tags, and who is building one now.
        self._documents: dict[str, tuple[str, bytes]] = {}
        self._building: dict[str, asyncio.Lock] = {}
        # Tags by the same, and the index, of the present set.
        self._tags: dict[str, str] = {}
        self._index = b""
        # The parts of the v2 documents that describe built-in resources, which never change.
        self._parts: dict[str, Any] = {}
        self.replace(resources)

    def replace(self, resources: Iterable[Resource[Any]]) -> None:
        """Describe another set of resources from now on. The built-in ones among them stay the same."""
        self._resources = tuple(resources)
        by_root: dict[str, list[Resource[Any]]] = {}
        for item in self._resources:
            by_root.setdefault(_root(item), []).append(item)
        self._by_root = {root: tuple(items) for root, items in by_root.items()}
        self._tags.clear()
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
        packed = await self._packed(path, media, tag, served)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(200, packed, media, headers)
        if len(packed) > LARGE:
            return Response(200, await asyncio.to_thread(gzip.decompress, packed), media, headers)
        return Response(200, gzip.decompress(packed), media, headers)

    def _of(self, path: str) -> tuple[Resource[Any], ...]:
        """Return the resources that the document at a path describes."""
        if path == _V2_PATH:
            return self._resources
        return self._by_root.get(path.removeprefix(_V3_PATH), ())

    async def _packed(self, path: str, media: str, tag: str, served: tuple[Resource[Any], ...]) -> bytes:
        key = path + media
        async with self._building.setdefault(key, asyncio.Lock()):
            present, packed = self._documents.get(key, ("", b""))
            if present != tag:
                packed = await asyncio.to_thread(self._built, path, media, served)
                self._documents[key] = (tag, packed)
                self._forget_unserved()
        return packed

    def _forget_unserved(self) -> None:
        """Drop the documents of group versions that are served no more."""
        roots = {f"{_V3_PATH}{root}{_JSON}" for root in self._by_root}
        for key in [key for key in self._documents if key.startswith(_V3_PATH) and key not in roots]:
            del self._documents[key]
            self._building.pop(key, None)

    def _built(self, path: str, media: str, served: tuple[Resource[Any], ...]) -> bytes:
        """Return a document, compressed. Runs in a thread."""
        version = version_info()["gitVersion"]
        if path != _V2_PATH:
            return _pack(build_v3(served, version))
        custom = [item for item in served if isinstance(item, CustomResource)]
        builtin = [item for item in served if not isinstance(item, CustomResource)]
        if media == _JSON:
            if media not in self._parts:
                self._parts[media] = part_v2(builtin)
            return _pack(build_v2(self._parts[media], custom, version))
        if media not in self._parts:
            self._parts[media] = _pack(part_v2_protobuf(builtin))
        return _pack(build_v2_protobuf(gzip.decompress(self._parts[media]), custom, version))

    def _whole_index(self) -> Response:
        if not self._index:
            paths = {
                root[1:]: {"serverRelativeURL": f"{_V3_PATH}{root}?hash={self._tag(_V3_PATH + root)}"}
                for root in self._by_root
            }
            self._index = orjson.dumps({"paths": paths})
        return Response(200, self._index, _JSON)

    def _tag(self, path: str, media: str = _JSON) -> str:
        key = path + media
        if key not in self._tags:
            text = f"{_sources()} {path} {media} {[_told(item) for item in self._of(path)]}"
            self._tags[key] = hashlib.sha512(text.encode()).hexdigest().upper()
        return self._tags[key]


def _told(item: Resource[Any]) -> tuple[Any, ...]:
    """Return what documents say of a resource, in short."""
    told = (item.group_version, item.plural, item.verbs, item.subresources)
    return (*told, item.fingerprint) if isinstance(item, CustomResource) else told


def _root(resource: Resource[Any]) -> str:
    return f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"


@cache
def _sources() -> str:
    """Return what tells apart servers that make other documents of the same resources."""
    made_by = hashlib.sha256()
    for module in (definitions, document, operations, wire, publish):
        made_by.update(Path(str(module.__file__)).read_bytes())
    return f"{importlib.metadata.version('kubernetes-validate')} {version_info()} {made_by.hexdigest()}"


def _pack(whole: bytes) -> bytes:
    return gzip.compress(whole, 6, mtime=0)


def _media(request: Request, path: str) -> str:
    """Return the media type to answer in: JSON if the client takes it. Raises `NotAcceptable`."""
    accept = request.headers.get("accept", "")
    if not accept or _JSON in accept or "*/*" in accept or "application/*" in accept:
        return _JSON
    if path == _V2_PATH and (ASKED_MEDIA in accept or MEDIA in accept):
        return MEDIA
    raise NotAcceptable(f"only the following media types are accepted: {_JSON}")
