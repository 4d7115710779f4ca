"""Labels as columns: whatever changes, the columns are as if made anew."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.domains import Domains

CHANGES = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([None, "a", "b", "c"])), max_size=30)


@given(CHANGES)
def test_as_if_made_anew(changes: list[tuple[int, str | None]]) -> None:
    domains, values = Domains(6, ()), dict[int, str | None]()
    for slot, value in changes:
        domains.set(slot, value)
        values[slot] = value
    shown = {slot: domains.name(int(domains.ids[slot])) for slot in range(6) if domains.ids[slot] >= 0}
    present = {slot: value for slot, value in values.items() if value is not None}
    assert shown == present
    assert domains.unique == (len(set(present.values())) == len(present))
    assert domains.count <= 4


def test_more_slots() -> None:
    domains = Domains(1, [(0, "a")])
    domains.grow(2)
    domains.set(2, "a")
    assert (domains.ids.tolist(), domains.unique) == ([0, -1, 0], False)
