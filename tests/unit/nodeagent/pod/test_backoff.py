from datetime import UTC, datetime, timedelta

import pytest

from nodeagent.pod.backoff import BackOff, format_delay

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def test_first_failure_is_not_delayed():
    assert BackOff().remaining_s("c", T0, T0) == 0


def test_delays_double_up_to_the_limit():
    backoff, delays = BackOff(), []
    for n in range(7):
        backoff.advance("c", at(n))
        delays.append(backoff.delay_s("c"))
    assert delays == [10, 20, 40, 80, 160, 300, 300]


def test_waits_from_the_end_of_the_run():
    backoff = BackOff()
    backoff.advance("c", T0)
    assert backoff.remaining_s("c", at(5), at(8)) == 7
    assert backoff.remaining_s("c", at(5), at(15)) == 0


def test_a_long_good_run_resets():
    backoff = BackOff()
    for _ in range(5):
        backoff.advance("c", T0)
    assert backoff.remaining_s("c", at(601), at(601)) == 0
    backoff.advance("c", at(601))
    assert backoff.delay_s("c") == 10


def test_seed_goes_on_where_an_earlier_agent_was():
    backoff = BackOff()
    backoff.seed("c", 3, T0)
    backoff.seed("fresh", 0, T0)
    assert (backoff.delay_s("c"), backoff.delay_s("fresh")) == (40, 0)


def test_forget():
    backoff = BackOff()
    backoff.advance("c", T0)
    backoff.forget("c")
    assert backoff.delay_s("c") == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(10, "10s"), (80, "1m20s"), (300, "5m0s")], ids=["short", "mixed", "minutes"]
)
def test_format_delay(seconds, text):
    assert format_delay(seconds) == text
