"""What becomes of bootstrap objects that are there already, and who is behind the Service kubernetes."""

from datetime import UTC, datetime

import pytest

from api.types.core_v1 import CONFIGMAPS, SERVICES
from api.types.rbac_v1 import CLUSTERROLEBINDINGS, CLUSTERROLES
from apiserver.bootstrap.kubernetes_service import live_addresses, new_endpoints, new_slice, with_fields
from apiserver.bootstrap.objects import Wanted
from apiserver.bootstrap.reconcile import improved
from apiserver.bootstrap.rule import cluster_role, cluster_role_binding, group, rule, user

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROLE = cluster_role("r", [rule("get", "pods"), rule("list", "pods")])
BINDING = cluster_role_binding("r", group("a"), user("b"))


def with_annotation(obj: dict, value: str) -> dict:
    key = "rbac.authorization.kubernetes.io/autoupdate"
    return {**obj, "metadata": {**obj["metadata"], "annotations": {key: value}}}


@pytest.mark.parametrize(
    ("found", "rules"),
    [
        pytest.param(ROLE, None, id="as-it-should-be"),
        pytest.param({**ROLE, "rules": [rule("*", "*", "*")]}, None, id="more-is-left"),
        pytest.param(
            {**ROLE, "rules": [rule("get", "pods"), rule("get", "x")]},
            [rule("get", "pods"), rule("get", "x"), rule("list", "pods")],
            id="missing-is-added",
        ),
        pytest.param(with_annotation({**ROLE, "rules": []}, "false"), None, id="protected"),
        pytest.param({**ROLE, "rules": [], "aggregationRule": {}}, None, id="aggregated"),
    ],
)
def test_roles(found: dict, rules: list | None) -> None:
    made = improved(Wanted(CLUSTERROLES, "", ROLE), found)
    assert made is found if rules is None else made["rules"] == rules


def test_bindings() -> None:
    wanted = Wanted(CLUSTERROLEBINDINGS, "", BINDING)
    assert improved(wanted, BINDING) is BINDING
    other = {**BINDING, "subjects": [user("x"), group("a")]}
    assert improved(wanted, other)["subjects"] == [user("x"), group("a"), user("b")]


def test_other_objects_belong_to_the_administrator() -> None:
    config = {"metadata": {"name": "c"}, "data": {"a": "1"}}
    found = {"metadata": {"name": "c"}, "data": {"a": "0", "b": "2"}}
    assert improved(Wanted(CONFIGMAPS, "n", config), found)["data"] == {"a": "1", "b": "2"}
    service = {"metadata": {"name": "s"}, "spec": {}}
    changed = {"metadata": {"name": "s"}, "spec": {"type": "NodePort"}}
    assert improved(Wanted(SERVICES, "n", service), changed) is changed


def lease(address: str, renewed: str) -> dict:
    annotations = {"pelamis.dev/advertise-address": address} if address else {}
    return {"metadata": {"annotations": annotations}, "spec": {"renewTime": renewed}}


def test_live_addresses() -> None:
    fresh, stale = "2025-12-31T23:59:50.000000Z", "2025-12-31T23:59:20.000000Z"
    leases = [
        lease("10.0.0.2", fresh),
        lease("10.0.0.1", fresh),
        lease("10.0.0.3", stale),
        lease("127.0.0.1", fresh),
        lease("", fresh),
    ]
    assert live_addresses(leases, NOW) == ["10.0.0.1", "10.0.0.2"]


def test_endpoints_and_slices_agree() -> None:
    endpoints, slice_ = new_endpoints(["10.0.0.1"], 6443), new_slice(["10.0.0.1"], 6443)
    assert [item["ip"] for item in endpoints["subsets"][0]["addresses"]] == slice_["endpoints"][0][
        "addresses"
    ]
    assert endpoints["subsets"][0]["ports"] == slice_["ports"]
    assert with_fields(endpoints, endpoints, ("subsets",)) is endpoints
    assert with_fields(endpoints, new_endpoints([], 6443), ("subsets",))["subsets"] == []
    assert new_slice(["fd00::1"], 1)["addressType"] == "IPv6"
