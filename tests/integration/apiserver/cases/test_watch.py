"""Conformance cases of watches."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.integration.apiserver.cases.crud import watching

CMS = "/api/v1/namespaces/default/configmaps"
WATCHERS = "[sig-api-machinery] Watchers should "
LABEL = "watch-this-configmap"


def configmap(name, label):
    return {"metadata": {"name": name, "labels": {LABEL: label}}}


async def change(api, name, number):
    return (await api.patch(f"{CMS}/{name}", {"data": {"mutation": str(number)}})).json


async def relabel(api, name, label):
    return (await api.patch(f"{CMS}/{name}", {"metadata": {"labels": {LABEL: label}}})).json


@pytest.mark.case(
    WATCHERS + "observe add, update, and delete watch notifications on configmaps [Conformance]"
)
async def test_selections(api):
    async with (
        watching(api, CMS, labelSelector=f"{LABEL}=A") as only_a,
        watching(api, CMS, labelSelector=f"{LABEL}=B") as only_b,
        watching(api, CMS, labelSelector=f"{LABEL} in (A,B)") as both,
    ):
        made = await api.ok("POST", CMS, configmap("a", "A"))
        steps = [("ADDED", made)] + [("MODIFIED", await change(api, "a", number)) for number in (1, 2)]
        await api.ok("DELETE", f"{CMS}/a")
        for watch in (only_a, both):
            for step in steps:
                assert await watch.event() == step
            kind, obj = await watch.event()
            assert (kind, obj["data"]) == ("DELETED", {"mutation": "2"})
        made = await api.ok("POST", CMS, configmap("b", "B"))
        await api.ok("DELETE", f"{CMS}/b")
        for watch in (only_b, both):
            assert await watch.event() == ("ADDED", made)
            assert (await watch.event())[0] == "DELETED"


@pytest.mark.case(WATCHERS + "be able to start watching from a specific resource version [Conformance]")
async def test_from_a_version(api):
    await api.ok("POST", CMS, configmap("a", "v"))
    first = await change(api, "a", 1)
    second = await change(api, "a", 2)
    await api.ok("DELETE", f"{CMS}/a")
    revision = first["metadata"]["resourceVersion"]
    async with watching(api, CMS, labelSelector=f"{LABEL}=v", resourceVersion=revision) as watch:
        assert await watch.event() == ("MODIFIED", second)
        kind, obj = await watch.event()
        assert (kind, obj["data"]) == ("DELETED", {"mutation": "2"})
        assert int(obj["metadata"]["resourceVersion"]) > int(second["metadata"]["resourceVersion"])


@pytest.mark.case(
    WATCHERS + "be able to restart watching from the last resource version observed by the previous watch "
    "[Conformance]"
)
async def test_restart(api):
    selector = {"labelSelector": f"{LABEL}=r"}
    async with watching(api, CMS, **selector) as watch:
        await api.ok("POST", CMS, configmap("a", "r"))
        first = await change(api, "a", 1)
        assert (await watch.event())[0] == "ADDED"
        assert await watch.event() == ("MODIFIED", first)
    second = await change(api, "a", 2)
    await api.ok("DELETE", f"{CMS}/a")
    revision = first["metadata"]["resourceVersion"]
    async with watching(api, CMS, **selector, resourceVersion=revision) as watch:
        assert await watch.event() == ("MODIFIED", second)
        assert (await watch.event())[0] == "DELETED"


@pytest.mark.case(
    WATCHERS + "observe an object deletion if it stops meeting the requirements of the selector [Conformance]"
)
async def test_leaving_the_selection(api):
    async with watching(api, CMS, labelSelector=f"{LABEL}=s") as watch:
        await api.ok("POST", CMS, configmap("a", "s"))
        await change(api, "a", 1)
        away = await relabel(api, "a", "elsewhere")
        await change(api, "a", 2)
        back = await relabel(api, "a", "s")
        third = await change(api, "a", 3)
        await api.ok("DELETE", f"{CMS}/a")
        assert [(await watch.event())[0] for _ in range(2)] == ["ADDED", "MODIFIED"]
        kind, obj = await watch.event()
        assert (kind, obj["metadata"]["labels"]) == ("DELETED", {LABEL: "s"})
        assert obj["metadata"]["resourceVersion"] == away["metadata"]["resourceVersion"]
        assert await watch.event() == ("ADDED", back)
        assert await watch.event() == ("MODIFIED", third)
        assert (await watch.event())[0] == "DELETED"


@pytest.mark.case(WATCHERS + "receive events on concurrent watches in same order [Conformance]")
async def test_order(api):
    """More and more watches, opened while a producer writes, tell the same events."""

    async def produce():
        number = 0
        while True:
            name = f"p-{number}"
            await api.ok("POST", CMS, {"metadata": {"name": name}})
            await change(api, name, number)
            await api.ok("DELETE", f"{CMS}/{name}")
            number += 1

    revision = (await api.ok("GET", CMS))["metadata"]["resourceVersion"]
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        producer = group.create_task(produce())
        watches = []
        for _ in range(30):
            watches.append(await stack.enter_async_context(watching(api, CMS, resourceVersion=revision)))
            seen = [(await watch.event())[1]["metadata"]["resourceVersion"] for watch in watches]
            assert len(set(seen)) == 1
            assert int(seen[0]) > int(revision)
            revision = seen[0]
        producer.cancel()
