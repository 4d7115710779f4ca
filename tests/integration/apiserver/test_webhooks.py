"""Admission webhooks: which requests they see, and what they are asked."""

import pytest

from tests.integration.apiserver.hooks import (
    ADMISSION,
    ALLOW,
    CMS,
    MUTATING,
    VALIDATING,
    configmap,
    patch,
    register,
    rule,
    webhook,
)


async def test_a_mutation_and_a_denial_take_effect_at_once(api, hook):
    await register(api, MUTATING, webhook(hook.url("/mutating-configmaps")))
    made = await configmap(api, **{"mutation-start": "yes"})
    assert made.json["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}
    await register(api, VALIDATING, webhook(hook.url("/always-deny")))
    refused = await configmap(api, "d")
    assert refused.status == 400
    assert refused.json["message"] == (
        'admission webhook "a.example.com" denied the request: this webhook denies all requests'
    )
    await api.ok("DELETE", f"{ADMISSION}/validatingwebhookconfigurations/w")
    assert (await configmap(api, "d")).status == 201


# Which requests.


@pytest.mark.parametrize(
    ("selectors", "ns", "labels", "expected"),
    [
        pytest.param({}, "default", {}, True, id="all"),
        pytest.param(
            {"namespaceSelector": {"matchLabels": {"team": "a"}}}, "default", {}, False, id="namespace"
        ),
        pytest.param(
            {"namespaceSelector": {"matchLabels": {"team": "a"}}}, "marked", {}, True, id="its-namespace"
        ),
        pytest.param({"objectSelector": {"matchLabels": {"x": "y"}}}, "marked", {}, False, id="object"),
        pytest.param(
            {"objectSelector": {"matchLabels": {"x": "y"}}}, "marked", {"x": "y"}, True, id="its-object"
        ),
        pytest.param(
            {
                "namespaceSelector": {"matchLabels": {"team": "a"}},
                "objectSelector": {"matchLabels": {"x": "y"}},
            },
            "default", {"x": "y"}, False,
            id="both-count",
        ),
    ],
)  # fmt: skip
async def test_selectors(api, hook, selectors, ns, labels, expected):
    namespace = {"metadata": {"name": "marked", "labels": {"team": "a"}}}
    await api.ok("POST", "/api/v1/namespaces", namespace)
    await register(api, VALIDATING, webhook(hook.url("/always-deny"), **selectors))
    answer = await configmap(api, ns=ns, labels=labels)
    assert (answer.status == 400) is expected


async def test_an_object_is_selected_by_its_old_labels_as_well(api, hook):
    await configmap(api, labels={"x": "y"})
    updates = rule("configmaps", operations=("UPDATE",))
    await register(
        api,
        VALIDATING,
        webhook(hook.url("/always-deny"), updates, objectSelector={"matchLabels": {"x": "y"}}),
    )
    assert (await api.patch(f"{CMS}/c", {"metadata": {"labels": {"x": None}}})).status == 400


async def test_what_is_in_no_namespace(api, hook):
    """Cluster-scoped objects are not exempt; a namespace is selected by its own, new labels."""
    selector = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    everything = rule("*", groups=("*",), versions=("*",), operations=("CREATE", "DELETE"))
    await register(api, VALIDATING, webhook(hook.url("/always-allow"), everything, **selector))
    for name, labels in (("plain", {}), ("marked", {"team": "a"})):
        await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        await api.ask("DELETE", f"/api/v1/namespaces/{name}")
    await api.ok(
        "POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": "p"}, "value": 1}
    )
    seen = [(item["operation"], item["name"], item.get("namespace")) for item in hook.asked("/always-allow")]
    assert seen == [("CREATE", "marked", "marked"), ("DELETE", "marked", "marked"), ("CREATE", "p", None)]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param("Namespaced", ["configmaps"], id="namespaced"),
        pytest.param("Cluster", ["namespaces"], id="cluster"),
        pytest.param("*", ["namespaces", "configmaps"], id="any"),
    ],
)
async def test_scope(api, hook, scope, expected):
    await register(api, VALIDATING, webhook(hook.url("/always-allow"), rule("*", scope=scope)))
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
    await configmap(api)
    assert [item["resource"]["resource"] for item in hook.asked("/always-allow")] == expected


