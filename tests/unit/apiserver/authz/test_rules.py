"""Does a rule cover a request; does a set of rules cover another rule."""

import pytest

from apiserver.authz.rules import compile_rule, compile_rules, describe, uncovered
from apiserver.http.message import RequestInfo


def pods(
    verb: str, name: str = "", subresource: str = "", group: str = "", resource: str = "pods"
) -> RequestInfo:
    return RequestInfo(True, "", verb, group, "v1", resource, subresource, "ns", name)


def path(verb: str, text: str) -> RequestInfo:
    return RequestInfo(False, text, verb)


READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
NAMED = {**READ_PODS, "resourceNames": ["a"]}
SCALE = {"apiGroups": ["*"], "resources": ["*/scale"], "verbs": ["get"]}
ALL = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
URLS = {"nonResourceURLs": ["/version", "/healthz/*"], "verbs": ["get"]}


@pytest.mark.parametrize(
    ("rule", "info", "allowed"),
    [
        pytest.param(READ_PODS, pods("get", "x"), True, id="verb-and-resource"),
        pytest.param(READ_PODS, pods("delete", "x"), False, id="other-verb"),
        pytest.param(READ_PODS, pods("get", group="apps"), False, id="other-group"),
        pytest.param(READ_PODS, pods("get", "x", "log"), False, id="subresource-is-another-resource"),
        pytest.param(
            {**READ_PODS, "resources": ["pods/log"]}, pods("get", "x", "log"), True, id="subresource"
        ),
        pytest.param(NAMED, pods("get", "a"), True, id="named"),
        pytest.param(NAMED, pods("get", "b"), False, id="other-name"),
        pytest.param(NAMED, pods("list"), False, id="list-has-no-name"),
        pytest.param(SCALE, pods("get", "x", "scale", "apps", "deployments"), True, id="any-resource-scale"),
        pytest.param(SCALE, pods("get", "x", "", "apps", "scale"), False, id="star-subresource-needs-one"),
        pytest.param(ALL, pods("escalate", "x", "y", "z", "w"), True, id="everything"),
        pytest.param(ALL, path("get", "/version"), False, id="resources-are-not-paths"),
        pytest.param(URLS, path("get", "/version"), True, id="path"),
        pytest.param(URLS, path("get", "/healthz/etcd"), True, id="path-prefix"),
        pytest.param(URLS, path("get", "/versions"), False, id="path-is-whole"),
        pytest.param({"nonResourceURLs": ["*"], "verbs": ["*"]}, path("put", "/x"), True, id="all-paths"),
    ],
)
def test_allows(rule: dict, info: RequestInfo, allowed: bool) -> None:
    assert compile_rule(rule).allows(info) is allowed


@pytest.mark.parametrize(
    ("owned", "wanted", "missing"),
    [
        pytest.param([READ_PODS], [READ_PODS], "", id="the-same"),
        pytest.param([ALL], [READ_PODS, SCALE], "", id="all-covers-everything"),
        pytest.param(
            [READ_PODS],
            [{**READ_PODS, "verbs": ["get", "delete"]}],
            '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}',
            id="one-verb-more",
        ),
        pytest.param(
            [NAMED],
            [READ_PODS],
            '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}',
            id="names-do-not-cover-all",
        ),
        pytest.param([READ_PODS], [NAMED], "", id="all-names-cover-one"),
        pytest.param([READ_PODS], [ALL], '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}', id="stars"),
        pytest.param(
            [URLS], [{"nonResourceURLs": ["/healthz/x/*"], "verbs": ["get"]}], "", id="prefix-in-prefix"
        ),
        pytest.param(
            [URLS],
            [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
            '{NonResourceURLs:["/metrics"], Verbs:["get"]}',
            id="other-path",
        ),
    ],
)
def test_uncovered(owned: list, wanted: list, missing: str) -> None:
    assert describe(uncovered(compile_rules(owned), compile_rules(wanted))) == missing
