import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.versions import (
    ANY_REVISION,
    Continue,
    InvalidContinue,
    InvalidResourceVersion,
    decode_continue,
    encode_continue,
    format_resource_version,
    parse_resource_version,
)

PREFIX = "/registry/core/pods/"


@pytest.mark.parametrize(
    ("text", "revision"),
    [
        pytest.param("", 0, id="unset"),
        pytest.param("0", 0, id="any"),
        pytest.param("1234", 1234, id="number"),
        pytest.param("0012", 12, id="leading-zeros"),
        pytest.param(str(2**64 - 1), 2**64 - 1, id="largest"),
    ],
)
def test_resource_version(text, revision):
    assert parse_resource_version(text) == revision


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "abc",
            'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
            id="letters",
        ),
        pytest.param(
            "-1",
            'resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax',
            id="negative",
        ),
        pytest.param(
            "18446744073709551616",
            'resourceVersion: Invalid value: "18446744073709551616": '
            'strconv.ParseUint: parsing "18446744073709551616": value out of range',
            id="too-large",
        ),
        pytest.param(
            "\u0664",
            'resourceVersion: Invalid value: "\u0664": strconv.ParseUint: parsing "\u0664": invalid syntax',
            id="digits-of-another-script",
        ),
    ],
)
def test_bad_resource_version(text, message):
    with pytest.raises(InvalidResourceVersion) as caught:
        parse_resource_version(text)
    assert str(caught.value) == message


def test_format():
    assert format_resource_version(17) == "17"


@given(st.text(min_size=1), st.integers(min_value=1, max_value=2**63 - 1))
def test_a_token_leads_back_or_is_refused(name, revision):
    token = encode_continue(PREFIX + name, PREFIX, revision)
    try:
        assert decode_continue(token, PREFIX) == Continue(PREFIX + name.removeprefix("/"), revision)
    except InvalidContinue:
        # Names with parts that a path cannot have; no object is called so.
        parts = name.removeprefix("/").split("/")
        assert not all(part and part not in (".", "..") for part in parts)


def test_token_is_upstreams():
    token = encode_continue(PREFIX + "default/web-1", PREFIX, 42)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert json.loads(raw) == {"v": "meta.k8s.io/v1", "rv": 42, "start": "default/web-1\0"}
    assert "=" not in token


def test_token_for_any_revision():
    token = encode_continue(PREFIX + "a/b", PREFIX, ANY_REVISION)
    assert decode_continue(token, PREFIX) == Continue(PREFIX + "a/b", ANY_REVISION)


def test_token_of_a_foreign_key():
    with pytest.raises(ValueError, match="the key and key prefix do not match"):
        encode_continue("/registry/core/nodes/a", PREFIX, 1)


def packed(**fields) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


V1 = "meta.k8s.io/v1"


@pytest.mark.parametrize(
    ("token", "message"),
    [
        pytest.param("!!!", "continue key is not valid: ", id="no-base64"),
        pytest.param("e30x", "continue key is not valid: ", id="no-json"),
        pytest.param("W10", "continue key is not valid: not an object", id="a-list"),
        pytest.param(
            packed(v="v2", rv=1, start="a\0"),
            "continue key is not valid: server does not recognize this encoded version v2",
            id="another-version",
        ),
        pytest.param(
            packed(v=V1, start="a\0"),
            "continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            id="no-revision",
        ),
        pytest.param(
            packed(v=V1, rv=1),
            "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)",
            id="no-start",
        ),
        pytest.param(
            packed(v=V1, rv="1", start="a\0"),
            "continue key is not valid: fields of the wrong type",
            id="revision-is-text",
        ),
        pytest.param(
            packed(v=V1, rv=1, start="../../secrets/a\0"), "continue key is not valid: ../..", id="outside"
        ),
        pytest.param(packed(v=V1, rv=1, start="//a\0"), "continue key is not valid: //a", id="two-slashes"),
        pytest.param(packed(v=V1, rv=1, start="a"), "continue key is not valid: a", id="no-successor"),
    ],
)
def test_bad_token(token, message):
    with pytest.raises(InvalidContinue) as caught:
        decode_continue(token, PREFIX)
    assert str(caught.value).startswith(message)