async def test_what_configures_admission_is_never_asked_about(api, hook):
    everything = rule("*/*", groups=("*",), versions=("*",), operations=("*",))
    await register(api, VALIDATING, webhook(hook.url("/always-deny"), everything))
    await register(
        api, MUTATING, webhook(hook.url("/add-label"), rule("*/*", groups=("*",), versions=("*",)))
    )
    made = await register(api, VALIDATING, webhook(hook.url("/always-deny")), name="other")
    assert "labels" not in made["metadata"]
    for path in ("mutatingwebhookconfigurations/w", "validatingwebhookconfigurations/w"):
        await api.ok("DELETE", f"{ADMISSION}/{path}")
    assert not hook.reviews


async def test_another_version_of_the_same_resource(api, hook):
    """`matchPolicy: Equivalent` shows the object in the version of the rule, and takes patches in it."""
    old = rule("horizontalpodautoscalers", groups=("autoscaling",), versions=("v1",))
    hook.answers["/v1"] = lambda request: patch(
        {"op": "replace", "path": "/spec/targetCPUUtilizationPercentage", "value": 30}
    )
    await register(api, MUTATING, webhook(hook.url("/v1"), old))
    await register(api, VALIDATING, webhook(hook.url("/exact"), old, matchPolicy="Exact"))
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    spec = {
        "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
        "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": metric}],
    }
    path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    made = await api.ok("POST", path, {"metadata": {"name": "h"}, "spec": spec})
    assert made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 30
    (asked,) = hook.asked("/v1")
    assert (asked["resource"]["version"], asked["requestResource"]["version"]) == ("v1", "v2")
    assert (asked["kind"]["version"], asked["requestKind"]["version"]) == ("v1", "v2")
    assert asked["object"]["spec"]["targetCPUUtilizationPercentage"] == 80
    assert asked["object"]["apiVersion"] == "autoscaling/v1"


# What is asked.


async def test_the_review_of_an_update(api, hook):
    await configmap(api, k="old")
    await register(api, VALIDATING, webhook(hook.url("/always-allow"), rule("configmaps", operations=("*",))))
    await api.patch(f"{CMS}/c", {"data": {"k": "new"}}, dryRun="All", fieldManager="me")
    ((path, review),) = hook.reviews
    assert path == "/always-allow?timeout=10s"
    assert (review["kind"], review["apiVersion"]) == ("AdmissionReview", "admission.k8s.io/v1")
    request = review["request"]
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    resource = {"group": "", "version": "v1", "resource": "configmaps"}
    assert (request["kind"], request["requestKind"]) == (kind, kind)
    assert (request["resource"], request["requestResource"]) == (resource, resource)
    assert (request["name"], request["namespace"], request["operation"]) == ("c", "default", "UPDATE")
    assert (request["object"]["data"], request["oldObject"]["data"]) == ({"k": "new"}, {"k": "old"})
    assert request["oldObject"]["metadata"]["resourceVersion"]
    assert request["dryRun"] is True
    assert request["options"] == {
        "kind": "PatchOptions", "apiVersion": "meta.k8s.io/v1", "dryRun": ["All"], "fieldManager": "me",
    }  # fmt: skip
    assert request["userInfo"]["username"] == "admin"
    assert "system:masters" in request["userInfo"]["groups"]


async def test_deletions_show_what_goes(api, hook):
    for name in ("a", "b"):
        await configmap(api, name, labels={"go": "yes"})
    await register(
        api, VALIDATING, webhook(hook.url("/always-allow"), rule("configmaps", operations=("DELETE",)))
    )
    hook.answers["/none"] = lambda request: patch({"op": "add", "path": "/x", "value": 1})
    await register(api, MUTATING, webhook(hook.url("/also"), rule("configmaps", operations=("DELETE",))))
    hook.answers["/also"] = lambda request: ALLOW
    await api.ok("DELETE", CMS, labelSelector="go=yes")
    for path in ("/also", "/always-allow"):
        asked = hook.asked(path)
        assert sorted(item["oldObject"]["metadata"]["name"] for item in asked) == ["a", "b"]
        assert all(item["object"] is None and item["options"]["kind"] == "DeleteOptions" for item in asked)
    await configmap(api, "c")
    hook.answers["/also"] = hook.answers["/none"]
    refused = await api.ask("DELETE", f"{CMS}/c")
    assert (refused.status, refused.json["message"]) == (
        500,
        'Internal error occurred: admission webhook "a.example.com" attempted to modify the object, '
        "which is not supported for this operation",
    )


POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
PODS = "/api/v1/namespaces/default/pods"


