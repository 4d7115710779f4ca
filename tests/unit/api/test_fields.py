"""Field selectors: terms, escapes, matching, refusals."""

import pytest

from api.fields import escape, parse_field_selector


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("metadata.name=web", [("metadata.name", "=", "web")], id="equal"),
        pytest.param("a==b", [("a", "=", "b")], id="double equal"),
        pytest.param("a!=b,c=", [("a", "!=", "b"), ("c", "=", "")], id="not equal, and empty"),
        pytest.param(r"a=b\,c\=d\\", [("a", "=", "b,c=d\\")], id="escapes"),
    ],
)
def test_terms(text, terms):
    assert list(parse_field_selector(text).terms) == terms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a", "invalid selector: 'a'; can't understand 'a'", id="no operator"),
        pytest.param("a=b=c", "invalid field selector: unescaped character in value: =", id="not escaped"),
        pytest.param(r"a=\x", r"invalid field selector: invalid escape sequence: \x", id="unknown escape"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        parse_field_selector(text)
    assert str(caught.value) == message


def test_matching_sees_absent_fields_as_empty():
    fields = {"status.phase": "Running"}
    selector = parse_field_selector("status.phase!=Failed,spec.nodeName=")
    assert selector.matches(lambda path: fields.get(path, ""))
    assert not parse_field_selector("spec.nodeName=x").matches(lambda path: fields.get(path, ""))
    assert parse_field_selector("a=b,c!=d").exact("a") == "b"
    assert parse_field_selector("a!=b").exact("a") is None


def test_what_is_printed_parses_again():
    value = r"x,y=z\ "
    selector = parse_field_selector(f"a={escape(value)}")
    assert selector.terms[0].value == value
    assert parse_field_selector(str(selector)) == selector
