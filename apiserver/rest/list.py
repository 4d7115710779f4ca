"""List: consistent or cached, whole or in chunks, from blocks of the watch cache; older revisions from the
store.

Spec: k8s.io/apiserver/pkg/storage/cacher GetList, apis/meta/internalversion/validation (1.36).
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import orjson

from api import field
from api.errors import BadRequest, Expired, Timeout, invalid
from api.fields import escape
from api.resource import Key
from apiserver.http.message import Request, Response
from apiserver.http.negotiate import Form
from apiserver.rest import render
from apiserver.rest.hub import Collection, Hub, translated
from apiserver.rest.options import int64
from apiserver.watchcache.entry import Entry
from apiserver.watchcache.select import Match, Selection
from kit.apart import apart
from store.backend import Compacted, FutureRevision, Page, StoreError
from store.versions import (
    ANY_REVISION,
    InvalidContinue,
    InvalidResourceVersion,
    decode_continue,
    encode_continue,
    parse_resource_version,
)

# How long a read waits for a revision that the caches have not reached.
TOO_LARGE_WAIT_S = 3.0
# Keys read at a time when a selector thins out pages read from the store.
STORE_PAGE = 500


@dataclass(frozen=True)
class ListOptions:
    """The query of a list, checked."""

    selection: Selection
    match: Match
    limit: int = 0
    token: str = ""
    revision: int = 0
    # The client gave "0": anything the cache has.
    any_version: bool = False
    exact: bool = False
    # The answer is made of one object after the other: none is joined with others.
    singly: bool = False


@dataclass(frozen=True)
class Found:
    """Objects in order at a revision, and where the list goes on."""

    revision: int
    # Bytes of one object each, or of several joined by commas.
    pieces: Sequence[bytes]
    token: str = ""
    remaining: int | None = None


async def handle_list(hub: Hub, collection: Collection, request: Request) -> Response:
    """Answer a list request."""
    form = render.form_of(request, render.LIST_VIEWS)
    shows = collection.strategy.shown is not None
    options = replace(options_of(collection, request), singly=not form.plain and not shows)
    found = await find(hub, collection, options)
    if shows:
        found = await _shown(hub, collection, found)
    metadata = _metadata(found)
    if form.plain:
        return Response(200, plain_list(collection, found.pieces, metadata))
    weight = sum(map(len, found.pieces))
    return await apart(weight, _other, collection, request, form, found, metadata, hub)


async def _shown(hub: Hub, collection: Collection, found: Found) -> Found:
    """Return what is shown of these objects. Of older revisions, too, since they are the rest of a list."""
    show, cache = collection.strategy.shown, hub.present(collection).cache
    if show is None:
        return found
    pieces = [await apart(len(piece), show, piece, cache.find) for piece in found.pieces]
    return replace(found, pieces=pieces)


def options_of(collection: Collection, request: Request) -> ListOptions:
    """Return the checked query of a list. Raises `BadRequest`, `Invalid`."""
    text = request.param("resourceVersion")
    try:
        revision = parse_resource_version(text)
    except InvalidResourceVersion as error:
        raise BadRequest(str(error)) from error
    limit = int64(request.param("limit"))
    token, how = request.param("continue"), request.param("resourceVersionMatch")
    _check(text, how, token, "sendInitialEvents" in request.query)
    selection, match = selection_of(collection, request)
    return ListOptions(
        selection,
        match,
        max(0, limit),
        token,
        revision,
        text == "0",
        how == "Exact" or (limit > 0 and revision > 0 and not how),
    )


def selection_of(collection: Collection, request: Request) -> tuple[Selection, Match]:
    """Return what the selectors of a list or watch ask for. Raises `BadRequest`."""
    namespace = request.info.namespace if collection.resource.namespaced else ""
    fields = request.param("fieldSelector")
    if not fields and request.info.name:
        # The old form of watching one object: its name is in the path.
        fields = f"metadata.name={escape(request.info.name)}"
    selection = Selection(namespace, request.param("labelSelector"), fields)
    try:
        match = selection.compiled()
    except ValueError as error:
        raise BadRequest(str(error)) from error
    for path, _, _ in match.fields.terms if match.fields else ():
        if not collection.strategy.knows_field(path):
            raise BadRequest(collection.strategy.unknown_field(path))
    return selection, match


def _check(version: str, how: str, token: str, sends: bool) -> None:
    """Check how resourceVersion, resourceVersionMatch and continue go together.

    Spec: apis/meta/internalversion/validation ValidateListOptions (1.36).
    """
    if token and version not in ("", "0"):
        raise BadRequest("specifying resource version is not allowed when using continue")
    faults = _match_faults(version, how, token) if how else []
    if sends:
        path = field.Path("sendInitialEvents")
        faults.append(field.forbidden(path, "sendInitialEvents is forbidden for list"))
    if faults:
        raise invalid("meta.k8s.io", "ListOptions", "", faults)


def _match_faults(version: str, how: str, token: str) -> list[field.FieldError]:
    path = field.Path("resourceVersionMatch")
    faults = []
    if not version:
        text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        faults.append(field.forbidden(path, text))
    if token:
        faults.append(field.forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
    if how not in ("Exact", "NotOlderThan"):
        faults.append(field.not_supported(path, how, ["Exact", "NotOlderThan", ""]))
    elif how == "Exact" and version == "0":
        text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        faults.append(field.forbidden(path, text))
    return faults


async def find(hub: Hub, collection: Collection, options: ListOptions) -> Found:
    """Return what a list asks for. Raises `Expired`, `Timeout`, `BadRequest`."""
    if options.token:
        return await _continued(hub, collection, options)
    if options.exact and options.revision:
        return await _at(hub, collection, options, options.revision, None)
    if options.revision:
        await reach(hub, options.revision)
    elif not options.any_version:
        await hub.fresh()
    return await _present(hub, collection, options, None)


async def _present(hub: Hub, collection: Collection, options: ListOptions, after: str | None) -> Found:
    """Return what there is now, beyond the store's key `after`."""
    key = None if after is None else _key_of(collection, after)
    while True:
        collection = hub.present(collection)
        if collection.lane is not None and not await collection.lane.complete():
            return await _at(hub, collection, options, 0, after)
        found = await _from_cache(collection, options, key)
        # A cache that was left meanwhile is empty, and means nothing.
        if not collection.cache.left:
            return found


