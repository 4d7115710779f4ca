"""Policies do not hold up the event loop, nor does raising the level of a namespace full of pods."""

import asyncio
from typing import Any

import pytest

from tests.integration.apiserver.policies import ADMISSION, mutating, validating
from tests.integration.apiserver.test_loop import CONFIGMAPS, PODS, Remote, _as_in_a_component, watched

__all__ = ["_as_in_a_component"]

NUMBERS = "[1,2,3,4,5,6,7,8,9,10]"
DEAR = "".join(f"{NUMBERS}.all({name}, " for name in "abcdef") + "a + b + c + d + e + f > 0))))))"
BODY = {"metadata": {"name": "m"}, "data": {"x": "y"}}


@pytest.fixture
async def api(server, pki):
    return Remote(await server.listen(), pki)


async def install(api: Remote, kind: str, policy: dict[str, Any], **binding: Any) -> None:
    spec = {"policyName": policy["metadata"]["name"], **binding}
    for path, body in (("policies", policy), ("policybindings", {"metadata": {"name": "b"}, "spec": spec})):
        answer = await api.ask("POST", f"{ADMISSION}/{kind}admission{path}", body)
        assert answer.status == 201, answer.body


async def test_dear_validations(api) -> None:
    policy = validating("p", *[{"expression": f"{DEAR} || object.data.x == '{n}'"} for n in range(3)])
    await install(api, "validating", policy, validationActions=["Deny"])
    async with watched():
        answer = await api.ask("POST", CONFIGMAPS, BODY)
    assert answer.status == 422
    assert b"operation cancelled: actual cost limit exceeded" in answer.body


async def test_dear_mutations(api) -> None:
    policy = mutating("p", f"Object{{metadata: Object.metadata{{annotations: {{'dear': string({DEAR})}}}}}}")
    await install(api, "mutating", policy)
    async with watched():
        answer = await api.ask("POST", CONFIGMAPS, BODY)
    assert answer.status == 403
    assert b"operation cancelled: actual cost limit exceeded" in answer.body


async def test_a_namespace_full_of_pods(api) -> None:
    spec = {"hostPID": True, "containers": [{"name": f"c{number}", "image": "x"} for number in range(5)]}
    waiting = [{"metadata": {"name": f"p{number}"}, "spec": spec} for number in range(400)]

    async def worker() -> None:
        while waiting:
            assert (await api.ask("POST", PODS, waiting.pop())).status == 201

    await asyncio.gather(*(worker() for _ in range(4)))
    change = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    headers = {"Content-Type": "application/merge-patch+json"}
    async with watched():
        answer = await api.ask("PATCH", "/api/v1/namespaces/default", change, headers)
    assert answer.status == 200


async def test_a_policy_of_many_expressions(api) -> None:
    text = "object.data.all(k, k.startsWith('x') || k.endsWith('{0}') || k.matches('^a.*{0}$') || k == '{0}')"
    policy = validating("p", *[{"expression": text.format(number)} for number in range(300)])
    async with watched():
        await install(api, "validating", policy, validationActions=["Deny"])
        assert (await api.ask("POST", CONFIGMAPS, BODY)).status == 201
