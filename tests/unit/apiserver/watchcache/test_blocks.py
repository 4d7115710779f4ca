"""The sorted blocks against a plain sorted list."""

from hypothesis import given
from hypothesis import strategies as st

from api.resource import Key
from apiserver.watchcache.blocks import MOST, Blocks
from apiserver.watchcache.entry import Entry


def entry(name, revision=1):
    return Entry(Key("ns", name), revision, f"{name}:{revision}".encode(), lambda _: {})


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=800))
def test_as_a_sorted_map(steps):
    blocks, model = Blocks(), {}
    for revision, (adds, number) in enumerate(steps):
        name = f"n{number:03}"
        if adds:
            blocks.put(entry(name, revision))
            model[name] = revision
        else:
            blocks.remove(name)
            model.pop(name, None)
    expected = [(name, model[name]) for name in sorted(model)]
    assert [(one.key.name, one.revision) for one in blocks] == expected
    assert blocks.size == len(model)
    joined = b",".join(block.joined() for block in blocks.blocks)
    assert joined == b",".join(f"{name}:{revision}".encode() for name, revision in expected)
    beyond = [name for name, _ in expected if name > "n200"]
    assert [one.key.name for one in blocks.after("n200")] == beyond
    assert blocks.count_after("n200") == len(beyond)


def test_blocks_stay_small():
    blocks = Blocks()
    for number in range(2000):
        blocks.put(entry(f"n{number:05}"))
    assert max(len(block.names) for block in blocks.blocks) <= MOST
    assert len(blocks.blocks) < 2000 / (MOST / 2) + 2


def test_a_change_drops_only_its_blocks_bytes():
    blocks = Blocks()
    for number in range(500):
        blocks.put(entry(f"n{number:05}"))
    for block in blocks.blocks:
        block.joined()
    blocks.put(entry("n00003", 9))
    assert [block.body is None for block in blocks.blocks].count(True) == 1
