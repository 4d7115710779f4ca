"""The OpenAPI documents: every reference leads somewhere, and kubectl finds what it looks for."""

import gzip

import orjson
import pytest

from api.catalog import ALL, of_group_version
from api.errors import NotAcceptable
from apiserver.http.message import Request, Response
from apiserver.openapi.document import build_v2, build_v3, part_v2
from apiserver.openapi.serve import OpenAPI
from apiserver.openapi.wire import ASKED_MEDIA, MEDIA

VERSION = "v1.36.0"


def references(value) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*(references(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(references(item) for item in value))
    return set()


def test_v2_is_whole() -> None:
    document = orjson.loads(build_v2(part_v2(ALL), (), VERSION))
    known = {f"#/definitions/{name}" for name in document["definitions"]}
    assert references(document) <= known
    pod = document["definitions"]["io.k8s.api.core.v1.Pod"]
    assert pod["type"] == "object"
    assert "enum" not in pod["properties"]["kind"]
    assert (
        document["definitions"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["format"]
        == "int-or-string"
    )


@pytest.mark.parametrize("group_version", sorted({(item.group, item.version) for item in ALL}), ids="/".join)
def test_v3_is_whole(group_version: tuple[str, str]) -> None:
    document = orjson.loads(build_v3(of_group_version(*group_version), VERSION))
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known


def test_patch_tells_of_field_validation() -> None:
    """Spec: kubectl's QueryParamVerifierV3 looks for this before it trusts the server to validate."""
    document = orjson.loads(build_v3(of_group_version("apps", "v1"), VERSION))
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }
    assert "fieldValidation" in [item["name"] for item in patch["parameters"]]
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]


def test_operation_ids_differ() -> None:
    document = orjson.loads(build_v2(part_v2(ALL), (), VERSION))
    ids = [one["operationId"] for item in document["paths"].values() for one in item.values()]
    assert len(ids) == len(set(ids))


async def get(openapi: OpenAPI, path: str, query: dict | None = None, **headers: str) -> Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await openapi.handle(Request("GET", path, query or {}, given))
    assert answer is not None
    assert isinstance(answer.body, bytes)
    return answer


def loaded(answer: Response) -> dict:
    found: dict = orjson.loads(b"".join([answer.body] if isinstance(answer.body, bytes) else answer.body))
    return found


async def test_serving() -> None:
    openapi = OpenAPI(of_group_version("batch", "v1"))
    index = loaded(await get(openapi, "/openapi/v3"))
    path, _, tag = index["paths"]["apis/batch/v1"]["serverRelativeURL"].partition("?hash=")
    answer = await get(openapi, path, {"hash": [tag]}, accept_encoding="gzip")
    assert answer.headers["ETag"] == f'"{tag}"'
    assert isinstance(answer.body, bytes)
    assert orjson.loads(gzip.decompress(answer.body))["openapi"] == "3.0.0"
    assert loaded(await get(openapi, path))["openapi"] == "3.0.0"
    assert (await get(openapi, path, if_none_match=f'"{tag}"')).status == 304
    assert await openapi.handle(Request("GET", "/openapi/v3/apis/apps/v1", {}, {})) is None


async def test_protobuf() -> None:
    openapi = OpenAPI(of_group_version("batch", "v1"))
    answer = await get(openapi, "/openapi/v2", accept=ASKED_MEDIA)
    assert answer.content_type == MEDIA
    # Field 1, bytes: swagger "2.0".
    assert isinstance(answer.body, bytes)
    assert answer.body.startswith(b"\x0a\x032.0")
    with pytest.raises(NotAcceptable):
        await get(openapi, "/openapi/v3/apis/batch/v1", accept="text/html")
