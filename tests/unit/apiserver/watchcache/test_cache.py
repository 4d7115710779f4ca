"""One resource's cache: events for watchers, selections, history."""

import asyncio

import pytest

from api.resource import Key
from api.types.core_v1 import PODS
from apiserver.resources.catalog import strategy_of
from apiserver.watchcache.cache import Cache, TooOld
from apiserver.watchcache.channel import BUSY_BYTES, Pump
from apiserver.watchcache.layout import Layout, decode
from apiserver.watchcache.progress import Progress
from apiserver.watchcache.ring import HOT, payload
from apiserver.watchcache.select import Selection

LAYOUT = Layout(PODS)


class Outlet:
    def __init__(self):
        self.frames, self.pending, self.ended = [], 0, False

    def pending_bytes(self):
        return self.pending

    def send(self, frames):
        self.frames.append(frames)

    def end(self):
        self.ended = True

    def seen(self):
        found = []
        for chunk in b"".join(self.frames).split(b"\r\n"):
            if chunk.startswith(b"{"):
                event = decode(chunk)
                meta = event["object"]["metadata"]
                found.append((event["type"], meta["name"], meta["resourceVersion"]))
        return found


def value(name, labels=None, node="", namespace="a"):
    spec = {"nodeName": node} if node else {}
    return LAYOUT.encode(
        {"metadata": {"name": name, "namespace": namespace, "labels": labels or {}}, "spec": spec}
    )


@pytest.fixture
def cache():
    strategy, progress = strategy_of(PODS), Progress()
    made = Cache(PODS, strategy.fields, strategy.indexed_fields, Pump(), progress)
    made.load([(Key("a", "one"), 5, value("one", {"x": "1"}, "n1"))], 10)
    progress.advance(10)
    return made


def subscribe(cache, **selection):
    chosen, outlet = Selection(**selection), Outlet()
    watcher = cache.subscribe(chosen, chosen.compiled(), "", None, outlet)
    watcher.start()
    return watcher, outlet


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_watcher_sees_every_change_once_and_in_order(cache):
    _, outlet = subscribe(cache)
    cache.put(Key("a", "two"), 11, value("two"), None)
    cache.put(Key("a", "two"), 12, value("two", {"y": "1"}), None)
    cache.remove(Key("a", "two"), 13)
    await settle()
    assert outlet.seen() == [("ADDED", "two", "11"), ("MODIFIED", "two", "12"), ("DELETED", "two", "13")]


async def test_entering_and_leaving_a_selector(cache):
    _, outlet = subscribe(cache, namespace="a", labels_text="x=1")
    cache.put(Key("a", "one"), 11, value("one", {"x": "2"}), None)
    cache.put(Key("a", "one"), 12, value("one", {"x": "1"}), None)
    cache.put(Key("a", "one"), 13, value("one", {"x": "1", "z": "1"}), None)
    cache.put(Key("b", "other"), 14, value("other", {"x": "1"}, namespace="b"), None)
    cache.remove(Key("a", "one"), 15)
    await settle()
    assert outlet.seen() == [
        ("DELETED", "one", "11"), ("ADDED", "one", "12"), ("MODIFIED", "one", "13"), ("DELETED", "one", "15"),
    ]  # fmt: skip


async def test_watchers_of_one_field_value_hear_of_that_value_alone(cache):
    _, outlet = subscribe(cache, fields_text="spec.nodeName=n2")
    cache.put(Key("a", "two"), 11, value("two", node="n1"), None)
    cache.put(Key("a", "three"), 12, value("three", node="n2"), None)
    cache.put(Key("a", "three"), 13, value("three", node="n3"), None)
    await settle()
    assert outlet.seen() == [("ADDED", "three", "12"), ("DELETED", "three", "13")]


async def test_a_watcher_of_one_name(cache):
    watcher, outlet = subscribe(cache, namespace="a", fields_text="metadata.name=two")
    cache.put(Key("a", "two"), 11, value("two"), None)
    cache.put(Key("a", "three"), 12, value("three"), None)
    cache.put(Key("b", "two"), 13, value("two", namespace="b"), None)
    cache.remove(Key("a", "two"), 14)
    await settle()
    assert outlet.seen() == [("ADDED", "two", "11"), ("DELETED", "two", "14")]
    watcher.close()
    assert cache.watchers == 0


async def test_history_from_a_revision(cache):
    for revision in range(11, 15):
        cache.put(Key("a", "one"), revision, value("one", {"r": str(revision)}), None)
    watcher, _ = subscribe(cache)
    frames = list(cache.history(watcher, 12))
    assert [decode(payload(one))["object"]["metadata"]["resourceVersion"] for one in frames] == ["13", "14"]
    with pytest.raises(TooOld) as caught:
        cache.history(watcher, 9)
    assert caught.value.oldest == 10