async def present_entries(hub: Hub, collection: Collection, selection: Selection) -> tuple[int, list[Entry]]:
    """Return all objects that a selection means, as no acknowledged write is missed, and their revision."""
    match = selection.compiled()
    await hub.fresh()
    collection = hub.present(collection)
    if collection.lane is None or await collection.lane.complete():
        await collection.cache.prepare(match)
        if not collection.cache.left:
            return collection.cache.revision, collection.cache.select(selection, match)
    found = await _page_of(hub, collection.space(selection.namespace), 0, "", 0, None)
    return found.revision, [entry for entry in await _entries(collection, found) if match(entry)]


async def reach(hub: Hub, revision: int) -> None:
    """Wait a little until the caches have reached a revision that the client has seen. Raises `Timeout`."""
    if hub.feed.revision >= revision:
        return
    try:
        async with asyncio.timeout(TOO_LARGE_WAIT_S):
            await hub.feed.progress.wait(revision)
    except TimeoutError as error:
        text = f"Too large resource version: {revision}, current: {hub.feed.revision}"
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        raise Timeout(f"Timeout: {text}", {"causes": [cause], "retryAfterSeconds": 1}) from error


async def _from_cache(collection: Collection, options: ListOptions, after: Key | None) -> Found:
    cache, match, limit = collection.cache, options.match, options.limit
    await _prepare(collection, options)
    if match.everything and after is None and not limit and not options.singly:
        pieces = [block.joined() for space in cache.spaces(match.namespace) for block in space.blocks]
        return Found(cache.revision, pieces)
    if match.everything:
        found = list(islice(cache.scan(match.namespace, after), limit or None))
        return _page(collection, options, found, cache.count(match.namespace, after) - len(found))
    found = cache.select(options.selection, match, after, limit + 1 if limit else None)
    taken = found[: limit or None]
    return _page(collection, options, taken, len(found) - len(taken))


async def _prepare(collection: Collection, options: ListOptions) -> None:
    """Let the cache be ready for what is asked; for single objects, and pages, of everything it is."""
    if not (options.match.everything and (options.limit or options.singly)):
        await collection.cache.prepare(options.match)


def _pieces(options: ListOptions, entries: Sequence[Entry]) -> list[bytes]:
    pieces = [entry.data for entry in entries]
    return pieces if options.singly or not pieces else [b",".join(pieces)]


def _page(collection: Collection, options: ListOptions, taken: list[Entry], rest: int) -> Found:
    """Return one chunk of entries; the token that goes on is for the revision of the cache."""
    revision = collection.cache.revision
    if rest <= 0:
        return Found(revision, _pieces(options, taken))
    token = _token(collection, options, taken[-1].key, revision)
    return Found(revision, _pieces(options, taken), token, rest if options.match.everything else None)


def _token(collection: Collection, options: ListOptions, last: Key, revision: int) -> str:
    key = collection.key(last.namespace, last.name)
    return encode_continue(key, collection.space(options.selection.namespace), revision)


