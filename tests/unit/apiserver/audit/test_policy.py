"""Which rule of an audit policy a request meets."""

import pytest

from apiserver.audit.policy import parse
from apiserver.http.message import RequestInfo, User

JOE = User("joe", ("dev", "system:authenticated"))


def policy(*rules, **more):
    return parse({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": list(rules), **more})


def about(verb="get", resource="pods", namespace="ns", name="x", group="", sub=""):
    return RequestInfo(True, "/api", verb, group, "v1", resource, sub, namespace, name)


def url(path):
    return RequestInfo(False, path, "get")


LOGGED = {"level": "Metadata"}


@pytest.mark.parametrize(
    ("rule", "info", "matches"),
    [
        pytest.param({}, about(), True, id="everything"),
        pytest.param({"users": ["joe"]}, about(), True, id="user"),
        pytest.param({"users": ["ann"]}, about(), False, id="another-user"),
        pytest.param({"userGroups": ["dev", "ops"]}, about(), True, id="one-of-the-groups"),
        pytest.param({"userGroups": ["ops"]}, about(), False, id="no-group"),
        pytest.param({"verbs": ["list"]}, about(), False, id="verb"),
        pytest.param({"namespaces": ["ns"]}, about(), True, id="namespace"),
        pytest.param({"namespaces": [""]}, about(namespace=""), True, id="cluster-scoped"),
        pytest.param({"namespaces": ["ns"]}, url("/version"), False, id="namespace-never-a-url"),
        pytest.param({"resources": [{"group": ""}]}, about(resource="nodes"), True, id="whole-group"),
        pytest.param({"resources": [{"group": "apps"}]}, about(), False, id="another-group"),
        pytest.param({"resources": [{"resources": ["pods"]}]}, about(), True, id="resource"),
        pytest.param(
            {"resources": [{"resources": ["pods"]}]}, about(sub="log"), False, id="not-its-subresources"
        ),
        pytest.param({"resources": [{"resources": ["pods/log"]}]}, about(sub="log"), True, id="subresource"),
        pytest.param({"resources": [{"resources": ["pods/*"]}]}, about(sub="log"), True, id="subresources"),
        pytest.param({"resources": [{"resources": ["pods/*"]}]}, about(), False, id="subresources-alone"),
        pytest.param({"resources": [{"resources": ["*/log"]}]}, about(sub="log"), True, id="of-any"),
        pytest.param({"resources": [{"resources": ["*"]}]}, about(sub="log"), True, id="star"),
        pytest.param(
            {"resources": [{"resources": ["pods"], "resourceNames": ["y"]}]}, about(), False, id="by-name"
        ),
        pytest.param({"nonResourceURLs": ["/healthz*"]}, url("/healthz/etcd"), True, id="url-prefix"),
        pytest.param({"nonResourceURLs": ["/version"]}, url("/versions"), False, id="url"),
        pytest.param({"nonResourceURLs": ["*"]}, about(), False, id="urls-never-a-resource"),
    ],
)
def test_rule(rule, info, matches):
    assert policy({**LOGGED, **rule}).decide(JOE, info).level == ("Metadata" if matches else "None")


def test_the_first_rule_decides_and_stages_add_up():
    made = policy(
        {"level": "None", "verbs": ["watch"]},
        {"level": "RequestResponse", "omitStages": ["ResponseStarted"], "omitManagedFields": False},
        omitStages=["RequestReceived"],
        omitManagedFields=True,
    )
    assert not made.decide(JOE, about("watch")).writes("ResponseComplete")
    found = made.decide(JOE, about())
    assert [found.writes(stage) for stage in ("RequestReceived", "ResponseStarted", "ResponseComplete")] == [
        False,
        False,
        True,
    ]
    assert (found.wants_request, found.wants_response, found.omit_managed_fields) == (True, True, False)


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        pytest.param([], "not an audit Policy", id="list"),
        pytest.param({"kind": "Policy", "apiVersion": "v1"}, "apiVersion", id="version"),
        pytest.param({"rules": []}, "illegal policy with 0 rules", id="no-rules"),
        pytest.param({"rules": [{"level": "All"}]}, 'rules[0].level: Unsupported value: "All"', id="level"),
        pytest.param({"rules": [LOGGED], "omitStages": ["End"]}, 'Invalid value: "End"', id="stage"),
        pytest.param(
            {"rules": [{**LOGGED, "nonResourceURLs": ["/x"], "namespaces": ["a"]}]}, "cannot apply", id="both"
        ),
        pytest.param(
            {"rules": [{**LOGGED, "nonResourceURLs": ["/*/x"]}]}, "must begin with", id="inner-star"
        ),
        pytest.param(
            {"rules": [{**LOGGED, "resources": [{"resourceNames": ["a"]}]}]},
            "at least one resource",
            id="names",
        ),
        pytest.param(
            {"rules": [{**LOGGED, "resources": [{"group": "apps/v1"}]}]},
            "without version",
            id="group-version",
        ),
        pytest.param({"rules": [{**LOGGED, "users": "joe"}]}, "users: must be a list", id="no-list"),
    ],
)
def test_refused(document, fault):
    whole = document if not isinstance(document, dict) else {
        "kind": "Policy", "apiVersion": "audit.k8s.io/v1", **document}  # fmt: skip
    with pytest.raises(ValueError, match=r".") as caught:
        parse(whole)
    assert fault in str(caught.value)
