"""The short run of the watch model, and that its checker sees what it is there to see."""

import pytest

from apiserver.rest import watch
from apiserver.watchcache import channel, ring
from apiserver.watchcache.cache import Cache
from store.memory import MemoryBackend
from tests.integration.apiserver.reliability import watching as model
from tests.integration.apiserver.reliability.watching import Change, Selection, difference, expected

RED = Selection("", {}, lambda _, have: have.get("color") == "red")
HISTORY = [
    Change(1, "s", "a", {"color": "red"}),
    Change(2, "s", "b", {}),
    Change(3, "s", "a", {"color": "blue"}),
    Change(4, "s", "a", {"color": "red"}),
    Change(5, "s", "a", {"color": "red", "x": "y"}),
    Change(6, "s", "b", None),
    Change(7, "s", "a", None),
]
TOLD = [
    ("ADDED", "s/a", 1),
    ("DELETED", "s/a", 3),
    ("ADDED", "s/a", 4),
    ("MODIFIED", "s/a", 5),
    ("DELETED", "s/a", 7),
]


def test_what_a_selection_is_told():
    assert expected(HISTORY, RED, 0) == TOLD
    assert expected(HISTORY, RED, 4) == TOLD[3:]
    assert expected(HISTORY, Selection("other", {}, RED.matches), 0) == []


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        pytest.param(TOLD, "", id="all"),
        pytest.param([*TOLD[:2], *TOLD[3:]], "event 2 is ('MODIFIED', 's/a', 5)", id="lost"),
        pytest.param(TOLD[:-1], "4 events, not 5: [('DELETED', 's/a', 7)]", id="lost-at-the-end"),
        pytest.param([TOLD[1], TOLD[0], *TOLD[2:]], "event 0 is ('DELETED', 's/a', 3)", id="swapped"),
        pytest.param([*TOLD, TOLD[-1]], "6 events, not 5", id="told-twice"),
        pytest.param([*TOLD[:3], ("ADDED", "s/a", 5), TOLD[4]], "event 3 is ('ADDED'", id="of-another-type"),
    ],
)
def test_the_checker_sees(seen, fault):
    assert difference(seen, TOLD).startswith(fault)
    assert bool(difference(seen, TOLD)) == bool(fault)


async def test_every_event_once_and_in_order(api, server, monkeypatch):
    # Small enough that slow watchers are cut off, and that some come back too late.
    monkeypatch.setattr(channel, "LAG_BYTES", 200_000)
    monkeypatch.setattr(channel, "BUSY_BYTES", 40_000)
    monkeypatch.setattr(ring, "MOST_EVENTS", 150)
    run = await model.run_model(api.session, server.backend, seed=1, seconds=1.5)
    assert run.faults == []
    assert run.acknowledged > 20
    assert run.reconnects


class Forgetful(MemoryBackend):
    """A store whose API server misses one ConfigMap event in ten."""

    def __init__(self):
        super().__init__()
        self.told = 0

    async def watch(self, prefix, revision):
        async for batch in super().watch(prefix, revision):
            missed = prefix != model.PREFIX and self._misses(batch)
            yield type(batch)(() if missed else batch.events, batch.revision)

    def _misses(self, batch):
        self.told += sum(event.key.startswith(model.PREFIX + "model") for event in batch.events)
        return self.told % 10 == 9


async def test_bookmarks_never_run_ahead(api, server, monkeypatch):
    monkeypatch.setattr(watch, "BOOKMARK_S", 0.02)
    run = await model.run_model(api.session, server.backend, seed=2, seconds=1.5)
    assert run.faults == []
    assert run.bookmarks > 20


async def test_a_planted_early_bookmark_is_found(api, server, monkeypatch):
    monkeypatch.setattr(watch, "BOOKMARK_S", 0.02)
    monkeypatch.setattr(model, "SETTLE_S", 0.5)
    monkeypatch.setattr(Cache, "revision", property(lambda cache: cache._progress.revision + 3))
    run = await model.run_model(api.session, server.backend, seed=2, seconds=1.5)
    assert run.faults


@pytest.mark.parametrize("backend", [Forgetful()])
async def test_a_planted_loss_is_found(api, server, monkeypatch, backend):
    monkeypatch.setattr(model, "SETTLE_S", 0.5)
    run = await model.run_model(api.session, server.backend, seed=3, seconds=1.5, watchers=8)
    assert run.faults
