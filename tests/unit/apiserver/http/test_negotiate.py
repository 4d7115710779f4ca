"""Accept and Content-Type."""

import pytest

from api.errors import NotAcceptable, UnsupportedMediaType
from apiserver.http.negotiate import JSON, PROTOBUF, YAML, Form, accepted, body_type, patch_type

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "views", "expected"),
    [
        pytest.param("", (), Form(), id="nothing-said"),
        pytest.param("*/*", (), Form(), id="anything"),
        pytest.param("application/json", (), Form(), id="json"),
        pytest.param("application/yaml", (), Form(YAML), id="yaml"),
        pytest.param("application/vnd.kubernetes.protobuf,application/json", (), Form(), id="protobuf-first"),
        pytest.param("application/yaml;q=0.5, application/json", (), Form(), id="by-quality"),
        pytest.param(f"{TABLE},application/json", ("Table",), Form(JSON, "Table"), id="table"),
        pytest.param(f"{TABLE},application/json", (), Form(), id="no-table-here"),
        pytest.param(
            "application/json;as=Table;v=v1beta1;g=meta.k8s.io", ("Table",), Form(JSON, "Table", "v1beta1"),
            id="old-table",
        ),
        pytest.param(
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", ("PartialObjectMetadata",),
            Form(JSON, "PartialObjectMetadata"), id="metadata",
        ),
    ],
)  # fmt: skip
def test_accept(accept, views, expected):
    assert accepted(accept, views) == expected


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param("text/html", id="html"),
        pytest.param("application/vnd.kubernetes.protobuf", id="protobuf-alone"),
        pytest.param(TABLE, id="table-where-there-is-none"),
        pytest.param("application/json;q=0", id="refused-by-quality"),
    ],
)
def test_not_acceptable(accept):
    with pytest.raises(NotAcceptable, match="only the following media types are accepted: application/json"):
        accepted(accept, ())


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [("", JSON), ("application/json; charset=utf-8", JSON), ("application/yaml", YAML), (PROTOBUF, PROTOBUF)],
)
def test_body_type(content_type, expected):
    assert body_type({"content-type": content_type}) == expected


def test_bodies_in_other_forms_are_refused():
    with pytest.raises(UnsupportedMediaType, match="unknown format"):
        body_type({"content-type": "text/plain"})
    with pytest.raises(UnsupportedMediaType, match=r"application/json-patch\+json"):
        patch_type({"content-type": "application/json"})