async def test_history_is_framed_when_its_turn_comes(cache):
    watcher, _ = subscribe(cache)
    for revision in range(11, 11 + 2 * HOT):
        cache.put(Key("a", "x"), revision, value("x"), None)
    made = []
    framed = watcher.channel.framed

    def noted(event):
        made.append(event)
        return framed(event)

    watcher.channel.framed = noted
    frames = iter(cache.history(watcher, 10))
    assert b'"resourceVersion":"11"' in next(frames)
    assert len(made) == 1
    # What happens from now on is not of the past.
    cache.put(Key("a", "x"), 500, value("x"), None)
    assert sum(1 for _ in frames) == 2 * HOT - 1


async def test_a_busy_watcher_is_passed_over_and_catches_up(cache):
    _, outlet = subscribe(cache)
    outlet.pending = BUSY_BYTES + 1
    cache.put(Key("a", "two"), 11, value("two"), None)
    await settle()
    assert outlet.seen() == []
    outlet.pending = 0
    cache.put(Key("a", "two"), 12, value("two", {"q": "1"}), None)
    await settle()
    assert outlet.seen() == [("ADDED", "two", "11"), ("MODIFIED", "two", "12")]


async def test_a_closed_watcher_leaves_nothing_behind(cache):
    watcher, _ = subscribe(cache, fields_text="spec.nodeName=n2")
    assert cache.watchers == 1
    watcher.close()
    assert cache.watchers == 0


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        pytest.param({}, ["a/one", "a/two", "b/three"], id="all"),
        pytest.param({"namespace": "a"}, ["a/one", "a/two"], id="namespace"),
        pytest.param({"labels_text": "x=1"}, ["a/one", "b/three"], id="label"),
        pytest.param({"labels_text": "x in (1,2)"}, ["a/one", "a/two", "b/three"], id="set"),
        pytest.param({"labels_text": "x=1,!q"}, ["a/one"], id="label-and-absence"),
        pytest.param({"fields_text": "spec.nodeName=n1"}, ["a/one"], id="field"),
        pytest.param({"fields_text": "spec.nodeName!=n1"}, ["a/two", "b/three"], id="field-differs"),
        pytest.param({"namespace": "b", "fields_text": "metadata.name=three"}, ["b/three"], id="name"),
    ],
)
async def test_selection(cache, selection, expected):
    cache.put(Key("b", "three"), 11, value("three", {"x": "1", "q": "1"}, namespace="b"), None)
    cache.put(Key("a", "two"), 12, value("two", {"x": "2"}), None)
    for _ in range(2):  # once to build the index, once to use it
        chosen = Selection(**selection)
        assert [str(one.key) for one in cache.select(chosen, chosen.compiled())] == expected


# A namespace whose name goes on after another's comes first: keys are compared with the slash behind it.
SPREAD = [(space, name) for space in ("a-b", "a", "b") for name in ("one", "three", "two")]


@pytest.fixture
def spread(cache):
    for revision, (space, name) in enumerate(SPREAD, 11):
        labels, node = {"x": "1"} if name != "three" else {}, "n1" if name == "two" else ""
        cache.put(Key(space, name), revision, value(name, labels, node, namespace=space), None)
    return cache


@pytest.mark.parametrize(
    ("namespace", "after", "expected"),
    [
        pytest.param("", None, SPREAD, id="all"),
        pytest.param("", Key("a-b", "two"), SPREAD[3:], id="beyond-a-namespace"),
        pytest.param("", Key("a", "one"), SPREAD[4:], id="beyond-an-object"),
        pytest.param("", Key("a", "p"), SPREAD[4:], id="beyond-one-that-is-gone"),
        pytest.param("", Key("aa", "one"), SPREAD[6:], id="beyond-a-namespace-that-is-gone"),
        pytest.param("", Key("b", "two"), [], id="beyond-all"),
        pytest.param("a", Key("a", "one"), SPREAD[4:6], id="in-a-namespace"),
        pytest.param("none", None, [], id="no-such-namespace"),
    ],
)
def test_what_is_beyond_a_key(spread, namespace, after, expected):
    assert [one.key for one in spread.scan(namespace, after)] == expected
    assert spread.count(namespace, after) == len(expected)


@pytest.mark.parametrize("most", [None, 1, 3, 9])
@pytest.mark.parametrize("after", [None, Key("a-b", "two"), Key("a", "one"), Key("b", "two")])
@pytest.mark.parametrize(
    "selection",
    [
        pytest.param(Selection(labels_text="x=1"), id="index-of-most"),
        pytest.param(Selection(labels_text="x!=1"), id="no-index"),
        pytest.param(Selection(namespace="a", labels_text="x=1"), id="namespace"),
        pytest.param(Selection(fields_text="metadata.name=two"), id="name"),
        pytest.param(Selection(namespace="a", fields_text="metadata.name=two"), id="one-object"),
        pytest.param(Selection(fields_text="spec.nodeName=n1"), id="index-of-few"),
    ],
)
def test_a_part_of_a_selection_is_a_part_of_the_whole(spread, selection, after, most):
    match = selection.compiled()
    beyond = [one for one in spread.scan(selection.namespace, after) if match(one)]
    assert spread.select(selection, match, after, most) == beyond[:most]
