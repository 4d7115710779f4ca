"""Create, get, update, patch, delete over HTTPS: the rules of metadata, conflicts, errors in upstream's
words."""

import pytest

CMS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def configmap(name, **extra):
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": {"k": "v"}, **extra}


def deployment(name="web", replicas=2):
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
    return {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": name}, "spec": spec}


def pod(name="p", **spec):
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "i:1"}], **spec},
    }


async def test_the_server_sets_what_clients_may_not(api):
    given = configmap("a")
    given["metadata"] |= {"uid": "mine", "generation": 9, "deletionGracePeriodSeconds": 3}
    made = await api.ok("POST", CMS, given)
    metadata = made["metadata"]
    assert metadata["uid"] != "mine"
    assert "generation" not in metadata
    assert "deletionGracePeriodSeconds" not in metadata
    assert metadata["namespace"] == "default"
    assert metadata["resourceVersion"].isdigit()
    assert (await api.ok("GET", f"{CMS}/a")) == made
    assert [entry["manager"] for entry in metadata["managedFields"]] == ["tests"]


async def test_a_status_is_there_from_the_start(api):
    assert (await api.ok("POST", DEPLOYMENTS, {**deployment("fresh"), "status": {"replicas": 7}}))[
        "status"
    ] == {}


async def test_generated_names(api):
    names = set()
    for _ in range(3):
        made = await api.ok("POST", CMS, {"metadata": {"generateName": "x-"}})
        names.add(made["metadata"]["name"])
    assert len(names) == 3
    assert all(name.startswith("x-") and len(name) == 7 for name in names)


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "reason", "message"),
    [
        pytest.param("GET", f"{CMS}/no", None, 404, "NotFound", 'configmaps "no" not found', id="none"),
        pytest.param(
            "PUT", CMS, configmap("a"), 405, "MethodNotAllowed", "does not allow this method",
            id="put-on-a-collection",
        ),
        pytest.param(
            "PATCH", CMS, {}, 405, "MethodNotAllowed", "does not allow this method",
            id="patch-on-a-collection",
        ),
        pytest.param(
            "PUT", f"{CMS}/no", configmap("no"), 404, "NotFound", 'configmaps "no" not found',
            id="put-missing",
        ),
        pytest.param(
            "PUT", f"{CMS}/no", configmap("other"), 400, "BadRequest",
            "the name of the object (other) does not match the name on the URL (no)", id="name-mismatch",
        ),
        pytest.param(
            "POST", CMS, configmap("a", metadata={"name": "a", "namespace": "x"}), 400, "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
            id="namespace",
        ),
        pytest.param("POST", CMS, b"{", 400, "BadRequest", "unexpected end of", id="malformed"),
        pytest.param(
            "POST", CMS, {"metadata": {}}, 422, "Invalid", "name or generateName is required", id="nameless"
        ),
        pytest.param("GET", "/api/v1/frogs", None, 404, "NotFound", "could not find", id="unknown-resource"),
        pytest.param(
            "POST", "/api/v1/namespaces/none/configmaps", configmap("a"), 404, "NotFound",
            'namespaces "none" not found', id="missing-namespace",
        ),
        pytest.param(
            "POST", CMS, configmap("a", data={"k": 1}), 400, "BadRequest", "cannot unmarshal number",
            id="wrong-type",
        ),
        pytest.param(
            "POST", CMS, {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}}, 400, "BadRequest",
            "Pod",
            id="wrong-kind",
        ),
    ],
)  # fmt: skip
async def test_errors(api, method, path, body, code, reason, message):
    answer = await api.ask(method, path, body)
    assert answer.status == code, answer.body
    assert answer.json["kind"] == "Status"
    assert answer.json["reason"] == reason
    assert answer.json["code"] == code
    assert message in answer.json["message"]


async def test_a_second_creation_conflicts(api):
    await api.ok("POST", CMS, configmap("a"))
    answer = await api.ask("POST", CMS, configmap("a"))
    assert (answer.status, answer.json["message"]) == (409, 'configmaps "a" already exists')


async def test_large_bodies_are_refused(api):
    answer = await api.ask("POST", CMS, configmap("a", data={"k": "x" * (4 << 20)}))
    assert (answer.status, answer.json["reason"]) == (413, "RequestEntityTooLarge")
    assert answer.json["message"] == "Request entity too large: limit is 3145728"


async def test_unknown_fields(api):
    body = configmap("a", frog=1)
    strict = await api.ask("POST", CMS, body, fieldValidation="Strict")
    assert strict.status == 400
    assert 'strict decoding error: unknown field "frog"' in strict.json["message"]
    warned = await api.ask("POST", CMS, body)
    assert warned.headers["Warning"] == '299 - "unknown field \\"frog\\""'
    assert "frog" not in warned.json
    ignored = await api.ask("POST", CMS, configmap("b", frog=1), fieldValidation="Ignore")
    assert "Warning" not in ignored.headers


