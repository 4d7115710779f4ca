"""What this server asks remote ones for itself: are you there, what do you serve, how is it described.

Called by `availability.py`, one after the other for one APIService.
Source: kube-aggregator/pkg/controllers/{status/remote,openapi,openapiv3}, handler_discovery.go (1.36).
"""

import asyncio
import gzip
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from api.errors import StatusError
from api.resource import Obj
from apiserver.aggregation import documents
from apiserver.aggregation.backend import AGGREGATOR, Backend, identity_headers
from apiserver.aggregation.connections import Connections
from apiserver.webhooks.client import describe

# A Service may have dead endpoints: so many are tried, each for so long.
_ATTEMPTS = 5
_TRY_S = 5.0
# Longest document that is read.
_DOCUMENT_BYTES = 64 << 20
_AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
_JSON = "application/json"


class Failed(Exception):
    """The server did not answer as it should; the text says why, in upstream's words."""


@dataclass(frozen=True)
class Description:
    """A group version as its server describes it. `openapi_v3` is the address of its document, "" if none."""

    entry: Obj
    openapi_v3: str = ""
    openapi_v2: Obj | None = None


async def check(connections: Connections, backend: Backend) -> None:
    """Ask for the discovery of the group version until one endpoint answers. Raises `Failed`."""
    for attempt in range(_ATTEMPTS):
        try:
            await _check_once(connections, backend)
        except Failed:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


async def _check_once(connections: Connections, backend: Backend) -> None:
    try:
        # Unverified, as upstream: this tells no more than that somebody answers.
        target = connections.target(backend, verify=False)
    except StatusError as error:
        raise Failed(error.message) from error
    url = f"{target.origin}{backend.root}"
    intro = f"failing or missing response from {url}"
    try:
        async with asyncio.timeout(_TRY_S):
            answer = await connections.request(target, "GET", backend.root, identity_headers(AGGREGATOR))
            answer.release()
    except TimeoutError as error:
        raise Failed(f'{intro}: Get "{url}": context deadline exceeded') from error
    except (aiohttp.ClientError, OSError) as error:
        raise Failed(f'{intro}: Get "{url}": {describe(error)}') from error
    if not 200 <= answer.status < 300:
        raise Failed(f"{intro}: bad status from {url}: {answer.status}")


async def describe_backend(connections: Connections, backend: Backend) -> Description:
    """Return what the server tells of the group version. Raises `Failed` if it tells nothing."""
    group, version = backend.group, backend.version
    document = await fetch(connections, backend, "/apis", _AGGREGATED)
    entry = documents.aggregated_entry(document, group, version)
    if entry is None:
        document = await fetch(connections, backend, backend.root, _JSON)
        entry = documents.listed_entry(document, group, version)
    if entry is None:
        raise Failed(f"{backend.root} is not described")
    index = await _optional(connections, backend, "/openapi/v3")
    found = ((index or {}).get("paths") or {}).get(backend.root[1:]) or {}
    whole = await _optional(connections, backend, "/openapi/v2")
    part = await asyncio.to_thread(documents.part_of, whole, backend.root) if whole else None
    return Description(entry, str(found.get("serverRelativeURL", "")), part)


async def fetch(connections: Connections, backend: Backend, path: str, accept: str) -> Any:
    """Return a JSON document. Raises `Failed`."""
    try:
        async with asyncio.timeout(_TRY_S):
            return orjson.loads(await _body(connections, backend, path, accept))
    except StatusError as error:
        raise Failed(error.message) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Failed(f"GET {path}: {describe(error)}") from error
    except (ValueError, EOFError) as error:
        raise Failed(f"GET {path}: {error}") from error


async def _body(connections: Connections, backend: Backend, path: str, accept: str) -> bytes:
    headers = [*identity_headers(AGGREGATOR), ("Accept", accept), ("Accept-Encoding", "gzip")]
    answer = await connections.request(connections.target(backend), "GET", path, headers)
    async with answer:
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        body = await answer.content.read(_DOCUMENT_BYTES)
        while not answer.content.at_eof() and len(body) < _DOCUMENT_BYTES:
            body += await answer.content.read(_DOCUMENT_BYTES - len(body))
        packed = answer.headers.get("Content-Encoding") == "gzip"
        return await asyncio.to_thread(gzip.decompress, body) if packed else body


async def _optional(connections: Connections, backend: Backend, path: str) -> Obj | None:
    """Return a document that a server need not have."""
    try:
        found = await fetch(connections, backend, path, _JSON)
    except Failed:
        return None
    return found if isinstance(found, dict) else None
