"""Custom resources from their definition to their end, over HTTPS."""

import asyncio

import orjson

from tests.integration.apiserver.customresources import ANY, CRDS, definition, version, widget

WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"


async def until(api, path: str, status: int) -> None:
    for _ in range(500):
        if (await api.ask("GET", path)).status == status:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{path} did not become {status}")


async def gone(api, path: str) -> None:
    await until(api, path, 404)


async def test_a_definition_is_served_when_it_is_acknowledged(api) -> None:
    made = await api.ok("POST", CRDS, definition())
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["spec"]["names"]["listKind"] == "WidgetList"
    crd = await api.ok("GET", f"{CRDS}/widgets.example.com")
    told = {item["type"]: item["status"] for item in crd["status"]["conditions"]}
    assert told == {"NamesAccepted": "True", "Established": "True"}
    assert crd["spec"] == made["spec"]
    found = await api.ok("GET", "/apis/example.com/v1")
    assert [item["name"] for item in found["resources"]] == ["widgets"]
    one = await api.ok("POST", WIDGETS, widget("a", size=3, nope=1))
    assert one["spec"] == {"size": 3, "color": "red"}
    assert one["metadata"]["generation"] == 1
    listed = await api.ok("GET", WIDGETS)
    assert listed["kind"] == "WidgetList"
    assert listed["items"] == [one]


async def test_what_a_schema_refuses(api) -> None:
    await api.ok("POST", CRDS, definition())
    refused = await api.ask("POST", WIDGETS, widget("a", size=-1))
    assert refused.status == 422
    assert "spec.size" in refused.json["message"]
    strict = await api.ask("POST", WIDGETS, widget("a", nope=1), fieldValidation="Strict")
    assert strict.status == 400
    assert 'strict decoding error: unknown field "spec.nope"' in strict.json["message"]
    warned = await api.ask("POST", WIDGETS, widget("a", nope=1))
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec.nope\\""'
    other = await api.ask("POST", WIDGETS, widget("b", group_version="example.com/v2"))
    assert other.status == 400
    assert (await api.patch(f"{WIDGETS}/a", {"spec": {}}, "strategic")).status == 415
    protobuf = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    unreadable = await api.ask("POST", WIDGETS, b"k8s\x00", protobuf)
    assert unreadable.status == 415
    assert unreadable.json["message"].endswith("include: application/json, application/yaml")


async def test_verbs_and_generations(api) -> None:
    subresources = {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                                            "statusReplicasPath": ".status.replicas"}}  # fmt: skip
    await api.ok("POST", CRDS, definition(versions=[version(subresources=subresources)]))
    one = await api.ok("POST", WIDGETS, {**widget("a", replicas=2), "status": {"replicas": 9}})
    assert "status" not in one
    path = f"{WIDGETS}/a"
    one["status"] = {"replicas": 1}
    unchanged = await api.ok("PUT", path, one)
    assert "status" not in unchanged
    assert unchanged["metadata"]["resourceVersion"] == one["metadata"]["resourceVersion"]
    labelled = {**one, "spec": {}, "metadata": {**one["metadata"], "labels": {"a": "b"}}}
    stated = await api.ok("PUT", f"{path}/status", labelled)
    assert stated["status"] == {"replicas": 1}
    assert stated["spec"]["replicas"] == 2
    assert "labels" not in stated["metadata"]
    assert stated["metadata"]["generation"] == 1
    moved = (await api.patch(path, {"spec": {"size": 4}})).json
    assert moved["metadata"]["generation"] == 2
    scale = await api.ok("GET", f"{path}/scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 1})
    scaled = (await api.patch(f"{path}/scale", {"spec": {"replicas": 5}})).json
    assert scaled["spec"] == {"replicas": 5}
    after = await api.ok("GET", path)
    assert after["spec"] == {"replicas": 5, "size": 4, "color": "red"}
    assert after["metadata"]["generation"] == 3
    stale = {**after, "metadata": {"name": "a"}}
    assert (await api.ask("PUT", path, stale)).status == 422
    managers = [entry.get("subresource") for entry in after["metadata"]["managedFields"]]
    assert managers.count("status") == 1
    assert (await api.ok("DELETE", path))["status"] == "Success"
    assert (await api.ask("GET", path)).status == 404


async def test_server_side_apply(api) -> None:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "ports": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["port"],
                        "items": {
                            "type": "object",
                            "required": ["port"],
                            "properties": {"port": {"type": "integer"}, "name": {"type": "string"}},
                        },
                    }
                },
            }
        },
    }
    await api.ok("POST", CRDS, definition(versions=[version(schema=schema)]))
    first = widget("a", ports=[{"port": 1, "name": "x"}])
    answer = await api.patch(f"{WIDGETS}/a", first, "apply", fieldManager="one")
    assert answer.status == 201
    second = widget("a", ports=[{"port": 2}])
    merged = await api.patch(f"{WIDGETS}/a", second, "apply", fieldManager="two")
    assert merged.json["spec"]["ports"] == [{"port": 1, "name": "x"}, {"port": 2}]
    taken = await api.patch(
        f"{WIDGETS}/a", widget("a", ports=[{"port": 1, "name": "y"}]), "apply", fieldManager="two"
    )
    assert taken.status == 409
    unknown = await api.patch(
        f"{WIDGETS}/a", widget("a", foo=1), "apply", fieldManager="one", fieldValidation="Strict"
    )
    assert unknown.status == 500
    assert ".spec.foo: field not declared in schema" in unknown.json["message"]


