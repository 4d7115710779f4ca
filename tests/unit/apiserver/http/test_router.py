"""URL paths and what they are about."""

import pytest

from api.catalog import by_plural
from apiserver.http.router import parse


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        pytest.param("GET", "/api/v1/pods", {}, ("list", "", "v1", "pods", "", "", ""), id="list-everywhere"),
        pytest.param(
            "GET", "/api/v1/pods", {"watch": ["true"]}, ("watch", "", "v1", "pods", "", "", ""), id="watch"
        ),
        pytest.param(
            "GET", "/api/v1/pods", {"watch": ["0"]}, ("list", "", "v1", "pods", "", "", ""), id="no-watch"
        ),
        pytest.param(
            "GET",
            "/api/v1/namespaces/a/pods/b",
            {},
            ("get", "", "v1", "pods", "", "a", "b"),
            id="get-in-a-namespace",
        ),
        pytest.param(
            "POST",
            "/api/v1/namespaces/a/pods/b/exec",
            {},
            ("create", "", "v1", "pods", "exec", "a", "b"),
            id="connect",
        ),
        pytest.param(
            "DELETE",
            "/apis/apps/v1/namespaces/a/deployments",
            {},
            ("deletecollection", "apps", "v1", "deployments", "", "a", ""),
            id="deletecollection",
        ),
        pytest.param(
            "GET", "/api/v1/namespaces/a", {}, ("get", "", "v1", "namespaces", "", "a", "a"), id="namespace"
        ),
        pytest.param(
            "PUT",
            "/api/v1/namespaces/a/finalize",
            {},
            ("update", "", "v1", "namespaces", "finalize", "a", "a"),
            id="namespace-subresource",
        ),
        pytest.param(
            "GET",
            "/api/v1/pods",
            {"fieldSelector": ["metadata.name=x"]},
            ("list", "", "v1", "pods", "", "", "x"),
            id="list-of-one-name",
        ),
        pytest.param(
            "GET",
            "/api/v1/watch/namespaces/a/pods/p",
            {},
            ("watch", "", "v1", "pods", "", "a", "p"),
            id="the-old-form-of-a-watch",
        ),
        pytest.param(
            "GET",
            "/apis/apps/v1/watch/deployments",
            {},
            ("watch", "apps", "v1", "deployments", "", "", ""),
            id="the-old-form-in-a-group",
        ),
        pytest.param(
            "PATCH",
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            {},
            ("patch", "apps", "v1", "deployments", "scale", "a", "d"),
            id="scale",
        ),
    ],
)
def test_resource_paths(method, path, query, expected):
    info = parse(method, path, query, by_plural)
    found = (info.verb, info.group, info.version, info.resource, info.subresource, info.namespace, info.name)
    assert found == expected
    assert info.is_resource
    assert info.token is not None


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz"])
def test_other_paths(path):
    info = parse("GET", path, {}, by_plural)
    assert not info.is_resource
    assert info.verb == "get"


def test_the_rest_of_a_proxy_path_is_kept():
    info = parse("GET", "/api/v1/namespaces/a/pods/b/proxy/x/y", {}, by_plural)
    assert (info.subresource, info.rest) == ("proxy", "x/y")


def test_an_unknown_resource_has_no_token():
    assert parse("GET", "/api/v1/frogs", {}, by_plural).token is None