async def test_subresources(api, hook):
    await api.ok("POST", PODS, POD)
    await register(
        api, VALIDATING, webhook(hook.url("/always-allow"), rule("pods/*", operations=("CREATE", "UPDATE")))
    )
    await api.patch(f"{PODS}/p/status", {"status": {"phase": "Running"}})
    target = {"kind": "Node", "name": "n", "apiVersion": "v1"}
    await api.ok("POST", f"{PODS}/p/binding", {"metadata": {"name": "p"}, "target": target})
    debugger = {"name": "d", "image": "i:1", "terminationMessagePolicy": "File"}
    await api.patch(
        f"{PODS}/p/ephemeralcontainers", {"spec": {"ephemeralContainers": [debugger]}}, "strategic"
    )
    await api.ok("POST", f"{PODS}/p/eviction", {"metadata": {"name": "p"}}, dryRun="All")
    asked = [(item["subResource"], item["operation"], item["kind"]) for item in hook.asked("/always-allow")]
    pod = {"group": "", "version": "v1", "kind": "Pod"}
    assert asked == [
        ("status", "UPDATE", pod),
        ("binding", "CREATE", {**pod, "kind": "Binding"}),
        ("ephemeralcontainers", "UPDATE", pod),
        ("eviction", "CREATE", {"group": "policy", "version": "v1", "kind": "Eviction"}),
    ]


