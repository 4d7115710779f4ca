"""What the server tells of what it serves."""

import orjson
import pytest

from api.catalog import ALL
from api.resource import Resource
from apiserver.discovery import Discovery, Remote, build_discovery
from apiserver.http.message import Request
from apiserver.openapi.serve import OpenAPI
from apiserver.served import Served

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


async def test_custom_and_remote_resources_come_and_go() -> None:
    discovery = build_discovery("x")
    served = Served(ALL, discovery, OpenAPI(ALL))
    served.set_custom([Resource("a.example.com", version, "foos", "Foo") for version in ("v2", "v1")])
    entry = {"version": "v1alpha1", "resources": [{"resource": "flunders"}], "freshness": "Stale"}
    served.set_remote(
        [Remote("wardle.example.com", "v1alpha1", entry), Remote("top.example.com", "v1", entry, 2000)]
    )
    told = orjson.loads((await get("/apis", V2, discovery)).body)["items"]
    assert [group["metadata"]["name"] for group in told[-3:]] == [
        "top.example.com",
        "a.example.com",
        "wardle.example.com",
    ]
    assert [version["version"] for version in told[-2]["versions"]] == ["v2", "v1"]
    assert told[-1]["versions"] == [entry]
    group = orjson.loads((await get("/apis/wardle.example.com", discovery=discovery)).body)
    assert group["preferredVersion"]["groupVersion"] == "wardle.example.com/v1alpha1"
    assert await get("/apis/wardle.example.com/v1alpha1", discovery=discovery) is None
    assert (await get("/apis/a.example.com/v1", discovery=discovery)).status == 200
    served.set_custom([])
    served.set_remote([])
    assert len(orjson.loads((await get("/apis", V2, discovery)).body)["items"]) == len(told) - 3
    assert await get("/apis/a.example.com/v1", discovery=discovery) is None
