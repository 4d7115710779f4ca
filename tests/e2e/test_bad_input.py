"""Bad requests: the answer upstream gives, and nothing stored."""

import json

import pytest

from tests.e2e.space import pod

YAML = "application/yaml"
CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad"}}


def _check(answer, code, reason, *texts):
    status = answer.json
    assert (answer.code, status["reason"]) == (code, reason), status
    assert status["kind"] == "Status"
    assert status["status"] == "Failure"
    for text in texts:
        assert text in status["message"], status


@pytest.mark.parametrize(
    ("body", "media", "text"),
    [
        pytest.param(b'{"kind": "ConfigMap", ', "application/json", "", id="json-cut-off"),
        pytest.param(b"[1, 2]", "application/json", "", id="json-not-an-object"),
        pytest.param(b"a: [1, 2\nb: }", YAML, "", id="yaml"),
        pytest.param(b"\x00\xff\xfe", "application/json", "", id="not-text"),
        pytest.param(b"", "application/json", "", id="empty"),
        pytest.param(
            b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"bad"}}',
            "application/json",
            "cannot be handled as a ConfigMap",
            id="other-kind",
        ),
        pytest.param(
            b'{"kind":"Nonsense","apiVersion":"v1","metadata":{"name":"bad"}}',
            "application/json",
            "Nonsense",
            id="unknown-kind",
        ),
        pytest.param(
            json.dumps({**CONFIGMAP, "data": {"a": 1}}).encode(),
            "application/json",
            "data",
            id="number-as-text",
        ),
        pytest.param(
            json.dumps({**CONFIGMAP, "data": ["a"]}).encode(), "application/json", "data", id="list-as-map"
        ),
    ],
)
def test_malformed_bodies(space, body, media, text):
    answer = space.cluster.request("POST", space.path("configmaps"), body, media)
    _check(answer, 400, "BadRequest", text)
    assert space.is_gone("configmaps", "bad")


def test_a_media_type_that_is_not_spoken(space):
    answer = space.cluster.request("POST", space.path("configmaps"), b"<a/>", "text/xml")
    _check(answer, 415, "UnsupportedMediaType")


def test_wrong_types_in_a_pod(space):
    wrong = pod("bad")
    wrong["spec"]["containers"][0]["ports"] = [{"containerPort": "http"}]
    answer = space.cluster.request("POST", space.path("pods"), wrong)
    _check(answer, 400, "BadRequest", "containerPort")
    assert space.is_gone("pods", "bad")


def test_unknown_fields_are_refused_when_strict(space):
    wrong = pod("bad", replicaz=3)
    wrong["spec"]["containers"][0]["imagee"] = "x"
    answer = space.cluster.request("POST", space.path("pods") + "?fieldValidation=Strict", wrong)
    _check(
        answer,
        400,
        "BadRequest",
        'unknown field "spec.replicaz"',
        'unknown field "spec.containers[0].imagee"',
    )
    assert "strict decoding error" in answer.json["message"]
    assert space.is_gone("pods", "bad")


def test_unknown_fields_warn_and_are_dropped(space):
    body = {**CONFIGMAP, "dataa": {}}
    answer = space.cluster.request("POST", space.path("configmaps") + "?fieldValidation=Warn", body)
    assert answer.code == 201
    assert r'299 - "unknown field \"dataa\""' in answer.headers["warning"]
    assert "dataa" not in space.get("configmaps", "bad")


def test_unknown_fields_are_dropped_in_silence_when_ignored(space):
    body = {**CONFIGMAP, "dataa": {}}
    answer = space.cluster.request("POST", space.path("configmaps") + "?fieldValidation=Ignore", body)
    assert answer.code == 201
    assert "warning" not in answer.headers
    assert "dataa" not in answer.json


def test_a_duplicate_field_is_refused_when_strict(space):
    body = b'{"metadata":{"name":"bad"},"data":{"a":"1"},"data":{"a":"2"}}'
    answer = space.cluster.request("POST", space.path("configmaps") + "?fieldValidation=Strict", body)
    _check(answer, 400, "BadRequest", 'duplicate field "data"')


def test_a_stale_revision_is_a_conflict(space):
    made = space.create("configmaps", {**CONFIGMAP, "data": {"a": "1"}})
    space.patch("configmaps", "bad", {"data": {"a": "2"}})
    answer = space.cluster.request("PUT", space.path("configmaps", "bad"), made)
    _check(answer, 409, "Conflict", "the object has been modified")
    assert space.get("configmaps", "bad")["data"] == {"a": "2"}
    options = {"preconditions": {"resourceVersion": made["metadata"]["resourceVersion"]}}
    _check(space.cluster.request("DELETE", space.path("configmaps", "bad"), options), 409, "Conflict")


def test_what_exists_is_not_created_again(space):
    space.create("configmaps", CONFIGMAP)
    answer = space.cluster.request("POST", space.path("configmaps"), CONFIGMAP)
    _check(answer, 409, "AlreadyExists", 'configmaps "bad" already exists')