async def test_a_new_default_is_seen_in_old_objects_and_watches_go_on(api) -> None:
    await api.ok("POST", CRDS, definition())
    await api.ok("POST", WIDGETS, widget("a", size=1))
    old = await api.ok("GET", WIDGETS)
    watch = asyncio.ensure_future(api.watch(WIDGETS, 1, resourceVersion=old["metadata"]["resourceVersion"]))
    await asyncio.sleep(0.05)
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/default"
    crd = f"{CRDS}/widgets.example.com"
    await api.ok("POST", WIDGETS, widget("b"))
    assert (await watch)[0]["object"]["metadata"]["name"] == "b"
    patched = await api.patch(crd, [{"op": "add", "path": path, "value": 7}], "json")
    assert patched.status == 200, patched.body
    assert [item["spec"].get("size") for item in (await api.ok("GET", WIDGETS))["items"]] == [1, 7]
    await api.patch(f"{WIDGETS}/b", {"metadata": {"labels": {"x": "y"}}})
    await api.patch(crd, [{"op": "remove", "path": path}], "json")
    assert (await api.ok("GET", f"{WIDGETS}/b"))["spec"]["size"] == 7
    await api.ok("POST", WIDGETS, widget("c"))
    assert "size" not in (await api.ok("GET", f"{WIDGETS}/c"))["spec"]


async def test_a_changed_schema_ends_the_watches(api) -> None:
    await api.ok("POST", CRDS, definition())
    async with api.session.get(WIDGETS, params={"watch": "true"}) as watching:
        assert watching.status == 200
        changed = definition(versions=[version(schema=ANY)])
        crd = await api.ok("GET", f"{CRDS}/widgets.example.com")
        changed["metadata"] = crd["metadata"]
        await api.ok("PUT", f"{CRDS}/widgets.example.com", changed)
        async with asyncio.timeout(5):
            assert await watching.content.read() == b""
    kept = await api.ok("POST", WIDGETS, widget("a", whatever={"deep": None}, big=2**62))
    assert kept["spec"] == {"whatever": {"deep": None}, "big": 2**62}


