"""What is taken, but told to be old."""

import pytest

from api.types.discovery_v1 import ENDPOINTSLICES
from api.types.networking_v1 import INGRESSES
from api.types.node_v1 import RUNTIMECLASSES
from api.types.resource_v1 import RESOURCESLICES
from api.types.storage_v1 import STORAGECLASSES
from apiserver.resources.catalog import strategy_of

OLD_CLASS = {"annotations": {"kubernetes.io/ingress.class": "a"}}
ZONE = "failure-domain.beta.kubernetes.io/zone"
USE = 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'


def terms(key):
    return {"allowedTopologies": [{"matchLabelExpressions": [{"key": key, "values": ["a"]}]}]}


@pytest.mark.parametrize(
    ("resource", "obj", "expected"),
    [
        pytest.param(
            INGRESSES,
            {"metadata": OLD_CLASS},
            [
                'annotation "kubernetes.io/ingress.class" is deprecated, please use '
                "'spec.ingressClassName' instead"
            ],
            id="class-by-annotation",
        ),
        pytest.param(
            INGRESSES, {"metadata": OLD_CLASS, "spec": {"ingressClassName": "a"}}, [], id="class-by-both"
        ),
        pytest.param(INGRESSES, {"metadata": {}}, [], id="no-class"),
        pytest.param(
            ENDPOINTSLICES,
            {"addressType": "FQDN"},
            ["spec.addressType: FQDN endpoints are deprecated"],
            id="domain-endpoints",
        ),
        pytest.param(ENDPOINTSLICES, {"addressType": "IPv4"}, [], id="address-endpoints"),
        pytest.param(
            STORAGECLASSES,
            terms(ZONE),
            [f"allowedTopologies[0].matchLabelExpressions[0].key: {USE}"],
            id="old-zone-of-storage",
        ),
        pytest.param(STORAGECLASSES, terms("topology.kubernetes.io/zone"), [], id="zone-of-storage"),
        pytest.param(
            RUNTIMECLASSES,
            {"scheduling": {"nodeSelector": {ZONE: "a", "b": "c"}}},
            [f"scheduling.nodeSelector: {USE}"],
            id="old-zone-of-a-runtime",
        ),
        pytest.param(
            RESOURCESLICES,
            {"spec": {"driver": "A.io"}},
            ['spec.driver: driver names should be lowercase; "A.io" contains uppercase characters'],
            id="driver",
        ),
    ],
)
def test_warnings(resource, obj, expected):
    strategy = strategy_of(resource)
    assert strategy.warnings(obj) == expected
    updated = resource not in (INGRESSES, ENDPOINTSLICES)
    assert strategy.update_warnings(obj, obj) == (expected if updated else [])
