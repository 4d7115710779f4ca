"""Webhooks do not hold up the event loop either: large objects, large patches, dear conditions.

The webhook and the client work in threads of their own, so that only the server's work counts.
"""

import asyncio
import threading

import pytest

from kit import tls
from tests.integration.apiserver import hooks
from tests.integration.apiserver.hooks import ADMISSION, CMS, MUTATING, VALIDATING, rule, webhook
from tests.integration.apiserver.test_loop import PODS, Remote, _as_in_a_component, large_pod, watched

__all__ = ["_as_in_a_component"]


@pytest.fixture
async def api(server, pki):
    return Remote(await server.listen(), pki)


@pytest.fixture
async def hook(server, pki):
    """The hook, in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def there(work):
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

    context = tls.server_context(pki / "hook.crt", pki / "hook.key")
    made = await there(hooks.start((pki / "ca.crt").read_bytes(), context))
    yield made
    await server.webhooks.close()
    await there(made.runner.cleanup())
    # Connections are closed a moment after.
    await there(asyncio.sleep(0.1))
    loop.call_soon_threadsafe(loop.stop)
    await asyncio.to_thread(thread.join, 10)
    loop.close()


async def register(api, kind, made):
    body = {"metadata": {"name": "w"}, "webhooks": [made]}
    answer = await api.ask("POST", f"{ADMISSION}/{kind.lower()}s", body)
    assert answer.status == 201, answer.body


async def test_a_large_object_is_shown_and_changed(api, hook):
    extra = {"name": "ADDED", "value": "x"}
    hook.answers["/env"] = lambda request: hooks.patch(
        *({"op": "add", "path": "/spec/containers/0/env/-", "value": extra} for _ in range(2000))
    )
    await register(api, MUTATING, webhook(hook.url("/env"), rule("pods")))
    await register(api, VALIDATING, webhook(hook.url("/always-allow"), rule("pods")))
    async with watched():
        answer = await api.ask("POST", PODS, large_pod())
    assert answer.status == 201, answer.body[:500]
    assert answer.body.count(b'"ADDED"') == 2000


async def test_a_dear_condition(api, hook):
    """It uses up its budget."""
    keys = "object.data.all(x, object.data.all(y, object.data.all(z, x + y + z != '')))"
    given = webhook(hook.url("/always-allow"), matchConditions=[{"name": "dear", "expression": keys}])
    await register(api, VALIDATING, given)
    data = {f"k{number}": "" for number in range(300)}
    async with watched():
        answer = await api.ask("POST", CMS, {"metadata": {"name": "c"}, "data": data})
    assert answer.status == 403
    assert b"cost" in answer.body