async def _continued(hub: Hub, collection: Collection, options: ListOptions) -> Found:
    space = collection.space(options.selection.namespace)
    try:
        token = decode_continue(options.token, space)
    except InvalidContinue as error:
        raise BadRequest(f"invalid continue token: {error}") from error
    if token.revision == ANY_REVISION:
        await hub.fresh()
        return await _present(hub, collection, options, token.after)
    if token.revision < hub.compacted:
        raise _expired(space, token.after)
    cached = collection.lane is None or await collection.lane.complete()
    if cached:
        # Now, so that nothing comes between what is asked next and the answer.
        await _prepare(collection, options)
    if cached and collection.cache.changed <= token.revision <= collection.cache.revision:
        # Nothing has changed since: the cache is what the store held then.
        found = await _from_cache(collection, options, _key_of(collection, token.after))
        token_text = found.token and _retimed(found.token, space, token.revision)
        if not collection.cache.left:
            return Found(token.revision, found.pieces, token_text, found.remaining)
    return await _at(hub, collection, options, token.revision, token.after)


def _retimed(token: str, space: str, revision: int) -> str:
    return encode_continue(decode_continue(token, space).after, space, revision)


def _key_of(collection: Collection, path: str) -> Key:
    parts = path.removeprefix(collection.prefix).split("/")
    return (
        Key(parts[0], parts[1]) if collection.resource.namespaced and len(parts) > 1 else Key("", parts[-1])
    )


def _expired(space: str, after: str) -> Expired:
    error = Expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new "
        "list without the continue parameter, or use the continue token in this response to retrieve the "
        "remainder of the results. Continuing with the provided token results in an inconsistent list - "
        "objects that were created, modified, or deleted between the time the first chunk was returned "
        "and now may show up in the list."
    )
    error.continue_token = encode_continue(after, space, ANY_REVISION)
    return error


async def _at(
    hub: Hub, collection: Collection, options: ListOptions, revision: int, after: str | None
) -> Found:
    """Read a past revision (0: the present one) from the store, page by page until the limit is met."""
    space = collection.space(options.selection.namespace)
    taken: list[Entry] = []
    position, remaining = after or "", 0
    while True:
        wanted = (options.limit - len(taken)) if options.limit else 0
        size = wanted if options.match.everything or not wanted else max(wanted, STORE_PAGE)
        page = await _page_of(hub, space, size, position, revision, after)
        revision = revision or page.revision
        for number, (item, entry) in enumerate(
            zip(page.items, await _entries(collection, page), strict=True)
        ):
            position = item.key
            if options.match(entry):
                taken.append(entry)
            if options.limit and len(taken) == options.limit:
                remaining = len(page.items) - number - 1 + page.remaining
                break
        else:
            if page.remaining and page.items:
                continue
            return Found(revision, _pieces(options, taken))
        if not remaining:
            return Found(revision, _pieces(options, taken))
        token = encode_continue(position, space, revision)
        return Found(
            revision, _pieces(options, taken), token, remaining if options.match.everything else None
        )


async def _page_of(hub: Hub, space: str, size: int, position: str, revision: int, after: str | None) -> Page:
    try:
        return await hub.backend.list(space, limit=size, after=position, revision=revision)
    except Compacted as error:
        if after is None:
            raise Expired("The resourceVersion for the provided list is too old.") from error
        raise _expired(space, after) from error
    except FutureRevision as error:
        await reach(hub, revision)
        raise translated(error) from error
    except StoreError as error:
        raise translated(error) from error


async def _entries(collection: Collection, page: Page) -> list[Entry]:
    return [
        Entry(_key_of(collection, item.key), item.revision, data, collection.strategy.fields)
        for item, data in zip(page.items, await collection.served_all(page.items), strict=True)
    ]


def _metadata(found: Found) -> dict[str, Any]:
    metadata: dict[str, Any] = {"resourceVersion": str(found.revision)}
    if found.token:
        metadata["continue"] = found.token
        if found.remaining is not None:
            metadata["remainingItemCount"] = found.remaining
    return metadata


def plain_list(
    collection: Collection, pieces: Iterable[bytes], metadata: dict[str, Any]
) -> bytes | list[bytes]:
    """Return the body of a list; each of `pieces` is one object or several, joined by commas."""
    resource = collection.resource
    kind = resource.list_kind or f"{resource.kind}List"
    opening = orjson.dumps({"kind": kind, "apiVersion": resource.group_version, "metadata": metadata})
    body: list[bytes] = [opening[:-1] + b',"items":[']
    for number, piece in enumerate(pieces):
        if number:
            body.append(b",")
        body.append(piece)
    body.append(b"]}\n")
    return body


def _other(
    collection: Collection, request: Request, form: Form, found: Found, metadata: dict[str, Any], hub: Hub
) -> Response:
    # One piece after the other: decoded, all of them may take more than a gigabyte, and what is let go before
    # the next is decoded stays in the processor's cache.
    items = (obj for piece in found.pieces for obj in orjson.loads(b"[" + piece + b"]"))
    include = render.include_of(request)
    return render.list_response(form, collection.resource, items, metadata, include, hub.now())
