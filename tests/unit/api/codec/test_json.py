"""JSON: Go's words for malformed bodies, duplicates by path, big integers, Go's bytes for maps."""

import pytest

from api.codec import json

META = (
    'Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "unexpected end of JSON input", id="empty"),
        pytest.param(b'{"a":', "unexpected end of JSON input", id="cut"),
        pytest.param(b"nul", "invalid character 'n' looking for beginning of value", id="no value"),
        pytest.param(b'{"a" 1}', "invalid character '1' after object key", id="no colon"),
        pytest.param(b'{"a":1 "b"}', "invalid character '\"' after object key:value pair", id="no comma"),
        pytest.param(b'{"a":[1 2]}', "invalid character '2' after array element", id="no comma in a list"),
        pytest.param(
            b"{'a':1}", "invalid character '\\'' looking for beginning of object key string", id="quote"
        ),
        pytest.param(b'{"a":1}x', "invalid character 'x' after top-level value", id="extra"),
        pytest.param(b'{"a":NaN}', "invalid character 'N' looking for beginning of value", id="NaN"),
        pytest.param(b"[]", f"json: cannot unmarshal array into {META}", id="list at the top"),
        pytest.param(b'{"a":' * 3000 + b"1" + b"}" * 3000, "exceeded max depth", id="deep"),
    ],
)
def test_malformed(data, message):
    with pytest.raises(json.DecodeError) as caught:
        json.loads(data)
    assert str(caught.value) == f"couldn't get version/kind; json parse error: {message}"


def test_too_deep_for_the_writer_is_refused_by_the_reader():
    with pytest.raises(json.DecodeError, match="exceeded max depth"):
        json.loads(b'{"a":' * 300 + b"1" + b"}" * 300)


def test_integers_of_64_bits_survive():
    data = b'{"a":9223372036854775807,"b":18446744073709551615,"c":-9223372036854775808}'
    assert json.dumps(json.loads(data)) == data


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        pytest.param(b'{"a":1,"b":[{"c":"\\u00e9"}]}', [], id="none"),
        pytest.param(b'{"a": 1, "b": 2}\n', [], id="none, with blanks"),
        pytest.param(b'{"spec":{"replicas":1,"x":{},"replicas":2}}', ["spec.replicas"], id="one"),
        pytest.param(b'{"a":[{"b":1,"b":2}],"a":1}', ["a[0].b", "a"], id="inner ones first"),
    ],
)
def test_duplicates(data, paths):
    assert json.duplicate_fields(data, json.loads(data)) == paths


def test_strict_message_lists_unknown_fields_first():
    text = json.strict_message(["spec.unknownField"], ["spec.replicas"])
    assert text == 'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"'
    assert json.strict_message([], []) == ""


def test_the_bytes_of_go():
    assert json.dumps_as_go({"b": "<&>\u2028", "a": [1, {"d": None, "c": True}]}) == (
        b'{"a":[1,{"c":true,"d":null}],"b":"\\u003c\\u0026\\u003e\\u2028"}'
    )
