"""Versions of custom resources that a webhook converts: readers, writers, watches; and when it fails."""

import asyncio

import orjson
import pytest

from tests.integration.apiserver.customresources import (
    CRDS,
    PATH,
    V1,
    V2,
    answer,
    box,
    boxes,
    failing,
    names,
)

CRD = f"{CRDS}/boxes.example.com"


@pytest.fixture
async def converter(api, hook):
    hook.answers[PATH] = answer
    await hook.publish(api)
    return hook


async def test_each_version_reads_and_writes_what_the_other_wrote(api, converter) -> None:
    await api.ok("POST", CRDS, boxes(converter))
    one = await api.ok("POST", V1, box("one", hostPort="localhost:8080"))
    assert converter.reviews == []
    two = await api.ok("POST", V2, box("two", host="a", port="1"))
    assert (two["apiVersion"], two["host"], two["port"]) == ("example.com/v2", "a", "1")
    assert (await api.ok("GET", f"{V1}/two"))["hostPort"] == "a:1"
    seen = await api.ok("GET", f"{V2}/one")
    assert (seen["host"], seen["port"]) == ("localhost", "8080")
    assert seen["metadata"]["uid"] == one["metadata"]["uid"]
    patched = (await api.patch(f"{V2}/one", {"port": "81"})).json
    assert patched["port"] == "81"
    assert (await api.ok("GET", f"{V1}/one"))["hostPort"] == "localhost:81"
    assert (await api.ok("PUT", f"{V2}/one", patched))["metadata"] == patched["metadata"]
    url, asked = converter.reviews[0]
    assert url == f"{PATH}?timeout=30s"
    assert (asked["kind"], asked["apiVersion"]) == ("ConversionReview", "apiextensions.k8s.io/v1")
    assert asked["request"]["desiredAPIVersion"] == "example.com/v1"
    assert "resourceVersion" not in asked["request"]["objects"][0]["metadata"]


async def test_lists_of_objects_stored_in_both_versions(api, converter) -> None:
    await api.ok("POST", CRDS, boxes(converter))
    await api.ok("POST", V1, box("one", hostPort="h:1"))
    turn = [{"op": "replace", "path": f"/spec/versions/{n}/storage", "value": n == 1} for n in (0, 1)]
    assert (await api.patch(CRD, turn, "json")).status == 200
    await api.ok("POST", V2, box("two", host="h", port="2"))
    converter.reviews.clear()
    assert [item["hostPort"] for item in (await api.ok("GET", V1))["items"]] == ["h:1", "h:2"]
    assert [item["port"] for item in (await api.ok("GET", V2))["items"]] == ["1", "2"]
    asked = [
        [obj["metadata"]["name"] for obj in review["request"]["objects"]] for _, review in converter.reviews
    ]
    assert sorted(asked) == [["one"], ["two"]]
    page = await api.ok("GET", V2, limit="1")
    rest = await api.ok("GET", V2, limit="1", **{"continue": page["metadata"]["continue"]})
    assert names(page) + names(rest) == ["one", "two"]


async def test_watches_are_in_order(api, converter) -> None:
    await api.ok("POST", CRDS, boxes(converter))
    start = (await api.ok("GET", V2))["metadata"]["resourceVersion"]
    watch = asyncio.ensure_future(api.watch(V2, 7, resourceVersion=start))
    await asyncio.sleep(0.05)
    for number in range(5):
        await api.ok("POST", V1, box(f"b{number}", hostPort=f"h:{number}"))
    await api.ok("DELETE", f"{V1}/b0")
    await api.ok("POST", V2, box("last", host="h", port="9"))
    events = await watch
    told = [(event["type"], event["object"]["metadata"]["name"], event["object"]["port"]) for event in events]
    assert told == [
        *(("ADDED", f"b{number}", str(number)) for number in range(5)),
        ("DELETED", "b0", "0"),
        ("ADDED", "last", "9"),
    ]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)


async def test_fields_are_those_of_the_version_asked(api, converter) -> None:
    fields = {"selectableFields": [{"jsonPath": ".host"}, {"jsonPath": ".port"}]}
    await api.ok("POST", CRDS, boxes(converter, v2=fields))
    for name, at in (("a", "h1:80"), ("b", "h1:81"), ("c", "h2:80")):
        await api.ok("POST", V1, box(name, hostPort=at))
    assert names(await api.ok("GET", V2, fieldSelector="host=h1")) == ["a", "b"]
    assert (await api.ask("GET", V1, fieldSelector="host=h1")).status == 400
    await api.ok("DELETE", V2, fieldSelector="host=h1,port=80")
    assert names(await api.ok("GET", V1)) == ["b", "c"]


async def test_a_webhook_that_fails(api, converter, server) -> None:
    await api.ok("POST", CRDS, boxes(converter))
    await api.ok("POST", V1, box("one", hostPort="h:1"))
    converter.answers[PATH] = failing
    refused = await api.ask("GET", V2)
    assert refused.status == 500
    assert refused.json["message"] == "conversion webhook for example.com/v1, Kind=Box failed: no luck"
    assert (await api.ask("GET", f"{V2}/one")).status == 500
    assert (await api.ask("GET", f"{V2}/none")).status == 404
    assert (await api.ask("POST", V2, box("two", host="a", port="1"))).status == 500
    assert (await api.ask("GET", V2, watch="true")).status == 500
    assert names(await api.ok("GET", V1)) == ["one"]
    converter.answers[PATH] = answer
    assert (await api.ok("GET", f"{V2}/one"))["port"] == "1"
    await asyncio.sleep(1.1)
    lane = server.hub.find("example.com", "v2", "boxes").lane
    assert names(await api.ok("GET", V2)) == ["one"]
    assert lane.live
    async with api.session.get(V2, params={"watch": "true"}) as watching:
        assert orjson.loads(await watching.content.readline())["object"]["port"] == "1"
        converter.answers[PATH] = failing
        await api.ok("POST", V1, box("two", hostPort="h:2"))
        async with asyncio.timeout(5):
            assert await watching.content.read() == b""
    assert not lane.live


async def test_a_webhook_may_not_touch_metadata(api, converter) -> None:
    def renaming(request):
        for obj in request["objects"]:
            obj["metadata"]["name"] = "other"
        return answer(request)

    await api.ok("POST", CRDS, boxes(converter))
    await api.ok("POST", V1, box("one", hostPort="h:1"))
    converter.answers[PATH] = renaming
    refused = await api.ask("GET", f"{V2}/one")
    assert refused.status == 500
    assert "must have the same name: one != other" in refused.json["message"]


async def test_old_reviews(api, converter) -> None:
    made = boxes(converter)
    made["spec"]["conversion"]["webhook"]["conversionReviewVersions"] = ["v1beta1"]
    converter.answers[PATH] = lambda request: answer(request, "v1beta1")
    await api.ok("POST", CRDS, made)
    await api.ok("POST", V1, box("one", hostPort="h:1"))
    assert (await api.ok("GET", f"{V2}/one"))["port"] == "1"
    assert converter.reviews[0][1]["apiVersion"] == "apiextensions.k8s.io/v1beta1"
