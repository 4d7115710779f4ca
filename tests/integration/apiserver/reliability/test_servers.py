"""Two real API servers over one real etcd behave as one, while they are killed and history is compacted.

`python -m tests.integration.apiserver.reliability` runs the same for as long as one likes.
"""

import asyncio

import pytest

from tests.integration.apiserver.reliability import watching
from tests.integration.apiserver.reliability.cas import fight
from tests.integration.apiserver.reliability.servers import running


@pytest.fixture
async def control(tmp_path):
    async with running(tmp_path, 2) as made:
        yield made


async def test_clients_that_hop_see_one_linearizable_store(control):
    history = await fight(control.session, control.urls, seconds=4, seed=1)
    assert history.faults() == []
    assert history.count > 300
    assert history.lists


async def test_killed_servers_lose_nothing_that_was_acknowledged(control):
    async def trouble():
        for number in (0, 1, 0):
            await asyncio.sleep(0.7)
            await control.restart(number)

    history, _ = await asyncio.gather(fight(control.session, control.urls, seconds=6, seed=2), trouble())
    assert history.faults() == []
    assert history.count > 200


async def test_watchers_miss_nothing_across_servers_kills_and_compactions(control):
    async def trouble():
        for _ in range(20):
            await asyncio.sleep(0.2)
            await control.compact()
        await control.restart(1)

    run, _ = await asyncio.gather(
        watching.run_model(control.session, control.backend, seed=4, seconds=5, urls=control.urls), trouble()
    )
    assert run.faults == []
    assert run.acknowledged > 50


async def test_pages_across_a_compaction_end_with_a_token_to_go_on(control):
    session, path = control.session, "/api/v1/namespaces/default/configmaps"
    for number in range(10):
        body = {"metadata": {"name": f"page-{number}"}}
        async with session.post(control.urls[number % 2] + path, json=body) as made:
            assert made.status == 201
    async with session.get(f"{control.urls[0]}{path}?limit=3") as answer:
        first = await answer.json()
    token = first["metadata"]["continue"]
    body = {"metadata": {"name": "page-new"}}
    async with session.post(control.urls[0] + path, json=body) as made:
        assert made.status == 201
    await control.compact()
    names = [item["metadata"]["name"] for item in first["items"]]
    for number in range(20):
        query = {"limit": "3", "continue": token}
        async with session.get(control.urls[number % 2] + path, params=query) as answer:
            page = await answer.json()
        if answer.status == 410:
            assert page["reason"] == "Expired"
            token = page["metadata"]["continue"]
            continue
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert {f"page-{number}" for number in range(10)} <= set(names)
    assert len(names) == len(set(names))
