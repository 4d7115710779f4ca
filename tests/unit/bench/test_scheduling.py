"""Pods a second, counted from the moments at which they were seen."""

import pytest

from bench.scheduling import rate, samples


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param([], [], id="nothing-seen"),
        pytest.param([10.1, 10.2, 10.9], [], id="within-one-second"),
        pytest.param([10.5, 11.1, 11.2, 12.3], [2], id="the-first-and-the-last-second-give-none"),
        pytest.param([12.5, 13.1, 13.2, 13.3, 14.1, 15.0], [3, 1], id="what-comes-late-starts-late"),
        pytest.param([10.5, 13.1, 13.2, 13.8, 14.1], [1, 1, 1], id="empty-seconds-share-the-next-rate"),
        pytest.param([13.9, 12.5, 13.1, 10.2, 11.9], [1, 1], id="in-any-order"),
    ],
)
def test_samples_of_a_second(times, expected):
    assert samples(times, 10.0) == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param([], 0, id="nothing-seen"),
        pytest.param([1.0], 0, id="one"),
        pytest.param([3.0, 1.0, 2.0], 1.0, id="intervals-not-pods"),
    ],
)
def test_rate_from_the_first_to_the_last(times, expected):
    assert rate(times) == expected
