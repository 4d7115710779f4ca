"""The table of built-in resources: lookups, discovery order, subresources; every kind has a schema."""

import pytest

from api import catalog, schemas
from api.types.apps_v1 import DEPLOYMENTS
from api.types.core_v1 import NODES, PODS
from tools.resources import TABLE


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("po", PODS, id="short name"),
        pytest.param("Pod", PODS, id="kind in any case"),
        pytest.param("pods", PODS, id="plural"),
        pytest.param("deployments.apps", DEPLOYMENTS, id="plural and group"),
        pytest.param("deployments.v1.apps", DEPLOYMENTS, id="plural, version and group"),
        pytest.param("deployment.apps", DEPLOYMENTS, id="singular and group"),
        pytest.param("no", NODES, id="node's short name"),
        pytest.param("nothing", None, id="unknown"),
    ],
)
def test_find_reads_what_users_type(word, expected):
    assert catalog.find(word) is expected


def test_lookups_agree_with_the_list():
    for item in catalog.ALL:
        assert catalog.by_plural(item.group, item.version, item.plural) is item
        assert catalog.by_kind(item.group_version, item.kind) is item
        assert schemas.definition(schemas.schema_name(item))["properties"]


def test_discovery_order_is_that_of_the_table():
    assert list(catalog.groups()) == list(TABLE)
    assert catalog.versions("autoscaling") == ("v2", "v1")
    assert sorted(catalog.GROUP_PRIORITIES) == sorted(TABLE)


@pytest.mark.parametrize(
    ("resource", "name", "kind", "verbs"),
    [
        pytest.param(DEPLOYMENTS, "scale", "autoscaling/v1 Scale", ("get", "patch", "update"), id="scale"),
        pytest.param(DEPLOYMENTS, "status", "apps/v1 Deployment", ("get", "patch", "update"), id="status"),
        pytest.param(PODS, "eviction", "policy/v1 Eviction", ("create",), id="eviction"),
        pytest.param(PODS, "exec", "v1 PodExecOptions", ("create", "get"), id="exec"),
        pytest.param(PODS, "resize", "v1 Pod", ("get", "patch", "update"), id="resize"),
    ],
)
def test_subresources_speak_upstream_kinds(resource, name, kind, verbs):
    found = catalog.subresource(resource, name)
    assert (f"{found.group_version} {found.kind}", found.verbs) == (kind, verbs)


def test_a_missing_subresource_is_a_key_error():
    with pytest.raises(KeyError):
        catalog.subresource(NODES, "scale")
