"""Lists in chunks and at revisions, tables, watches."""

import asyncio

import orjson
import pytest

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
CMS = "/api/v1/namespaces/default/configmaps"


async def fill(api, count, prefix="c"):
    for number in range(count):
        body = {"metadata": {"name": f"{prefix}{number:03}", "labels": {"mod": str(number % 3)}}}
        await api.ok("POST", CMS, body)


async def pages(api, **query):
    found, token, versions = [], "", set()
    while True:
        page = await api.ok("GET", CMS, limit="4", **query, **({"continue": token} if token else {}))
        found.append(page)
        versions.add(page["metadata"]["resourceVersion"])
        token = page["metadata"].get("continue", "")
        if not token:
            return found, versions


def names(page):
    return [one["metadata"]["name"] for one in page["items"]]


async def test_chunks_are_one_snapshot(api):
    await fill(api, 10)
    first = await api.ok("GET", CMS, limit="4")
    assert first["metadata"]["remainingItemCount"] == 6
    await api.ok("DELETE", f"{CMS}/c005")
    await api.ok("POST", CMS, {"metadata": {"name": "c0041"}})
    second = await api.ok("GET", CMS, **{"limit": "4", "continue": first["metadata"]["continue"]})
    assert names(second) == ["c004", "c005", "c006", "c007"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert second["metadata"]["remainingItemCount"] == 2
    last = await api.ok("GET", CMS, **{"limit": "4", "continue": second["metadata"]["continue"]})
    assert names(last) == ["c008", "c009"]
    assert "continue" not in last["metadata"]
    assert "remainingItemCount" not in last["metadata"]


async def test_three_passes_over_an_unchanged_collection(api):
    await fill(api, 10)
    for _ in range(3):
        found, versions = await pages(api)
        assert [name for page in found for name in names(page)] == [f"c{n:03}" for n in range(10)]
        assert len(versions) == 1
        assert [page["metadata"].get("remainingItemCount") for page in found] == [6, 2, None]


async def test_chunks_of_a_selection(api):
    await fill(api, 12)
    found, _ = await pages(api, labelSelector="mod=1")
    assert [name for page in found for name in names(page)] == ["c001", "c004", "c007", "c010"]


@pytest.mark.parametrize("query", [{}, {"labelSelector": "mod!=1"}, {"labelSelector": "mod=1"}])
async def test_pages_of_rows_are_pages_of_objects(api, query):
    await fill(api, 12)
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "default-2"}})
    await api.ok("POST", CMS.replace("default", "default-2"), {"metadata": {"name": "before"}})
    query |= {"limit": "3"}
    while True:
        plain = await api.ok("GET", "/api/v1/configmaps", **query)
        table = await api.ok("GET", "/api/v1/configmaps", headers=TABLE, **query)
        assert [row["cells"][0] for row in table["rows"]] == names(plain)
        assert table["metadata"] == plain["metadata"]
        if "continue" not in plain["metadata"]:
            break
        query["continue"] = plain["metadata"]["continue"]
    assert names(plain)


