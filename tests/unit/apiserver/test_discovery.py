"""What the server tells of what it serves."""

import orjson
import pytest

from api.catalog import ALL
from apiserver.discovery import Discovery, build_discovery
from apiserver.http.message import Request

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
BETA = V2.replace("v=v2;", "v=v2beta1;")


async def get(path: str, accept: str = "", discovery: Discovery | None = None, **headers: str):
    given = {"accept": accept, **{key.replace("_", "-"): value for key, value in headers.items()}}
    return await (discovery or build_discovery("1.2.3.4:6443")).handle(Request("GET", path, {}, given))


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        pytest.param("/api", "", "APIVersions", id="api"),
        pytest.param("/apis/", "application/json", "APIGroupList", id="apis-with-slash"),
        pytest.param("/apis/apps", "", "APIGroup", id="group"),
        pytest.param("/apis/apps/v1/", "", "APIResourceList", id="version"),
        pytest.param("/api/v1", V2, "APIResourceList", id="only-roots-are-aggregated"),
        pytest.param("/apis", f"{V2},{BETA},application/json", "APIGroupDiscoveryList", id="aggregated"),
        pytest.param("/api", BETA, "APIGroupDiscoveryList", id="aggregated-beta"),
        pytest.param("/apis", f"application/json,{V2}", "APIGroupList", id="the-first-is-best"),
    ],
)
async def test_kinds(path: str, accept: str, kind: str) -> None:
    answer = await get(path, accept)
    assert orjson.loads(answer.body)["kind"] == kind
    expected = accept.split(",")[0] if kind == "APIGroupDiscoveryList" else "application/json"
    assert answer.content_type == expected


@pytest.mark.parametrize("path", ["/apis/nope", "/apis/apps/v9", "/api/v2", "/api/v1/x/y"])
async def test_nothing_there(path: str) -> None:
    assert await get(path) is None


async def test_plain_and_aggregated_tell_the_same() -> None:
    plain: set[tuple[str, str, str]] = set()
    for item in ALL:
        root = f"/apis/{item.group_version}" if item.group else "/api/v1"
        found = orjson.loads((await get(root)).body)["resources"]
        plain |= {(item.group, item.version, entry["name"]) for entry in found}
    aggregated = set()
    for path in ("/api", "/apis"):
        for group in orjson.loads((await get(path, V2)).body)["items"]:
            for version in group["versions"]:
                for entry in version["resources"]:
                    key = (group["metadata"]["name"], version["version"])
                    aggregated.add((*key, entry["resource"]))
                    for sub in entry.get("subresources", ()):
                        aggregated.add((*key, f"{entry['resource']}/{sub['subresource']}"))
    assert plain == aggregated


async def test_scale_is_of_autoscaling() -> None:
    entries = orjson.loads((await get("/apis/apps/v1")).body)["resources"]
    scale = next(entry for entry in entries if entry["name"] == "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")


async def test_etag() -> None:
    discovery = build_discovery("x")
    etag = (await get("/apis", V2, discovery)).headers["ETag"]
    assert (await get("/apis", V2, discovery, if_none_match=etag)).status == 304
    discovery.replace(item for item in ALL if item.group != "batch")
    again = await get("/apis", V2, discovery, if_none_match=etag)
    assert again.status == 200
    assert again.headers["ETag"] != etag
