"""Conformance cases of events, of both groups."""

import pytest

from tests.integration.apiserver.cases.crud import watching

CORE = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
SELECTOR = {"labelSelector": "testevent-constant=true"}
LABELS = {"testevent-constant": "true"}


def core_event(name, **more):
    return {
        "metadata": {"name": name, "labels": LABELS},
        "message": "This is a test event", "reason": "Test", "type": "Normal", "count": 1,
        "involvedObject": {"namespace": "default"},
        **more,
    }  # fmt: skip


def new_event(name, **more):
    return {
        "metadata": {"name": name, "labels": LABELS},
        "regarding": {"kind": "Pod", "name": "pod", "namespace": "default", "uid": "u"},
        "eventTime": "2026-01-01T00:00:01.505050Z", "note": "This is " + name, "type": "Normal",
        "reason": "Test", "action": "Do", "reportingController": "test-controller",
        "reportingInstance": "test-node",
        **more,
    }  # fmt: skip


@pytest.mark.case("[sig-instrumentation] Events should manage the lifecycle of an event [Conformance]")
async def test_life_of_a_core_event(api):
    await api.ok("POST", CORE, core_event("event"))
    everywhere = await api.ok("GET", "/api/v1/events", **SELECTOR)
    assert [item["metadata"]["name"] for item in everywhere["items"]] == ["event"]
    assert (await api.patch(f"{CORE}/event", {"message": "patched"}, "strategic")).status == 200
    found = await api.ok("GET", f"{CORE}/event")
    assert found["message"] == "patched"
    series = {"count": 100, "lastObservedTime": "2026-01-01T00:00:02.505050Z"}
    body = {key: value for key, value in found.items() if key != "metadata"}
    metadata = {key: value for key, value in found["metadata"].items() if key != "resourceVersion"}
    updated = await api.ok("PUT", f"{CORE}/event", {**body, "metadata": metadata, "series": series})
    assert updated["series"] == series
    assert (await api.ok("GET", f"{CORE}/event"))["series"] == series
    await api.ok("DELETE", f"{CORE}/event")
    assert (await api.ok("GET", "/api/v1/events", **SELECTOR))["items"] == []


@pytest.mark.case("[sig-instrumentation] Events should delete a collection of events [Conformance]")
async def test_a_collection_of_core_events(api):
    for number in range(3):
        await api.ok("POST", CORE, core_event(f"event-{number}"))
    assert len((await api.ok("GET", CORE, **SELECTOR))["items"]) == 3
    await api.ok("DELETE", CORE, **SELECTOR)
    assert (await api.ok("GET", CORE, **SELECTOR))["items"] == []


@pytest.mark.case(
    "[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and "
    "listed "
    "[Conformance]"
)
async def test_life_of_an_event(api):
    async with watching(api, CORE, **SELECTOR) as watch:
        made = await api.ok("POST", NEW, new_event("event-test"))
        assert made["eventTime"] == "2026-01-01T00:00:01.505050Z"
        kind, core = await watch.event()
        assert (kind, core["message"], core["involvedObject"]["name"]) == (
            "ADDED",
            "This is event-test",
            "pod",
        )
    for path in (NEW, "/apis/events.k8s.io/v1/events"):
        listed = await api.ok("GET", path, fieldSelector="reportingController=test-controller")
        assert [item["note"] for item in listed["items"]] == ["This is event-test"]
    listed = await api.ok("GET", CORE, fieldSelector="source=test-controller")
    assert [item["reportingComponent"] for item in listed["items"]] == ["test-controller"]
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:00:03.505050Z"}
    assert (await api.patch(f"{NEW}/event-test", {"series": series}, "strategic")).status == 200
    found = await api.ok("GET", f"{NEW}/event-test")
    assert found["series"] == series
    series = {"count": 100, "lastObservedTime": "2026-01-01T00:00:04.505050Z"}
    updated = await api.ok("PUT", f"{NEW}/event-test", {**found, "series": series})
    assert updated["series"] == series
    await api.ok("DELETE", f"{NEW}/event-test")
    assert (await api.ok("GET", NEW, **SELECTOR))["items"] == []


@pytest.mark.case("[sig-instrumentation] Events API should delete a collection of events [Conformance]")
async def test_a_collection_of_events(api):
    for number in range(3):
        await api.ok("POST", NEW, new_event(f"test-event-{number}"))
    assert len((await api.ok("GET", NEW, **SELECTOR))["items"]) == 3
    await api.ok("DELETE", NEW, **SELECTOR)
    assert (await api.ok("GET", NEW, **SELECTOR))["items"] == []


async def test_what_an_event_may_not_say(api):
    answer = await api.ask("POST", NEW, new_event("e", type="Odd", reportingController="a b"))
    assert answer.status == 422
    assert [cause["field"] for cause in answer.json["details"]["causes"]] == ["reportingController", "type"]
    made = await api.ok("POST", NEW, new_event("e"))
    answer = await api.ask("PUT", f"{NEW}/e", {**made, "reason": "Other"})
    assert [cause["field"] for cause in answer.json["details"]["causes"]] == ["reason"]
    answer = await api.patch(f"{NEW}/e", {"series": {"count": 1}})
    assert [cause["field"] for cause in answer.json["details"]["causes"]] == [
        "series.count", "series.lastObservedTime",
    ]  # fmt: skip
    old = new_event("f", deprecatedCount=1, deprecatedSource={"component": "c"})
    answer = await api.ask("POST", NEW, old)
    assert [cause["field"] for cause in answer.json["details"]["causes"]] == ["count", "source"]