async def test_a_scale_is_seen_as_such_and_may_be_changed(api, hook):
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": POD["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"
    await api.ok("POST", path, {"metadata": {"name": "d"}, "spec": spec})
    scales = rule("deployments/scale", groups=("apps",), operations=("UPDATE",))
    hook.answers["/cap"] = lambda request: patch({"op": "replace", "path": "/spec/replicas", "value": 3})
    await register(api, MUTATING, webhook(hook.url("/cap"), scales))
    await register(api, VALIDATING, webhook(hook.url("/always-allow"), scales))
    done = await api.patch(f"{path}/d/scale", {"spec": {"replicas": 9}})
    assert done.json["spec"]["replicas"] == 3
    assert (await api.ok("GET", f"{path}/d"))["spec"]["replicas"] == 3
    (first,), (last,) = hook.asked("/cap"), hook.asked("/always-allow")
    assert first["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert (first["oldObject"]["spec"]["replicas"], first["object"]["spec"]["replicas"]) == (1, 9)
    assert last["object"]["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    ("path", "kind", "options"),
    [
        pytest.param(
            f"{PODS}/p/exec?command=a&command=b&stdin=true", "PodExecOptions",
            {"command": ["a", "b"], "stdin": True}, id="exec",
        ),
        pytest.param(
            f"{PODS}/p/attach?container=c&stdout=1", "PodAttachOptions", {"container": "c", "stdout": True},
            id="attach",
        ),
        pytest.param(f"{PODS}/p/portforward?ports=80", "PodPortForwardOptions", {"ports": [80]}, id="port"),
        pytest.param(f"{PODS}/p/proxy/a/b", "PodProxyOptions", {"path": "/a/b"}, id="pod-proxy"),
        pytest.param(
            "/api/v1/namespaces/default/services/s/proxy/x", "ServiceProxyOptions", {"path": "/x"},
            id="service-proxy",
        ),
        pytest.param("/api/v1/nodes/n/proxy/x", "NodeProxyOptions", {"path": "/x"}, id="node-proxy"),
    ],
)  # fmt: skip
async def test_connections_are_refused_before_any_stream(api, hook, path, kind, options):
    await api.ok("POST", PODS, POD)
    everything = rule("pods/*", "services/*", "nodes/*", operations=("CONNECT",))
    await register(api, VALIDATING, webhook(hook.url("/always-deny"), everything))
    way, _, query = path.partition("?")
    pairs = [pair.split("=") for pair in query.split("&") if pair]
    async with api.session.post(way, params=pairs) as response:
        assert response.status == 400
        assert "this webhook denies all requests" in (await response.json())["message"]
    (asked,) = hook.asked("/always-deny")
    assert asked["operation"] == "CONNECT"
    assert asked["kind"] == {"group": "", "version": "v1", "kind": kind}
    assert asked["object"] == {"kind": kind, "apiVersion": "v1", **options}
    assert (asked["oldObject"], asked["options"]) == (None, None)


async def test_reading_a_log_asks_nobody(api, hook):
    await api.ok("POST", PODS, POD)
    await register(api, VALIDATING, webhook(hook.url("/always-deny"), rule("pods/*", operations=("*",))))
    assert (await api.ask("GET", f"{PODS}/p/log")).status == 200


async def test_the_older_review(api, hook):
    """v1beta1: neither uid nor kind of the answer are looked at, nor a missing type of the patch."""
    hook.answers["/old"] = lambda request: {
        **patch({"op": "add", "path": "/data", "value": {"new": "yes"}}),
        "uid": "", "patchType": None,
    }  # fmt: skip
    await register(api, MUTATING, webhook(hook.url("/old"), admissionReviewVersions=["v0", "v1beta1", "v1"]))
    assert (await configmap(api)).json["data"] == {"new": "yes"}
    assert hook.reviews[0][1]["apiVersion"] == "admission.k8s.io/v1beta1"


async def test_reviews_are_asked_about_as_well(api, hook):
    group = "authorization.k8s.io"
    reviews = rule("selfsubjectaccessreviews", groups=(group,))
    await register(api, VALIDATING, webhook(hook.url("/always-deny"), reviews))
    body = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    answer = await api.ask("POST", f"/apis/{group}/v1/selfsubjectaccessreviews", body)
    assert "this webhook denies all requests" in answer.json["message"]


# Conditions.


def conditions(*expressions):
    return [{"name": f"c{number}", "expression": text} for number, text in enumerate(expressions)]


@pytest.mark.parametrize(
    ("expressions", "asked"),
    [
        pytest.param(["object.metadata.name == 'c'"], True, id="object"),
        pytest.param(["object.metadata.name != 'c'"], False, id="not-this-object"),
        pytest.param(["true", "false"], False, id="all-must-hold"),
        pytest.param(["oldObject == null"], True, id="old-object"),
        pytest.param(["request.operation == 'CREATE' && request.resource.resource == 'configmaps'"], True,
                     id="request"),
        pytest.param(["'system:masters' in request.userInfo.groups"], True, id="user"),
        pytest.param(["authorizer.group('').resource('pods').namespace('default').check('get').allowed()"],
                     True, id="authorizer"),
        pytest.param(["authorizer.requestResource.check('create').allowed()"], True, id="request-resource"),
        pytest.param(["object.no.such.field == 1", "false"], False, id="false-outweighs-an-error"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [MUTATING, VALIDATING])
async def test_conditions(api, hook, kind, expressions, asked):
    await register(api, kind, webhook(hook.url("/always-allow"), matchConditions=conditions(*expressions)))
    assert (await configmap(api)).status == 201
    assert bool(hook.reviews) is asked


async def test_conditions_that_cannot_be_evaluated(api, hook):
    given = conditions("object.data.no == 'x'")
    closed = webhook(hook.url("/always-allow"), matchConditions=given)
    await register(api, VALIDATING, closed)
    answer = await configmap(api)
    assert (answer.status, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["message"].startswith('configmaps "c" is forbidden: expression \'object.data.no == ')
    await api.ok("DELETE", f"{ADMISSION}/validatingwebhookconfigurations/w")
    await register(api, VALIDATING, {**closed, "failurePolicy": "Ignore"})
    assert (await configmap(api)).status == 201
    assert not hook.reviews


async def test_conditions_see_what_earlier_webhooks_made(api, hook):
    labelled = conditions("has(object.metadata.labels) && 'added-label' in object.metadata.labels")
    later = webhook(hook.url("/always-allow"), name="later.example.com", matchConditions=labelled)
    await register(api, MUTATING, webhook(hook.url("/add-label")), later)
    await configmap(api)
    assert len(hook.asked("/always-allow")) == 1


async def test_conditions_see_the_version_of_the_rule(api, hook):
    old = rule("horizontalpodautoscalers", groups=("autoscaling",), versions=("v1",))
    given = conditions(
        "object.apiVersion == 'autoscaling/v1' && request.resource.version == 'v1' && "
        "request.requestResource.version == 'v2'"
    )
    await register(api, VALIDATING, webhook(hook.url("/always-allow"), old, matchConditions=given))
    spec = {"scaleTargetRef": {"kind": "D", "name": "d", "apiVersion": "apps/v1"}, "maxReplicas": 3}
    path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    await api.ok("POST", path, {"metadata": {"name": "h"}, "spec": spec})
    assert len(hook.reviews) == 1