async def test_versions_of_one_object(api, backend) -> None:
    versions = [version("v1"), version("v2", storage=False), version("v1beta1", storage=False, schema=ANY)]
    await api.ok("POST", CRDS, definition(versions=versions))
    groups = (await api.ok("GET", "/apis/example.com"))["versions"]
    assert [item["version"] for item in groups] == ["v2", "v1", "v1beta1"]
    old, new = WIDGETS.replace("/v1/", "/v1beta1/"), WIDGETS.replace("/v1/", "/v2/")
    made = await api.ok("POST", old, widget("a", group_version="example.com/v1beta1", size=1, gone=2))
    # What the storage version's schema does not have is not stored.
    assert made["spec"] == {"size": 1}
    assert made["apiVersion"] == "example.com/v1beta1"
    seen = await api.ok("GET", f"{new}/a")
    assert (seen["apiVersion"], seen["spec"]) == ("example.com/v2", {"size": 1, "color": "red"})
    events = await api.watch(new, 1)
    assert events[0]["object"] == seen
    crd = f"{CRDS}/widgets.example.com"
    turn = [
        {"op": "replace", "path": f"/spec/versions/{number}/storage", "value": number == 1}
        for number in (0, 1)
    ]
    turned = (await api.patch(crd, turn, "json")).json
    assert turned["status"]["storedVersions"] == ["v1", "v2"]
    key = "/registry/example.com/widgets/default/a"
    assert b'"example.com/v1"' in (await backend.get(key)).value
    same = await api.ok("GET", f"{new}/a")
    assert same["spec"]["color"] == "red"
    again = await api.ok("PUT", f"{new}/a", same)
    assert again["metadata"]["resourceVersion"] != same["metadata"]["resourceVersion"]
    assert b'"example.com/v2"' in (await backend.get(key)).value
    assert (await api.ok("PUT", f"{new}/a", again))["metadata"] == again["metadata"]
    unserved = [{"op": "replace", "path": "/spec/versions/2/served", "value": False}]
    await api.patch(crd, unserved, "json")
    assert (await api.ask("GET", f"{old}/a")).status == 404
    assert (await api.ok("GET", f"{WIDGETS}/a"))["apiVersion"] == "example.com/v1"


async def test_selectable_fields(api) -> None:
    fields = [{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}]
    await api.ok("POST", CRDS, definition(versions=[version(selectableFields=fields)]))
    await api.ok("POST", WIDGETS, widget("a", size=1))
    await api.ok("POST", WIDGETS, widget("b", size=2, color="blue"))
    found = await api.ok("GET", WIDGETS, fieldSelector="spec.color=red,spec.size=1")
    assert [item["metadata"]["name"] for item in found["items"]] == ["a"]
    assert (await api.ask("GET", WIDGETS, fieldSelector="spec.nope=1")).status == 400
    version_seen = found["metadata"]["resourceVersion"]
    watch = asyncio.ensure_future(
        api.watch(WIDGETS, 2, resourceVersion=version_seen, fieldSelector="spec.color=red")
    )
    await api.patch(f"{WIDGETS}/b", {"spec": {"color": "red"}})
    await api.patch(f"{WIDGETS}/b", {"spec": {"color": "green"}})
    assert [event["type"] for event in await watch] == ["ADDED", "DELETED"]
    await api.ok("DELETE", WIDGETS, fieldSelector="spec.color=red")
    left = await api.ok("GET", WIDGETS)
    assert [item["metadata"]["name"] for item in left["items"]] == ["b"]