def test_a_body_beyond_the_limit(space):
    body = {**CONFIGMAP, "data": {"a": "x" * (4 << 20)}}
    _check(space.cluster.request("POST", space.path("configmaps"), body), 413, "RequestEntityTooLarge")
    assert space.is_gone("configmaps", "bad")


def test_more_data_than_a_configmap_may_hold(space):
    body = {**CONFIGMAP, "data": {"a": "x" * (1 << 20), "b": "y"}}
    answer = space.cluster.request("POST", space.path("configmaps"), body)
    _check(answer, 422, "Invalid", "Too long: may not be more than 1048576 bytes")


def test_names_and_paths_that_do_not_exist(space):
    ask = space.cluster.request
    assert ask("GET", "/apis/nonsense.example/v1/things").code == 404
    assert ask("GET", "/api/v1/nonsense").code == 404
    _check(ask("GET", space.path("pods", "nope")), 404, "NotFound", 'pods "nope" not found')
    missing = "/api/v1/namespaces/missing/configmaps"
    _check(ask("POST", missing, CONFIGMAP), 404, "NotFound", 'namespaces "missing" not found')
    assert ask("GET", missing).json["items"] == []


def test_a_namespace_that_does_not_match_the_path(space):
    body = {**CONFIGMAP, "metadata": {"name": "bad", "namespace": "other"}}
    answer = space.cluster.request("POST", space.path("configmaps"), body)
    _check(answer, 400, "BadRequest", "the namespace of the provided object does not match")


def test_a_method_that_a_path_does_not_know(space):
    _check(space.cluster.request("PUT", space.path("configmaps"), CONFIGMAP), 405, "MethodNotAllowed")


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        pytest.param({"image": ""}, "spec.containers[0].image", "Required value", id="no-image"),
        pytest.param({"name": "Bad_Name"}, "spec.containers[0].name", "RFC 1123 label", id="bad-name"),
        pytest.param({"ports": [{"containerPort": 70000}]}, "spec.containers[0].ports[0].containerPort",
                     "must be between 1 and 65535, inclusive", id="bad-port"),
        pytest.param({"volumeMounts": [{"name": "none", "mountPath": "/x"}]},
                     "spec.containers[0].volumeMounts[0].name", 'Not found: "none"', id="no-volume"),
        pytest.param({"imagePullPolicy": "Maybe"}, "spec.containers[0].imagePullPolicy",
                     'Unsupported value: "Maybe"', id="bad-choice"),
        pytest.param({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
                     "spec.containers[0].resources.requests", "must be less than or equal to cpu limit",
                     id="more-than-limit"),
    ],
)  # fmt: skip
def test_invalid_pods(space, change, field, text):
    wrong = pod("bad")
    wrong["spec"]["containers"][0] |= change
    answer = space.cluster.request("POST", space.path("pods"), wrong)
    _check(answer, 422, "Invalid", 'Pod "bad" is invalid', text)
    assert field in [cause["field"] for cause in answer.json["details"]["causes"]]
    assert space.is_gone("pods", "bad")


def test_what_may_not_change(space):
    space.create("pods", pod("fixed", nodeName="no-such-node"))
    body = {"spec": {"containers": [{"name": "main", "image": "x", "command": ["other"]}]}}
    answer = space.cluster.request(
        "PATCH", space.path("pods", "fixed"), body, "application/strategic-merge-patch+json"
    )
    _check(answer, 422, "Invalid", "pod updates may not change fields other than")
    space.delete("pods", "fixed", gracePeriodSeconds=0)


def test_bad_patches(space):
    space.create("configmaps", CONFIGMAP)
    ask, path = space.cluster.request, space.path("configmaps", "bad")
    operation = [{"op": "test", "path": "/data/a", "value": "x"}]
    assert ask("PATCH", path, operation, "application/json-patch+json").code == 422
    assert ask("PATCH", path, b"{", "application/merge-patch+json").code == 400
    _check(ask("PATCH", path, {}, "application/json"), 415, "UnsupportedMediaType")


def test_bad_queries(space):
    ask, path = space.cluster.request, space.path("pods")
    _check(ask("GET", path + "?labelSelector=a%20in"), 400, "BadRequest", "unable to parse requirement")
    _check(ask("GET", path + "?fieldSelector=spec.nope%3D1"), 400, "BadRequest", "field label not supported")
    _check(ask("GET", path + "?limit=x"), 400, "BadRequest")
    _check(ask("GET", path + "?continue=x"), 400, "BadRequest", "continue")
    _check(ask("GET", path + "?resourceVersion=x"), 400, "BadRequest")


def test_kubectl_shows_the_refusal(space):
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a}]}\n"
    error = space.cluster.kubectl_error("apply", "-n", space.name, "--validate=false", "-f", "-", text=text)
    assert "spec.containers[0].image: Required value" in error
    error = space.cluster.kubectl_error("apply", "-n", space.name, "-f", "-", text="a: [\n")
    assert "error" in error
    error = space.cluster.kubectl_error("create", "-n", "no-such-namespace", "configmap", "x")
    assert 'namespaces "no-such-namespace" not found' in error
