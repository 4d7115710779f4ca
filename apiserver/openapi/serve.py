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
from apiserver.openapi.document import build_v2, build_v3
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
        _check_accept(request, path)
        tag = self._tag(path)
        headers = {"ETag": f'"{tag}"', "Vary": "Accept-Encoding, Accept"}
        if request.param("hash") == tag:
            headers["Cache-Control"] = "public, immutable"
        if tag in request.headers.get("if-none-match", ""):
            return Response(304, b"", _JSON, headers)
        packed = await self._packed(path, served)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(200, packed, _JSON, headers)
        return Response(200, gzip.decompress(packed), _JSON, headers)

    def _of(self, path: str) -> tuple[Resource[Any], ...]:
        """Return the resources that the document at a path describes."""
        if path == _V2_PATH:
            return self._resources
        return tuple(item for item in self._resources if path == f"{_V3_PATH}{_root(item)}")

    async def _packed(self, path: str, served: tuple[Resource[Any], ...]) -> bytes:
        lock = self._building.setdefault(path, asyncio.Lock())
        async with lock:
            packed = self._documents.get(path)
            if packed is None:
                build = build_v2 if path == _V2_PATH else build_v3
                packed = await asyncio.to_thread(_pack, build, served)
                if served == self._of(path):
                    self._documents[path] = packed
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

    def _tag(self, path: str) -> str:
        told = [(item.group_version, item.plural, item.verbs, item.subresources) for item in self._of(path)]
        text = f"{_sources()} {path} {told}"
        return hashlib.sha512(text.encode()).hexdigest().upper()


def _root(resource: Resource[Any]) -> str:
    return f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"


def _sources() -> str:
    return f"{importlib.metadata.version('kubernetes-validate')} {version_info()}"


def _pack(build: Callable[[Any, str], bytes], served: tuple[Resource[Any], ...]) -> bytes:
    return gzip.compress(build(served, version_info()["gitVersion"]), 6, mtime=0)


def _check_accept(request: Request, path: str) -> None:
    """Refuse clients that take protobuf alone: old ones then go on without a schema, instead of misreading
    it."""
    accept = request.headers.get("accept", "")
    if accept and _JSON not in accept and "*/*" not in accept and "application/*" not in accept:
        raise NotAcceptable(f"only the following media types are accepted: {_JSON}")
