"""Conformance cases of lists in chunks."""

import pytest

TEMPLATES = "/api/v1/namespaces/default/podtemplates"
SERVERS = "[sig-api-machinery] Servers with support for API chunking should "
POD = {"spec": {"containers": [{"name": "test", "image": "test2"}]}}


async def fill(api, count):
    for number in range(count):
        name = f"template-{number:04}"
        await api.ok("POST", TEMPLATES, {"metadata": {"name": name}, "template": POD})


async def rest(api, page, limit):
    """Return the pages that follow one."""
    found = []
    while token := page["metadata"].get("continue"):
        page = await api.ok("GET", TEMPLATES, **{"limit": str(limit), "continue": token})
        found.append(page)
    return found


def names(pages):
    return [item["metadata"]["name"] for page in pages for item in page["items"]]


@pytest.mark.case(SERVERS + "return chunks of results for list calls [Conformance]")
async def test_chunks(api):
    await fill(api, 400)
    for _ in range(3):
        first = await api.ok("GET", TEMPLATES, limit="17")
        pages = [first, *await rest(api, first, 17)]
        assert names(pages) == [f"template-{number:04}" for number in range(400)]
        assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1
        left = [page["metadata"].get("remainingItemCount") for page in pages]
        assert left == [400 - 17 * number for number in range(1, 24)] + [None]
    assert len((await api.ok("GET", TEMPLATES))["items"]) == 400


@pytest.mark.case(
    SERVERS + "support continue listing from the last key if the original version has been compacted away, "
    "though the list is inconsistent [Slow] [Conformance]"
)
async def test_a_token_that_expires(api, server):
    await fill(api, 100)
    first = await api.ok("GET", TEMPLATES, limit="40")
    assert len(first["items"]) == 40
    await api.ok("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "moves-on"}})
    await server.backend.compact(server.feed.revision)
    server.hub.compacted = server.feed.revision
    token = {"limit": "40", "continue": first["metadata"]["continue"]}
    expired = await api.ask("GET", TEMPLATES, **token)
    assert (expired.status, expired.json["reason"]) == (410, "Expired")
    second = await api.ok("GET", TEMPLATES, **{**token, "continue": expired.json["metadata"]["continue"]})
    assert len(second["items"]) == 40
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    assert second["metadata"]["remainingItemCount"] == 20
    others = await rest(api, second, 40)
    assert {page["metadata"]["resourceVersion"] for page in others} == {second["metadata"]["resourceVersion"]}
    assert names([first, second, *others]) == [f"template-{number:04}" for number in range(100)]
