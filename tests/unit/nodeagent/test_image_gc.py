import pytest

from nodeagent.image_gc import ImageRecord, compute_removals


def image(name, size=10, first=0.0, used=0.0, pinned=False):
    return ImageRecord(name, size, first, used, pinned)


@pytest.mark.parametrize(
    ("images", "in_use", "to_free", "removed"),
    [
        pytest.param([image("a"), image("b")], set(), 0, [], id="nothing-to-free"),
        pytest.param([image("a", used=5), image("b", used=1)], set(), 5, ["b"], id="oldest-use-first"),
        pytest.param([image("a"), image("b")], {"a"}, 20, ["b"], id="used-ones-stay"),
        pytest.param([image("a", pinned=True)], set(), 5, [], id="pinned-ones-stay"),
        pytest.param([image("a", first=950)], set(), 5, [], id="young-ones-stay"),
        pytest.param([image("a"), image("b"), image("c")], set(), 15, ["a", "b"], id="as-many-as-needed"),
    ],
)
def test_compute_removals(images, in_use, to_free, removed):
    found = compute_removals({one.id: one for one in images}, in_use, to_free, 1000.0)
    assert [one.id for one in found] == removed