async def test_an_expired_token_comes_with_a_fresh_one(api, server):
    await fill(api, 6)
    first = await api.ok("GET", CMS, limit="2")
    await api.ok("POST", CMS, {"metadata": {"name": "z"}})
    await server.backend.compact(server.feed.revision)
    server.hub.compacted = server.feed.revision
    answer = await api.ask("GET", CMS, **{"limit": "2", "continue": first["metadata"]["continue"]})
    assert (answer.status, answer.json["reason"]) == (410, "Expired")
    going_on = answer.json["metadata"]["continue"]
    page = await api.ok("GET", CMS, **{"limit": "2", "continue": going_on})
    assert names(page) == ["c002", "c003"]
    assert page["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    assert page["metadata"]["remainingItemCount"] == 3


async def test_lists_at_a_revision(api):
    await fill(api, 2)
    version = (await api.ok("GET", CMS))["metadata"]["resourceVersion"]
    await api.ok("DELETE", f"{CMS}/c000")
    exact = await api.ok("GET", CMS, resourceVersion=version, resourceVersionMatch="Exact")
    assert names(exact) == ["c000", "c001"]
    assert exact["metadata"]["resourceVersion"] == version
    newer = await api.ok("GET", CMS, resourceVersion=version, resourceVersionMatch="NotOlderThan")
    assert names(newer) == ["c001"]
    assert (await api.ask("GET", CMS, resourceVersion="x")).status == 400
    assert (await api.ask("GET", CMS, resourceVersionMatch="Exact")).status == 422


async def test_a_future_revision_times_out(api, monkeypatch):
    monkeypatch.setattr("apiserver.rest.list.TOO_LARGE_WAIT_S", 0.05)
    answer = await api.ask("GET", CMS, resourceVersion="999999")
    assert answer.status == 504
    assert "Too large resource version" in answer.json["message"]


async def test_tables_and_metadata(api):
    await fill(api, 2)
    table = await api.ok("GET", CMS, headers=TABLE)
    assert table["kind"] == "Table"
    assert [row["cells"][0] for row in table["rows"]] == ["c000", "c001"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    partial = await api.ok("GET", CMS, headers=accept)
    assert set(partial["items"][0]) == {"kind", "apiVersion", "metadata"}
    refused = await api.ask("GET", CMS, headers={"Accept": "text/html"})
    assert (refused.status, refused.json["reason"]) == (406, "NotAcceptable")


async def test_unknown_field_selectors_are_refused(api):
    answer = await api.ask("GET", CMS, fieldSelector="spec.frog=1")
    assert (answer.status, answer.json["message"]) == (
        400,
        '"spec.frog" is not a known field selector: only "metadata.name", "metadata.namespace"',
    )
    assert (await api.ask("GET", CMS, labelSelector="a in (")).status == 400


async def test_a_watch_goes_on_from_a_version(api):
    version = (await api.ok("GET", CMS))["metadata"]["resourceVersion"]
    made = await api.ok("POST", CMS, {"metadata": {"name": "a"}})
    changed = (await api.patch(f"{CMS}/a", {"data": {"x": "y"}})).json
    await api.ok("DELETE", f"{CMS}/a")
    events = await api.watch(CMS, 3, resourceVersion=version)
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert [event["object"] for event in events[:2]] == [made, changed]
    last = events[2]["object"]
    assert last["data"] == {"x": "y"}
    assert int(last["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])
    rest = await api.watch(CMS, 2, resourceVersion=made["metadata"]["resourceVersion"])
    assert [event["type"] for event in rest] == ["MODIFIED", "DELETED"]


async def test_a_watch_without_a_version_begins_with_what_is_there(api):
    await fill(api, 2)
    events = await api.watch(CMS, 2)
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("ADDED", "c000"),
        ("ADDED", "c001"),
    ]


async def test_initial_events_end_with_a_bookmark(api):
    await fill(api, 1)
    events = await api.watch(
        CMS, 2, sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true"
    )
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    metadata = events[1]["object"]["metadata"]
    assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert metadata["resourceVersion"].isdigit()
    assert (await api.ask("GET", CMS, watch="true", sendInitialEvents="true")).status == 422


async def test_a_version_that_is_too_old(api, server):
    await fill(api, 3)
    server.hub.find("", "v1", "configmaps").cache.ring.start = 10**6
    events = await api.watch(CMS, 1, resourceVersion="5")
    assert events[0]["type"] == "ERROR"
    assert (events[0]["object"]["code"], events[0]["object"]["reason"]) == (410, "Expired")


async def test_selectors_of_a_watch(api):
    version = (await api.ok("GET", CMS))["metadata"]["resourceVersion"]
    await api.ok("POST", CMS, {"metadata": {"name": "a", "labels": {"w": "A"}}})
    await api.patch(f"{CMS}/a", {"metadata": {"labels": {"w": "B"}}})
    await api.patch(f"{CMS}/a", {"metadata": {"labels": {"w": "A"}}})
    await api.ok("DELETE", f"{CMS}/a")
    one = await api.watch(CMS, 4, resourceVersion=version, labelSelector="w=A")
    assert [event["type"] for event in one] == ["ADDED", "DELETED", "ADDED", "DELETED"]
    both = await api.watch(CMS, 4, resourceVersion=version, labelSelector="w in (A,B)")
    assert [event["type"] for event in both] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]


async def test_many_watchers_see_one_order(api):
    version = (await api.ok("GET", CMS))["metadata"]["resourceVersion"]
    watches = [asyncio.ensure_future(api.watch(CMS, 30, resourceVersion=version)) for _ in range(40)]
    for number in range(10):
        await api.ok("POST", CMS, {"metadata": {"name": f"x{number}"}})
        await api.patch(f"{CMS}/x{number}", {"data": {"n": str(number)}})
        await api.ok("DELETE", f"{CMS}/x{number}")
    seen = {orjson.dumps(events) for events in await asyncio.gather(*watches)}
    assert len(seen) == 1
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in orjson.loads(seen.pop())]
    assert versions == sorted(set(versions))


async def test_a_table_watch(api):
    await fill(api, 1)
    path = f"{CMS}?watch=true&timeoutSeconds=1"
    answer = await api.ask("GET", path, headers=TABLE)
    event = orjson.loads(answer.body.splitlines()[0])
    assert event["object"]["kind"] == "Table"
    assert event["object"]["rows"][0]["cells"][0] == "c000"


async def test_health_version_metrics(api):
    assert (await api.ask("GET", "/healthz")).body == b"ok"
    assert b"[+]etcd ok" in (await api.ask("GET", "/readyz", verbose="")).body
    assert (await api.ok("GET", "/version"))["gitVersion"].startswith("v1.36.")
    assert b"apiserver_request_total" in (await api.ask("GET", "/metrics")).body
    assert (await api.ask("GET", "/livez/none")).status == 404


async def test_rows_carry_metadata_without_who_owns_fields(api):
    await fill(api, 1)
    row = (await api.ok("GET", CMS, None, TABLE))["rows"][0]["object"]
    assert row["kind"] == "PartialObjectMetadata"
    assert row["metadata"]["labels"] == {"mod": "0"}
    assert "managedFields" not in row["metadata"]
    whole = (await api.ok("GET", CMS, None, TABLE, includeObject="Object"))["rows"][0]["object"]
    assert whole["metadata"]["managedFields"]