async def test_a_definition_goes_with_its_instances(api) -> None:
    await api.ok("POST", CRDS, definition())
    await api.ok("POST", WIDGETS, widget("a"))
    held = widget("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await api.ok("POST", WIDGETS, held)
    crd = f"{CRDS}/widgets.example.com"
    deleted = await api.ok("DELETE", crd)
    assert deleted["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    refused = await api.ask("POST", WIDGETS, widget("late"))
    assert refused.status == 405
    told = "create not allowed while custom resource definition is terminating"
    assert refused.json["message"] == told
    await gone(api, f"{WIDGETS}/a")
    conditions = (await api.ok("GET", crd))["status"]["conditions"]
    reasons = {item["type"]: item["reason"] for item in conditions}
    assert reasons["Terminating"] == "InstanceDeletionInProgress"
    verbs = (await api.ok("GET", "/apis/example.com/v1"))["resources"][0]["verbs"]
    assert "create" not in verbs
    await api.patch(f"{WIDGETS}/held", {"metadata": {"finalizers": None}})
    await gone(api, crd)
    await gone(api, "/apis/example.com/v1")
    assert (await api.ask("GET", WIDGETS)).status == 404
    await api.ok("POST", CRDS, definition())
    assert (await api.ok("GET", WIDGETS))["items"] == []


async def test_names_that_others_have(api) -> None:
    await api.ok("POST", CRDS, definition())
    clash = definition("gadgets")
    clash["spec"]["names"] |= {"singular": "widget"}
    await api.ok("POST", CRDS, clash)
    conditions = (await api.ok("GET", f"{CRDS}/gadgets.example.com"))["status"]["conditions"]
    assert {item["type"]: item["status"] for item in conditions} == {
        "NamesAccepted": "False",
        "Established": "False",
    }
    assert (await api.ask("GET", WIDGETS.replace("widgets", "gadgets"))).status == 404
    await api.ok("DELETE", f"{CRDS}/widgets.example.com")
    await gone(api, f"{CRDS}/widgets.example.com")
    await until(api, WIDGETS.replace("widgets", "gadgets"), 200)


async def test_two_servers_and_a_restart(api, server, backend, pki) -> None:
    from apiserver.app import build

    await api.ok("POST", CRDS, definition())
    await api.ok("POST", WIDGETS, widget("a", size=1))
    other = await build(server.config, backend)
    try:
        collection = other.hub.find("example.com", "v1", "widgets")
        assert collection is not None
        await other.hub.fresh()
        assert len(collection.cache) == 1
        await api.ok("POST", WIDGETS, widget("b", size=1))
        await api.ok("POST", CRDS, definition("gizmos"))
        await other.hub.fresh()
        assert len(collection.cache) == 2
        await other.definitions.settled("gizmos.example.com")
        assert other.hub.find("example.com", "v1", "gizmos") is not None
    finally:
        await other.close()


async def test_a_hundred_definitions(api) -> None:
    for number in range(100):
        made = definition(f"things{number}s")
        await api.ok("POST", CRDS, made)
        path = f"/apis/example.com/v1/namespaces/default/things{number}s"
        await api.ok("POST", path, widget("a", kind=made["spec"]["names"]["kind"]))
    found = await api.ok("GET", "/apis/example.com/v1")
    assert len(found["resources"]) == 100


async def test_openapi_follows_the_definitions(api) -> None:
    before = await api.ask("GET", "/openapi/v2")
    await api.ok("POST", CRDS, definition())
    index = (await api.ok("GET", "/openapi/v3"))["paths"]
    url = index["apis/example.com/v1"]["serverRelativeURL"]
    three = await api.ok("GET", url)
    schemas = three["components"]["schemas"]
    color = schemas["com.example.v1.Widget"]["properties"]["spec"]["properties"]["color"]
    assert color == {"type": "string", "default": "red"}
    patch = three["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "fieldValidation" in [item["name"] for item in patch["parameters"]]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    assert schemas["com.example.v1.WidgetList"]["properties"]["items"]["type"] == "array"
    after = await api.ask("GET", "/openapi/v2")
    assert after.headers["ETag"] != before.headers["ETag"]
    two = after.json
    assert two["definitions"]["com.example.v1.Widget"]["x-kubernetes-group-version-kind"]
    assert two["definitions"].keys() - before.json["definitions"].keys() == {
        "com.example.v1.Widget",
        "com.example.v1.WidgetList",
    }
    await api.ok("DELETE", f"{CRDS}/widgets.example.com")
    await gone(api, f"{CRDS}/widgets.example.com")
    again = await api.ask("GET", "/openapi/v2")
    assert again.headers["ETag"] == before.headers["ETag"]
    assert again.body == before.body


async def test_quotas_count_custom_objects(api) -> None:
    await api.ok("POST", CRDS, definition())
    quotas = "/api/v1/namespaces/default/resourcequotas"
    hard = {"hard": {"count/widgets.example.com": "1"}}
    made = await api.ok("POST", quotas, {"metadata": {"name": "q"}, "spec": hard})
    used = {"used": {"count/widgets.example.com": "0"}}
    await api.ok("PUT", f"{quotas}/q/status", {**made, "status": {**hard, **used}})
    await api.ok("POST", WIDGETS, widget("a"))
    refused = await api.ask("POST", WIDGETS, widget("b"))
    assert refused.status == 403
    assert "exceeded quota: q, requested: count/widgets.example.com=1" in refused.json["message"]


async def test_tables_and_metadata_alone(api) -> None:
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
    await api.ok("POST", CRDS, definition(versions=[version(additionalPrinterColumns=columns)]))
    await api.ok("POST", WIDGETS, widget("a", size=3))
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    table = await api.ok("GET", WIDGETS, headers=accept)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Size"]
    assert table["rows"][0]["cells"] == ["a", 3]
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    listed = await api.ok("GET", WIDGETS, headers=accept)
    assert "spec" not in listed["items"][0]


async def test_deprecated_versions_warn(api) -> None:
    versions = [
        version("v2"),
        version("v1", storage=False, deprecated=True),
        version("v1beta1", storage=False, deprecated=True, deprecationWarning="do not use this"),
    ]
    await api.ok("POST", CRDS, definition(versions=versions))
    told = [
        (await api.ask("GET", WIDGETS.replace("/v1/", f"/{name}/"))).headers.get("Warning")
        for name in ("v2", "v1", "v1beta1")
    ]
    assert told == [
        None,
        '299 - "example.com/v1 Widget is deprecated; use example.com/v2 Widget"',
        '299 - "do not use this"',
    ]


async def test_odd_metadata_is_put_right_or_refused(api) -> None:
    await api.ok("POST", CRDS, definition())
    odd = widget("a")
    odd["metadata"]["labels"] = {"a": None}
    answer = await api.patch(f"{WIDGETS}/a", odd, "apply", fieldManager="m")
    assert (answer.status, answer.json["metadata"]["labels"]) == (201, {"a": ""}), answer.body
    odd["metadata"]["labels"] = ["a"]
    assert (await api.ask("POST", WIDGETS, odd)).status == 400
    assert (await api.patch(f"{WIDGETS}/a", [{"op": "remove", "path": ""}], "json")).status == 422


async def test_a_stored_definition_that_makes_no_sense(backend, pki, api, server) -> None:
    odd = definition("odds")
    odd["spec"]["versions"] = [{"name": "v1"}]
    odd["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    key = "/registry/apiextensions.k8s.io/customresourcedefinitions/odds.example.com"
    await backend.create(key, orjson.dumps(odd))
    await api.ok("POST", CRDS, definition())
    assert (await api.ask("GET", WIDGETS.replace("widgets", "odds"))).status == 404
    assert (await api.ok("GET", WIDGETS))["items"] == []
    bare = definition("bares")
    bare["spec"]["versions"].append({"name": "v2", "schema": {"openAPIV3Schema": ANY}})
    assert (await api.ask("POST", CRDS, bare)).status in (201, 422)


async def test_a_stored_object_that_makes_no_sense(backend, api) -> None:
    await api.ok("POST", CRDS, definition())
    await api.ok("POST", WIDGETS, widget("good"))
    await backend.create("/registry/example.com/widgets/default/bad", b"[1]")
    await backend.create("/registry/example.com/widgets/default/worse", b"{")
    seen = await api.ok("GET", WIDGETS)
    assert [item["metadata"]["name"] for item in seen["items"]] == ["good"]
    assert (await api.ask("GET", f"{WIDGETS}/bad")).status == 500
    # The same when a changed definition has the cache filled anew.
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/default"
    await api.patch(f"{CRDS}/widgets.example.com", [{"op": "add", "path": path, "value": 7}], "json")
    seen = await api.ok("GET", WIDGETS)
    assert [item["spec"].get("size") for item in seen["items"]] == [7]


async def test_reads_while_a_definition_changes_see_every_object(api) -> None:
    await api.ok("POST", CRDS, definition())
    names = [f"w{number}" for number in range(30)]
    await asyncio.gather(*(api.ok("POST", WIDGETS, widget(name)) for name in names))
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/default"
    done = asyncio.Event()

    async def change() -> None:
        for value in range(20):
            patch = [{"op": "add", "path": path, "value": value}]
            assert (await api.patch(f"{CRDS}/widgets.example.com", patch, "json")).status == 200
        done.set()

    async def read() -> None:
        while not done.is_set():
            listed = await api.ok("GET", WIDGETS)
            assert len(listed["items"]) == len(names)
            page = await api.ok("GET", WIDGETS, limit="20")
            rest = await api.ok("GET", WIDGETS, limit="20", **{"continue": page["metadata"]["continue"]})
            assert len(page["items"]) + len(rest["items"]) == len(names)
            await api.ok("GET", f"{WIDGETS}/w7")
            asked = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            # A watch may end before it has begun, but never begins without what there is.
            assert len(await api.watch(WIDGETS, 5, allowWatchBookmarks="true", **asked)) in (0, 5)

    async with asyncio.TaskGroup() as group:
        group.create_task(change())
        for _ in range(4):
            group.create_task(read())