async def test_updates_conflict_on_an_old_version_only(api):
    first = await api.ok("POST", CMS, configmap("a"))
    second = await api.ok("PUT", f"{CMS}/a", {**first, "data": {"k": "w"}})
    stale = await api.ask("PUT", f"{CMS}/a", {**first, "data": {"k": "x"}})
    assert stale.status == 409
    assert "please apply your changes to the latest version" in stale.json["message"]
    unconditional = await api.ok("PUT", f"{CMS}/a", configmap("a", data={"k": "y"}))
    assert unconditional["data"] == {"k": "y"}
    assert int(unconditional["metadata"]["resourceVersion"]) > int(second["metadata"]["resourceVersion"])


async def test_nothing_changed_nothing_written(api):
    made = await api.ok("POST", DEPLOYMENTS, deployment())
    assert made["metadata"]["generation"] == 1
    again = await api.ok("PUT", f"{DEPLOYMENTS}/web", made)
    patched = (await api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 2}})).json
    assert again == patched == made


async def test_generation_counts_the_spec_alone(api):
    await api.ok("POST", DEPLOYMENTS, deployment())
    labelled = (await api.patch(f"{DEPLOYMENTS}/web", {"metadata": {"labels": {"a": "b"}}})).json
    assert labelled["metadata"]["generation"] == 1
    scaled = (await api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 5}})).json
    assert scaled["metadata"]["generation"] == 2


async def test_status_is_written_through_its_subresource_alone(api):
    made = await api.ok("POST", DEPLOYMENTS, {**deployment(), "status": {"replicas": 9}})
    assert made.get("status", {}).get("replicas") is None
    body = {"metadata": {"annotations": {"x": "y"}}, "spec": {"replicas": 7}, "status": {"replicas": 3}}
    status = (await api.patch(f"{DEPLOYMENTS}/web/status", body)).json
    assert status["status"]["replicas"] == 3
    assert status["spec"]["replicas"] == 2
    assert status["metadata"]["annotations"] == {"x": "y"}
    assert status["metadata"]["generation"] == 1
    main = (await api.patch(f"{DEPLOYMENTS}/web", {"status": {"replicas": 8}})).json
    assert main["status"]["replicas"] == 3


