"""YAML: scalars as Kubernetes reads them, doubled keys by line, and what an attacker may send."""

import pytest

from api.codec import yaml
from api.codec.json import DecodeError

PREFIX = "error converting YAML to JSON: "


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("yes", True, id="yes"),
        pytest.param("off", False, id="off"),
        pytest.param("n", False, id="n"),
        pytest.param("~", None, id="tilde"),
        pytest.param("", None, id="nothing"),
        pytest.param("0644", 420, id="octal"),
        pytest.param("0o644", 420, id="octal with o"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("-0b11", -3, id="binary"),
        pytest.param("08", 8, id="no octal digit"),
        pytest.param("1e3", 1000, id="exponent"),
        pytest.param("1.5", 1.5, id="fraction"),
        pytest.param("1.0", 1, id="whole float"),
        pytest.param("1_000", 1000, id="underscore"),
        pytest.param("18446744073709551615", 2**64 - 1, id="64 bits"),
        pytest.param("1:30", "1:30", id="no base 60"),
        pytest.param("2026-01-01", "2026-01-01", id="date"),
        pytest.param("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", id="time"),
        pytest.param("1.2.3", "1.2.3", id="version"),
        pytest.param("100m", "100m", id="quantity"),
        pytest.param('"1"', "1", id="quoted"),
        pytest.param("!!str 1", "1", id="tagged as text"),
        pytest.param("!!binary aGk=", "hi", id="binary tag"),
        pytest.param("|\n  a\n  b\n", "a\nb\n", id="block"),
    ],
)
def test_scalars(text, value):
    read = yaml.loads(f"a: {text}")["a"]
    assert (read, type(read)) == (value, type(value))


def test_keys_become_text():
    assert yaml.loads("1: a\non: b\n1.5: c\nn: d\n") == {"1": "a", "true": "b", "1.5": "c", "false": "d"}


def test_merge_keys_and_aliases_do_not_share():
    obj = yaml.loads("base: &b {p: 1, q: [2]}\nm:\n  <<: *b\n  p: 3\no: *b\n")
    assert obj["m"] == {"p": 3, "q": [2]}
    assert obj["o"] == obj["base"]
    assert obj["o"] is not obj["base"]


def test_json_is_read_as_yaml_would_be():
    text = '{"a": 1.0, "b": [1e3, 1.5], "c": "1.0", "d": {"e": null, "f": "\\u00fc"}}'
    assert yaml.loads(text) == {"a": 1, "b": [1000, 1.5], "c": "1.0", "d": {"e": None, "f": "ü"}}
    assert isinstance(yaml.loads(text)["a"], int)
    assert yaml.loads_strict('{"a": 1,\n "a": 2}') == ({"a": 2}, ['line 2: key "a" already set in map'])
    with pytest.raises(DecodeError, match="did not find expected"):
        yaml.loads('{"a": 1')


def test_json_is_not_read_event_by_event(monkeypatch):
    monkeypatch.setattr(yaml, "documents", None)
    assert yaml.loads_strict(b' {"a": {"b": "c"}}') == ({"a": {"b": "c"}}, [])


def test_documents():
    assert yaml.loads_all("---\na: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
    assert yaml.loads("") == {}


def test_doubled_keys_are_named_with_their_line():
    obj, duplicates = yaml.loads_strict("\na: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert obj == {"a": 3, "b": {"c": 2}}
    assert duplicates == ['line 5: key "c" already set in map', 'line 6: key "a" already set in map']
    assert yaml.strict_fault(duplicates[:1]) == (
        'yaml: unmarshal errors:\n  line 5: key "c" already set in map'
    )


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: b: c", "yaml: line 1: mapping values are not allowed in this context", id="syntax"),
        pytest.param("a: *x", "yaml: unknown anchor 'x' referenced", id="unknown anchor"),
        pytest.param("a: &x [*x]", "yaml: anchor 'x' value contains itself", id="cycle"),
        pytest.param("? [a]\n: b", "yaml: invalid map key: []interface {}", id="list as key"),
        pytest.param("a: .nan", "json: unsupported value: .nan", id="not a number"),
        pytest.param("a: !!int x", "yaml: cannot decode !!str `x` as a !!int", id="wrong tag"),
        pytest.param(
            "<<: 1", "yaml: map merge requires map or sequence of maps as the value", id="wrong merge"
        ),
        pytest.param("- 1", "the document is not an object", id="list at the top"),
        pytest.param("[" * 100_000, "yaml: exceeded max depth of nesting", id="deep"),
        pytest.param(BOMB, "yaml: document contains excessive aliasing", id="bomb"),
        pytest.param(
            f"a: &a {'x' * 100_000}\nb: [{'*a, ' * 1000}]\n",
            "yaml: document contains excessive aliasing",
            id="bomb-of-one-long-text",
        ),
    ],
)
def test_refusals(text, message):
    with pytest.raises(DecodeError) as caught:
        yaml.loads(text)
    assert str(caught.value) == PREFIX + message


def test_what_is_written_reads_back():
    obj: dict[str, object] = {
        "b": "1",
        "a": "yes",
        "c": "x: y",
        "d": [{"e": 1, "f": [1, 2.5]}, []],
        "t": "a\nb\n",
        "n": None,
        "z": {},
        "time": "2026-01-01T00:00:00Z",
        "odd": " x\n",
    }
    text = yaml.dumps(obj)
    assert yaml.loads(text) == obj
    assert text.startswith(b'a: "yes"\nb: "1"\nc: \'x: y\'\nd:\n- e: 1\n  f:\n  - 1\n')
