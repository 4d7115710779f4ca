"""Label selectors: what they match, how they print, and upstream's words for malformed ones."""

import pytest

from api import labels

WEB = {"app": "web", "tier": "front", "n": "5"}


@pytest.mark.parametrize(
    ("text", "matches", "printed"),
    [
        pytest.param("", True, "", id="everything"),
        pytest.param("app=web", True, "app=web", id="equal"),
        pytest.param("app==web", True, "app==web", id="double equal"),
        pytest.param("app != web", False, "app!=web", id="not equal"),
        pytest.param("other!=x", True, "other!=x", id="not equal of an absent label"),
        pytest.param("app in (web, db)", True, "app in (db,web)", id="in"),
        pytest.param("app notin (web)", False, "app notin (web)", id="not in"),
        pytest.param("other notin (a)", True, "other notin (a)", id="not in of an absent label"),
        pytest.param("app", True, "app", id="exists"),
        pytest.param("!app", False, "!app", id="does not exist"),
        pytest.param("tier=front,app", True, "app,tier=front", id="several, sorted by key"),
        pytest.param("n>4", True, "n>4", id="greater"),
        pytest.param("n<4", False, "n<4", id="less"),
        pytest.param("app>4", False, "app>4", id="greater of a text"),
        pytest.param("app=", False, "app=", id="empty value"),
        pytest.param("app in (,web)", True, "app in (,web)", id="empty value in a list"),
        pytest.param("in in (in)", False, "in in (in)", id="a word as a key and a value"),
        pytest.param("x.io/app", False, "x.io/app", id="prefixed key"),
    ],
)
def test_parsed_selectors(text, matches, printed):
    selector = labels.parse_selector(text)
    assert (selector.matches(WEB), str(selector)) == (matches, printed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(",", "found ',', expected: !, identifier, or 'end of string'", id="only a comma"),
        pytest.param("a,", "found '', expected: identifier after ','", id="comma at the end"),
        pytest.param(
            "a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt", id="op"
        ),
        pytest.param("a=b c", "found 'c', expected: ',' or 'end of string'", id="two values"),
        pytest.param("a in b", "unable to parse requirement: found 'b' expected: '('", id="no bracket"),
        pytest.param(
            "a in (b", "unable to parse requirement: found '', expected: ',' or ')'", id="open bracket"
        ),
        pytest.param(
            "a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'", id="no comma"
        ),
        pytest.param(
            "a in ()",
            "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set "
            "can't be empty",
            id="no values",
        ),
        pytest.param("!", "unable to parse requirement: found '', expected: identifier", id="only a bang"),
        pytest.param(
            "a>b",
            "unable to parse requirement: values: Invalid value: [\"b\"]: for 'Gt', 'Lt' operators, the "
            "value must be an integer",
            id="no integer",
        ),
        pytest.param(
            "a=-",
            'unable to parse requirement: values[0][a]: Invalid value: "-": a valid label must be an empty '
            "string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
            "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
            id="bad value",
        ),
        pytest.param(
            "-a",
            'unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of '
            "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
            "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            id="bad key",
        ),
    ],
)
def test_malformed_selectors(text, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        labels.parse_selector(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        pytest.param(None, False, id="none matches nothing"),
        pytest.param({}, True, id="empty matches everything"),
        pytest.param({"matchLabels": {"app": "web"}}, True, id="labels"),
        pytest.param({"matchLabels": {"app": "web", "x": "y"}}, False, id="all labels"),
        pytest.param(
            {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True, id="in"
        ),
        pytest.param({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True, id="exists"),
        pytest.param(
            {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False, id="not exists"
        ),
    ],
)
def test_label_selector_objects(selector, matches):
    assert labels.from_label_selector(selector).matches(WEB) is matches


def test_an_unknown_operator_is_named():
    with pytest.raises(ValueError, match='"Near" is not a valid label selector operator'):
        labels.from_label_selector({"matchExpressions": [{"key": "a", "operator": "Near"}]})


def test_maps_and_what_an_index_can_use():
    selector = labels.from_map({"b": "2", "a": "1"})
    assert str(selector) == "a=1,b=2"
    assert selector.exact == (("a", "1"), ("b", "2"))
    assert labels.from_map({}).empty
    assert not labels.NOTHING.empty
    assert not labels.NOTHING.matches({})
    assert labels.EVERYTHING.matches(None)