async def test_patches_of_all_kinds(api):
    await api.ok("POST", DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web"
    operations = [{"op": "add", "path": "/metadata/annotations", "value": {"j": "1"}}]
    assert (await api.patch(path, operations, "json")).json["metadata"]["annotations"] == {"j": "1"}
    containers = {"spec": {"template": {"spec": {"containers": [{"name": "d", "image": "i:2"}]}}}}
    merged = (await api.patch(path, containers, "strategic")).json
    assert [c["name"] for c in merged["spec"]["template"]["spec"]["containers"]] == ["d", "c"]
    applied = await api.patch(path, deployment(replicas=4), "apply", fieldManager="m", force="true")
    assert applied.json["spec"]["replicas"] == 4
    created = await api.patch(f"{CMS}/new", configmap("new"), "apply", fieldManager="m")
    assert created.status == 201
    assert created.json["metadata"]["managedFields"][0]["operation"] == "Apply"
    unmanaged = await api.patch(path, deployment(), "apply")
    assert unmanaged.status == 422
    assert (await api.patch(path, {}, "json")).status == 400
    assert (await api.ask("PATCH", path, {}, {"Content-Type": "text/plain"})).status == 415


async def test_dry_run_stores_nothing(api):
    made = await api.ask("POST", CMS, configmap("a"), dryRun="All")
    assert made.status == 201
    assert (await api.ask("GET", f"{CMS}/a")).status == 404
    await api.ok("POST", CMS, configmap("a"))
    assert (await api.patch(f"{CMS}/a", {"data": {"k": "w"}}, dryRun="All")).json["data"] == {"k": "w"}
    assert (await api.ok("DELETE", f"{CMS}/a", dryRun="All"))["kind"] in ("ConfigMap", "Status")
    assert (await api.ok("GET", f"{CMS}/a"))["data"] == {"k": "v"}


async def test_deletion(api):
    made = await api.ok("POST", CMS, configmap("a"))
    wrong = await api.ask("DELETE", f"{CMS}/a", {"preconditions": {"uid": "other"}})
    assert wrong.status == 409
    assert "Precondition failed: UID in precondition: other" in wrong.json["message"]
    gone = await api.ok("DELETE", f"{CMS}/a")
    assert gone["status"] == "Success"
    assert gone["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}


async def test_finalizers_hold_an_object(api):
    await api.ok("POST", CMS, configmap("a", metadata={"name": "a", "finalizers": ["x.io/y"]}))
    held = await api.ok("DELETE", f"{CMS}/a")
    assert held["metadata"]["deletionTimestamp"]
    gone = await api.patch(f"{CMS}/a", {"metadata": {"finalizers": None}})
    assert gone.status == 200
    assert (await api.ask("GET", f"{CMS}/a")).status == 404


async def test_deletecollection_by_label(api):
    for number in range(5):
        labels = {"half": str(number % 2)}
        await api.ok("POST", CMS, configmap(f"c{number}", metadata={"name": f"c{number}", "labels": labels}))
    removed = await api.ok("DELETE", CMS, labelSelector="half=1")
    assert [one["metadata"]["name"] for one in removed["items"]] == ["c1", "c3"]
    left = await api.ok("GET", CMS, labelSelector="half")
    assert [one["metadata"]["name"] for one in left["items"]] == ["c0", "c2", "c4"]


async def test_pods_are_born_pending_and_deleted_gracefully(api):
    path = "/api/v1/namespaces/default/pods"
    made = await api.ok("POST", path, pod())
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert made["metadata"]["generation"] == 1
    bound = await api.ask("POST", f"{path}/p/binding", {"target": {"kind": "Node", "name": "n"}})
    assert bound.status == 201
    again = await api.ask("POST", f"{path}/p/binding", {"target": {"kind": "Node", "name": "m"}})
    assert again.status == 409
    assert 'pod p is already assigned to node "n"' in again.json["message"]
    found = await api.ok("GET", f"{path}/p")
    assert found["spec"]["nodeName"] == "n"
    assert found["status"]["conditions"][0]["type"] == "PodScheduled"
    going = await api.ok("DELETE", f"{path}/p")
    assert going["metadata"]["deletionGracePeriodSeconds"] == 30
    assert going["metadata"]["generation"] == 2
    await api.ok("DELETE", f"{path}/p", gracePeriodSeconds="0")
    assert (await api.ask("GET", f"{path}/p")).status == 404


async def test_namespaces_go_when_they_are_finalized(api):
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
    going = await api.ok("DELETE", "/api/v1/namespaces/n")
    assert going["status"]["phase"] == "Terminating"
    assert going["spec"]["finalizers"] == ["kubernetes"]
    done = await api.ok("PUT", "/api/v1/namespaces/n/finalize", {**going, "spec": {"finalizers": []}})
    assert done["spec"].get("finalizers", []) == []
    assert (await api.ask("GET", "/api/v1/namespaces/n")).status == 404


async def test_scale(api):
    await api.ok("POST", DEPLOYMENTS, deployment())
    scale = await api.ok("GET", f"{DEPLOYMENTS}/web/scale")
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == (
        "Scale",
        {"replicas": 2},
        "app=web",
    )
    changed = await api.ok("PUT", f"{DEPLOYMENTS}/web/scale", {**scale, "spec": {"replicas": 4}})
    assert changed["spec"] == {"replicas": 4}
    patched = (await api.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 0}}, "strategic")).json
    assert patched["spec"] == {}
    assert (await api.ok("GET", f"{DEPLOYMENTS}/web"))["spec"]["replicas"] == 0
    assert (await api.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": -1}})).status == 422


async def test_services_get_addresses_and_ports(api):
    path = "/api/v1/namespaces/default/services"
    spec = {"type": "NodePort", "ports": [{"port": 80}], "selector": {"a": "b"}}
    made = await api.ok("POST", path, {"metadata": {"name": "s"}, "spec": spec})
    address, port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
    assert address.startswith("10.96.")
    taken = {"metadata": {"name": "t"}, "spec": {**spec, "clusterIP": address}}
    assert "provided IP is already allocated" in (await api.ask("POST", path, taken)).json["message"]
    taken = {"metadata": {"name": "t"}, "spec": {**spec, "ports": [{"port": 1, "nodePort": port}]}}
    assert "provided port is already allocated" in (await api.ask("POST", path, taken)).json["message"]
    external = {
        "metadata": {"name": "s"},
        "spec": {**made["spec"], "type": "ExternalName", "externalName": "x.y"},
    }
    changed = await api.ok("PUT", f"{path}/s", external)
    assert "clusterIP" not in changed["spec"]
    reused = {"metadata": {"name": "t"}, "spec": {**spec, "clusterIP": address}}
    assert (await api.ok("POST", path, reused))["spec"]["clusterIP"] == address


async def test_events_have_two_faces(api):
    new = "/apis/events.k8s.io/v1/namespaces/default/events"
    event = {
        "metadata": {"name": "e"}, "note": "hello", "reason": "R", "type": "Normal", "action": "a",
        "eventTime": "2026-01-01T00:00:00.000001Z", "reportingController": "c", "reportingInstance": "i",
        "regarding": {"kind": "Pod", "namespace": "default", "name": "p"},
    }  # fmt: skip
    await api.ok("POST", new, event)
    old = await api.ok("GET", "/api/v1/namespaces/default/events/e")
    assert (old["message"], old["involvedObject"]["name"]) == ("hello", "p")
    found = await api.ok("GET", new, fieldSelector="reportingController=c")
    assert found["items"][0]["note"] == "hello"
    assert found["items"][0]["eventTime"] == event["eventTime"]


async def test_autoscalers_have_two_versions(api):
    v1, v2 = (f"/apis/autoscaling/{v}/namespaces/default/horizontalpodautoscalers" for v in ("v1", "v2"))
    target = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    spec = {"maxReplicas": 3, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 50}
    await api.ok("POST", v1, {"metadata": {"name": "h"}, "spec": spec})
    found = await api.ok("GET", f"{v2}/h")
    assert found["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    await api.patch(f"{v2}/h", {"spec": {"maxReplicas": 9}})
    assert (await api.ok("GET", f"{v1}/h"))["spec"]["maxReplicas"] == 9
