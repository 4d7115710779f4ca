"""What becomes of events: sent, counted, combined, dropped."""

from dataclasses import replace

import pytest

from client.events import Correlator, Note

INVOLVED = (("kind", "Pod"), ("namespace", "default"), ("name", "web"))
NOTE = Note(INVOLVED, "Normal", "Pulled", "image pulled")


def test_the_same_message_is_never_combined() -> None:
    correlator = Correlator()
    assert [correlator.admit(NOTE, 0) for _ in range(20)] == [NOTE] * 20


def test_many_alike_are_combined() -> None:
    correlator = Correlator()
    sent = [correlator.admit(replace(NOTE, message=f"message {n}"), 0) for n in range(12)]
    combined = [note for note in sent if note and note.message.startswith("(combined from similar events): ")]
    assert len(combined) == 3


def test_a_flood_about_one_object_is_dropped_and_refills() -> None:
    correlator = Correlator()
    assert sum(correlator.admit(NOTE, 0) is not None for _ in range(100)) == 25
    assert correlator.admit(NOTE, 299) is None
    assert correlator.admit(NOTE, 600) is not None


@pytest.mark.parametrize(
    "other", [replace(NOTE, involved=(("kind", "Node"),)), replace(NOTE, reason="Failed")]
)
def test_others_are_counted_apart(other: Note) -> None:
    correlator = Correlator()
    for number in range(9):
        correlator.admit(replace(NOTE, message=str(number)), 0)
    assert correlator.admit(other, 0) == other
