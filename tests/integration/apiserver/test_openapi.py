"""OpenAPI documents over HTTPS, as clients fetch them."""

import pytest

from apiserver.openapi.wire import ASKED_MEDIA


@pytest.mark.parametrize("media", ["application/json", ASKED_MEDIA])
async def test_a_document_is_packed_once(api, media):
    answer = await api.ask("GET", "/openapi/v2", headers={"Accept": media, "Accept-Encoding": "gzip"})
    assert answer.headers.getall("Content-Encoding") == ["gzip"]
    # The client has unpacked it: `swagger` is the first field in either form.
    assert answer.body.startswith(b'{"swagger"' if media == "application/json" else b"\x0a\x032.0")
