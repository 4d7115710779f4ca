"""The OpenAPI paths with the documents of remote servers among ours.

    /openapi/v3                         our index and their group versions, with their documents' hashes
    /openapi/v3/apis/GROUP/VERSION      of a remote one: passed on
    /openapi/v2                         one document of all

Without remote servers every request goes straight to our own documents. DEVIATION: the protobuf form of v2,
for kubectl up to 1.28, tells of our own resources alone.
Source: kube-aggregator/pkg/controllers/{openapi,openapiv3}/aggregator (1.36).
"""

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import orjson

from api.resource import Obj
from apiserver.aggregation import documents
from apiserver.aggregation.backend import AGGREGATOR, Backend
from apiserver.aggregation.connections import Connections
from apiserver.aggregation.proxy import relay
from apiserver.aggregation.remote import Description
from apiserver.http.message import Answer, Request, Response
from apiserver.openapi.serve import OpenAPI

_V2, _V3 = "/openapi/v2", "/openapi/v3"
_JSON = "application/json"


class MergedOpenAPI:
    """Answers the OpenAPI paths; `replace` says which remote group versions there are."""

    def __init__(self, own: OpenAPI, connections: Connections) -> None:
        self._own = own
        self._connections = connections
        self._remote: dict[str, tuple[Backend, Description]] = {}
        # The merged v2 document, packed, and the tag of what it was made of.
        self._merged: tuple[str, bytes] = ("", b"")
        self._lock = asyncio.Lock()

    def replace(self, remote: Mapping[str, tuple[Backend, Description]]) -> None:
        """Tell of these from now on, by `/apis/GROUP/VERSION`."""
        self._remote = dict(remote)

    async def handle(self, request: Request) -> Answer | None:
        """Answer a request below `/openapi`; None if there is nothing at its path."""
        if not self._remote:
            return await self._own.handle(request)
        path = request.path.rstrip("/")
        if path == _V3:
            return await self._index(request)
        found = self._remote.get(path.removeprefix(_V3))
        if found is not None:
            return await self._pass(request, found[0])
        answer = await self._own.handle(request)
        if path != _V2 or answer is None or answer.content_type != _JSON:
            return answer
        return await self._whole(request)

    async def _index(self, request: Request) -> Answer | None:
        answer = await self._own.handle(request)
        if answer is None or not isinstance(answer.body, bytes):
            return answer
        paths = dict(orjson.loads(answer.body)["paths"])
        for root, (_, described) in self._remote.items():
            if described.openapi_v3:
                tag = parse_qs(urlsplit(described.openapi_v3).query).get("hash", [""])[0]
                paths[root[1:]] = {"serverRelativeURL": f"{_V3}{root}" + (f"?hash={tag}" if tag else "")}
        return replace(answer, body=orjson.dumps({"paths": paths}))

    async def _pass(self, request: Request, backend: Backend) -> Answer:
        """Everybody who may read our documents may read theirs: we ask for ourselves."""
        asked = Request(
            request.method, request.path, request.query, request.headers, b"", None, request.remote
        )
        asked.user = AGGREGATOR
        return await relay(self._connections, backend, asked)

    async def _whole(self, request: Request) -> Response:
        own = Request("GET", _V2, {}, {"accept": _JSON, "accept-encoding": "gzip"})
        answer = await self._own.handle(own)
        assert answer is not None
        assert isinstance(answer.body, bytes)
        parts = [described.openapi_v2 for _, described in self._remote.values() if described.openapi_v2]
        async with self._lock:
            made_of = (
                hashlib.sha512(answer.headers["ETag"].encode() + orjson.dumps(parts)).hexdigest().upper()
            )
            if self._merged[0] != made_of:
                self._merged = (made_of, await asyncio.to_thread(_merge, answer.body, parts))
        tag, packed = self._merged
        headers = {"ETag": f'"{tag}"', "Vary": "Accept-Encoding, Accept"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(304, b"", _JSON, headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(200, packed, _JSON, headers | {"Content-Encoding": "gzip"})
        return Response(200, gzip.decompress(packed), _JSON, headers)


def _merge(packed: bytes, parts: list[Obj]) -> bytes:
    document = orjson.loads(gzip.decompress(packed))
    return gzip.compress(orjson.dumps(documents.merged(document, parts)), 6, mtime=0)
