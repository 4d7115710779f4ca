"""Who may write which part of a claim to devices."""

from typing import Any

import pytest

from api.errors import Invalid
from api.types.core_v1 import NAMESPACES
from api.types.rbac_v1 import CLUSTERROLEBINDINGS, CLUSTERROLES
from api.types.resource_v1 import RESOURCECLAIMS, RESOURCECLAIMTEMPLATES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.plugins.resource_claim_rights import ADMIN_LABEL, ResourceClaimRights
from apiserver.authz.rbac import RBAC
from apiserver.bootstrap.rule import account, cluster_role, cluster_role_binding, rule, user
from apiserver.http.message import User
from tests.unit.apiserver.shelf import Shelf

GROUP = "resource.k8s.io"
JANE = User("jane")
DRIVER = User("system:serviceaccount:d:driver", extra={"authentication.kubernetes.io/node-name": ("n1",)})


def plugin(*rules: Any, labels: Any = None) -> ResourceClaimRights:
    bound = cluster_role_binding("r", user("jane"), account("d", "driver"))
    world: Any = Shelf(
        [
            (CLUSTERROLES, cluster_role("r", list(rules))),
            (CLUSTERROLEBINDINGS, bound),
            (NAMESPACES, {"metadata": {"name": "d", "labels": labels or {}}}),
        ]
    )
    return ResourceClaimRights(world, RBAC(world))


def allocation(node: str = "n1", **result: Any) -> dict[str, Any]:
    wanted = {"key": "metadata.name", "operator": "In", "values": [node]}
    devices = {"results": [{"driver": "a.io", "pool": "p", "device": "x", **result}]}
    return {"devices": devices, "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [wanted]}]}}


def claim(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "c", "namespace": "d"}, "spec": {}, "status": status}


def report(driver: str = "a.io", **data: Any) -> dict[str, Any]:
    return {"driver": driver, "pool": "p", "device": "x", "data": data}


async def verdict(judge: ResourceClaimRights, who: User, new: Any, old: Any) -> list[str]:
    request = AdmissionRequest("UPDATE", RESOURCECLAIMS, "d", "c", who, new, old, "status")
    assert judge.handles(request)
    try:
        await judge.validate(request)
    except Invalid as error:
        return [f"{cause['field']}: {cause['message']}" for cause in error.details["causes"]]
    return []


BINDING = rule("update", "resourceclaims/binding", GROUP)
ASSOCIATED = rule("associated-node:update", "resourceclaims/driver", GROUP, names="a.io")
ARBITRARY = rule("arbitrary-node:update", "resourceclaims/driver", GROUP, names="a.io")
NO_BINDING = (
    "status: Forbidden: changing status.allocation or status.reservedFor requires "
    'resource="resourceclaims/binding", verb="update" permission: resourceclaims.resource.k8s.io is '
    'forbidden: User "jane" cannot update resource "resourceclaims/binding" in API group "resource.k8s.io" '
    "at the cluster scope"
)


@pytest.mark.parametrize(
    ("rules", "who", "new", "old", "expected"),
    [
        pytest.param([BINDING], JANE, claim(allocation=allocation()), claim(), [], id="allocate"),
        pytest.param([], JANE, claim(allocation=allocation()), claim(), [NO_BINDING], id="may-not-allocate"),
        pytest.param(
            [], JANE, claim(reservedFor=[{"uid": "1"}]), claim(), [NO_BINDING], id="may-not-reserve"
        ),
        pytest.param(
            [], JANE, claim(allocation=allocation()), claim(allocation=allocation()), [], id="nothing-changed"
        ),
        pytest.param(
            [ASSOCIATED],
            DRIVER,
            claim(allocation=allocation(), devices=[report()]),
            claim(allocation=allocation()),
            [],
            id="driver-on-the-node",
        ),
        pytest.param(
            [ARBITRARY],
            DRIVER,
            claim(allocation=allocation("n2"), devices=[report()]),
            claim(allocation=allocation("n2")),
            [],
            id="driver-of-any-node",
        ),
    ],
)
async def test_rights(rules, who, new, old, expected):
    assert await verdict(plugin(*rules), who, new, old) == expected


@pytest.mark.parametrize(
    ("rules", "node", "devices", "before"),
    [
        pytest.param([ASSOCIATED], "n2", [report()], [], id="on-another-node"),
        pytest.param([ASSOCIATED], "n1", [report("b.io")], [], id="for-another-driver"),
        pytest.param([ASSOCIATED], "n1", [], [report("b.io")], id="removes-another's"),
        pytest.param(
            [ASSOCIATED], "n1", [report("b.io", a=1)], [report("b.io", a=2)], id="changes-another's"
        ),
        pytest.param([], "n1", [report()], [], id="without-rights"),
    ],
)
async def test_drivers_report_on_their_own_devices_alone(rules, node, devices, before):
    new, old = (claim(allocation=allocation(node), devices=given) for given in (devices, before))
    [fault] = await verdict(plugin(*rules), DRIVER, new, old)
    verbs = "associated-node:update arbitrary-node:update" if node == "n1" else "arbitrary-node:update"
    assert fault.startswith(
        'status.devices: Forbidden: changing status.devices requires resource="resourceclaims/driver", '
        f'verb="[{verbs}]" permission: resourceclaims.resource.k8s.io '
    )


@pytest.mark.parametrize(
    ("labels", "old", "refused"),
    [
        pytest.param({}, {}, True, id="unlabelled"),
        pytest.param({ADMIN_LABEL: "false"}, {}, True, id="false"),
        pytest.param({ADMIN_LABEL: "true"}, {}, False, id="labelled"),
        pytest.param({}, {"allocation": allocation(adminAccess=True)}, False, id="given-before"),
    ],
)
async def test_admin_access_in_an_allocation(labels, old, refused):
    new = claim(allocation=allocation(adminAccess=True))
    found = await verdict(plugin(BINDING, labels=labels), JANE, new, claim(**old))
    assert found == (
        [
            "status.allocation.devices.results[0].adminAccess: Forbidden: admin access to devices requires "
            "the `resource.kubernetes.io/admin-access: true` label on the containing namespace"
        ]
        if refused
        else []
    )


def test_only_claims_are_looked_at():
    for operation, subresource, asked in (("CREATE", "", True), ("UPDATE", "", False), ("DELETE", "", False)):
        request = AdmissionRequest(operation, RESOURCECLAIMS, "d", "c", JANE, {}, None, subresource)
        assert plugin().handles(request) is asked
        request = AdmissionRequest(operation, RESOURCECLAIMTEMPLATES, "d", "c", JANE, {}, None, subresource)
        assert plugin().handles(request) is asked
