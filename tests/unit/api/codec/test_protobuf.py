"""Request bodies in protobuf. The bytes are written by hand, field by field."""

import pytest

from api.codec import protobuf
from api.codec.json import DecodeError


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def body(version: str, kind: str, message: bytes) -> bytes:
    meta = field(1, version.encode()) + field(2, kind.encode())
    return b"k8s\0" + field(1, meta) + field(2, message) + field(3, b"") + field(4, b"")


METADATA = field(1, b"n") + field(2, b"") + field(8, b"") + field(11, field(1, b"a") + field(2, b"b"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            body("v1", "ConfigMap", field(1, METADATA) + field(2, field(1, b"k") + field(2, b"v"))),
            {
                "kind": "ConfigMap",
                "apiVersion": "v1",
                "metadata": {"name": "n", "labels": {"a": "b"}},
                "data": {"k": "v"},
            },
            id="zero-times-and-empty-strings-are-left-out",
        ),
        pytest.param(
            body("v1", "Secret", field(2, field(1, b"k") + field(2, b"\x00\xff"))),
            {"kind": "Secret", "apiVersion": "v1", "data": {"k": "AP8="}},
            id="bytes",
        ),
        pytest.param(
            body("apps/v1", "Deployment", field(2, field(1, 0) + field(5, 0))),
            {"kind": "Deployment", "apiVersion": "apps/v1", "spec": {"replicas": 0}},
            id="zero-of-a-pointer-is-said",
        ),
        pytest.param(
            body("v1", "Pod", field(2, field(1, field(1, b"v") + field(2, field(2, field(1, b"")))))),
            {"kind": "Pod", "apiVersion": "v1", "spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
            id="inlined-message",
        ),
        pytest.param(
            body(
                "v1", "Service", field(2, field(1, field(3, 80) + field(4, field(1, 1) + field(3, b"http"))))
            ),
            {"kind": "Service", "apiVersion": "v1", "spec": {"ports": [{"port": 80, "targetPort": "http"}]}},
            id="int-or-string",
        ),
        pytest.param(
            body("v1", "DeleteOptions", field(1, (1 << 64) - 1)),
            {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": -1},
            id="negative-number",
        ),
    ],
)
def test_loads(given: bytes, expected: dict) -> None:
    assert protobuf.loads(given) == expected


@pytest.mark.parametrize(
    ("given", "text"),
    [
        pytest.param(b"{}", "does not appear to be a protobuf message", id="not-protobuf"),
        pytest.param(body("v1", "Pod", field(2, b"\x0a\x7f")), "malformed protobuf message", id="cut-off"),
        pytest.param(
            body("v1", "ConfigMap", field(99, 1)),
            "field 99 of io.k8s.api.core.v1.ConfigMap",
            id="unknown-field",
        ),
        pytest.param(body("v1", "Nope", b""), 'no kind "Nope" is registered', id="unknown-kind"),
        pytest.param(b"k8s\0" + b"\xff" * 20, "a number is too long", id="endless-number"),
    ],
)
def test_refused(given: bytes, text: str) -> None:
    with pytest.raises(DecodeError, match=text):
        protobuf.loads(given)
