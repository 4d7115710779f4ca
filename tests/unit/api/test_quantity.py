"""Quantities: canonical forms as upstream writes them, exact arithmetic, rounding, refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import quantity
from api.quantity import parse_quantity


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("0", "0", id="zero"),
        pytest.param("0Mi", "0", id="zero of any unit"),
        pytest.param("1000m", "1", id="whole"),
        pytest.param("0.5", "500m", id="fraction"),
        pytest.param(".5", "500m", id="no leading zero"),
        pytest.param("1.", "1", id="no digits after the point"),
        pytest.param("100000", "100k", id="thousands"),
        pytest.param("1500", "1500", id="not thousands"),
        pytest.param("1e3", "1e3", id="exponent"),
        pytest.param("1E3", "1e3", id="capital exponent"),
        pytest.param("1e4", "10e3", id="exponent of three"),
        pytest.param("1e-1", "100e-3", id="negative exponent"),
        pytest.param("1E", "1E", id="exa"),
        pytest.param("1024Ki", "1Mi", id="binary"),
        pytest.param("0.5Gi", "512Mi", id="binary fraction"),
        pytest.param("1.5Ki", "1536", id="binary without a whole unit"),
        pytest.param("1000Ki", "1000Ki", id="binary is not decimal"),
        pytest.param("0.1Gi", "107374182400m", id="binary that is not whole"),
        pytest.param("1023", "1023", id="plain"),
        pytest.param("0.5Ki", "512", id="below 1024"),
        pytest.param("-1.5", "-1500m", id="negative"),
        pytest.param("+1", "1", id="plus"),
        pytest.param("1n", "1n", id="nano"),
        pytest.param("0.1n", "1n", id="smaller is rounded up"),
        pytest.param("1000000u", "1", id="micro"),
        pytest.param(2, "2", id="number"),
        pytest.param(0.25, "250m", id="float"),
        pytest.param("9223372036854775808", "9223372036854775807", id="capped"),
        pytest.param("100Ei", "9223372036854775807", id="binary capped"),
    ],
)
def test_canonical(text, canonical):
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", quantity._WRONG_FORMAT, id="empty"),
        pytest.param("abc", quantity._WRONG_FORMAT, id="letters"),
        pytest.param("1 Gi", quantity._WRONG_FORMAT, id="blank"),
        pytest.param("1.2.3", quantity._WRONG_FORMAT, id="two points"),
        pytest.param(".", quantity._WRONG_NUMBER, id="only a point"),
        pytest.param("1ki", quantity._WRONG_SUFFIX, id="small kibi"),
        pytest.param("1K", quantity._WRONG_SUFFIX, id="capital kilo"),
        pytest.param("1mm", quantity._WRONG_SUFFIX, id="two suffixes"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        parse_quantity(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "value", "milli"),
    [
        pytest.param("1", 1, 1000, id="whole"),
        pytest.param("100m", 1, 100, id="value is rounded up"),
        pytest.param("1u", 1, 1, id="both are rounded up"),
        pytest.param("1Gi", 2**30, 2**30 * 1000, id="binary"),
    ],
)
def test_values(text, value, milli):
    assert (quantity.value(text), quantity.milli(text)) == (value, milli)


def test_arithmetic_is_exact_and_keeps_the_form():
    total = quantity.add(parse_quantity("1Gi"), parse_quantity("512M"))
    assert str(total) == "1548576Ki"
    assert str(quantity.add(parse_quantity("0"), parse_quantity("1Gi"))) == "1Gi"
    assert str(quantity.sub(parse_quantity("1"), parse_quantity("900m"))) == "100m"
    assert quantity.compare(parse_quantity("1Ki"), parse_quantity("1024")) == 0
    assert quantity.compare(parse_quantity("1k"), parse_quantity("1Ki")) == -1
    assert str(quantity.from_milli(1500)) == "1500m"
    assert str(quantity.from_units(2048, quantity.BINARY)) == "2Ki"


@given(st.integers(-(10**15), 10**15), st.sampled_from(["n", "u", "m", "", "k", "Ki", "Mi", "e3", "e-3"]))
def test_the_canonical_form_says_the_same_and_is_stable(number, suffix):
    text = f"{number}{suffix}"
    canonical = quantity.canonical(text)
    assert parse_quantity(canonical).nano == parse_quantity(text).nano
    assert quantity.canonical(canonical) == canonical
