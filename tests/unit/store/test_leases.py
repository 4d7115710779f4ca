import asyncio

import pytest

from store.leases import MAX_KEYS, Leases, reuse_s


@pytest.mark.parametrize(
    ("ttl_s", "extra_s"),
    [
        pytest.param(10, 0, id="short"),
        pytest.param(60, 3, id="five-percent"),
        pytest.param(3600, 60, id="at-most-a-minute"),
    ],
)
def test_how_much_longer_a_lease_is(ttl_s, extra_s):
    assert reuse_s(ttl_s) == extra_s


class Server:
    def __init__(self) -> None:
        self.granted: list[int] = []

    async def grant(self, ttl_s: int) -> int:
        await asyncio.sleep(0.01)
        self.granted.append(ttl_s)
        return len(self.granted)


@pytest.mark.looptime
async def test_keys_share_a_lease_while_it_lasts():
    server = Server()
    leases = Leases(server.grant)
    assert await asyncio.gather(*(leases.lease_for(3600) for _ in range(5))) == [1] * 5
    await asyncio.sleep(59)
    assert await leases.lease_for(3600) == 1
    await asyncio.sleep(2)
    assert await leases.lease_for(3600) == 2
    assert await leases.lease_for(60) == 3
    assert server.granted == [3660, 3660, 63]


@pytest.mark.looptime
async def test_a_lease_holds_so_many_keys():
    leases = Leases(Server().grant)
    given = [await leases.lease_for(3600) for _ in range(MAX_KEYS + 1)]
    assert given == [1] * MAX_KEYS + [2]


@pytest.mark.looptime
async def test_a_forgotten_lease_is_not_given_out():
    leases = Leases(Server().grant)
    leases.forget(await leases.lease_for(3600))
    assert await leases.lease_for(3600) == 2
