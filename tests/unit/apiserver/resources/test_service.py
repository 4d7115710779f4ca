"""What follows from a service's type."""

import pytest

from api.errors import Invalid
from api.types.core_v1 import SERVICES
from apiserver.allocators.cluster_ip import ClusterIPs
from apiserver.allocators.node_port import NodePorts
from apiserver.resources.catalog import strategy_of
from apiserver.resources.core.service import ServiceStrategy
from apiserver.resources.core.service_shape import shaped

OLD = {
    "type": "NodePort",
    "clusterIP": "10.0.0.9",
    "clusterIPs": ["10.0.0.9"],
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30001}],
}
PORTS = [{"port": 80, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("new", "gone", "kept"),
    [
        pytest.param(
            {"type": "NodePort", "ports": PORTS}, [], ["clusterIP", "ipFamilies"], id="omitted-stays"
        ),
        pytest.param(
            {**OLD, "type": "ExternalName", "externalName": "x.y"}, ["clusterIP", "clusterIPs", "ipFamilies"],
            ["externalName"], id="external-name-gives-the-address-back",
        ),
    ],
)  # fmt: skip
def test_shaped(new, gone, kept):
    made = shaped(new, OLD)
    assert not set(gone) & set(made)
    assert set(kept) <= set(made)


@pytest.mark.parametrize(
    ("written", "addresses"),
    [
        pytest.param({}, ("10.0.0.9", ["10.0.0.9"]), id="omitted"),
        pytest.param({"clusterIP": "", "clusterIPs": []}, ("10.0.0.9", ["10.0.0.9"]), id="emptied"),
        pytest.param({"clusterIP": "10.0.0.9"}, ("10.0.0.9", ["10.0.0.9"]), id="one-of-two"),
        pytest.param(
            {"clusterIP": "10.0.0.8", "clusterIPs": ["10.0.0.9"]}, ("10.0.0.8", ["10.0.0.8"]), id="patched"
        ),
        pytest.param(
            {"clusterIP": "10.0.0.8", "clusterIPs": ["10.0.0.7"]}, ("10.0.0.8", ["10.0.0.7"]), id="at-odds"
        ),
    ],
)
def test_one_address_by_two_names(written, addresses):
    made = shaped({"type": "NodePort", "ports": PORTS, **written}, OLD)
    assert (made["clusterIP"], made["clusterIPs"]) == addresses


def test_node_ports_follow_the_type():
    assert shaped({"type": "NodePort", "ports": PORTS}, OLD)["ports"][0]["nodePort"] == 30001
    assert "nodePort" not in shaped({**OLD, "type": "ClusterIP"}, OLD)["ports"][0]


def service(**spec):
    return {
        "metadata": {"name": "s", "namespace": "n"},
        "spec": {"type": "ClusterIP", "ports": PORTS, **spec},
    }


@pytest.fixture
def strategy():
    made = strategy_of(SERVICES)
    assert isinstance(made, ServiceStrategy)
    made.pools(ClusterIPs("10.0.0.0/24"), NodePorts("30000-30100"))
    return made


async def test_addresses_and_ports_are_given(strategy):
    obj, _ = await strategy.reserve(service(type="NodePort"), None, False)
    assert obj["spec"]["clusterIP"] == obj["spec"]["clusterIPs"][0]
    assert 30000 <= obj["spec"]["ports"][0]["nodePort"] <= 30100


async def test_headless_and_external_get_none(strategy):
    obj, _ = await strategy.reserve(service(clusterIP="None"), None, False)
    assert obj["spec"]["clusterIPs"] == ["None"]
    obj, _ = await strategy.reserve(service(type="ExternalName"), None, False)
    assert "clusterIP" not in obj["spec"]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param(
            {"clusterIP": "10.9.0.1"}, "the provided IP (10.9.0.1) is not in the valid range", id="range"
        ),
        pytest.param(
            {"type": "NodePort", "ports": [{"port": 1, "nodePort": 99}]},
            "spec.ports[0].nodePort: Invalid value: 99: provided port is not in the valid range",
            id="port-range",
        ),
    ],
)  # fmt: skip
async def test_refusals(strategy, spec, text):
    with pytest.raises(Invalid) as caught:
        await strategy.reserve(service(**spec), None, False)
    assert text in caught.value.message


async def test_a_failed_write_gives_everything_back(strategy):
    first, guard = await strategy.reserve(service(clusterIP="10.0.0.7"), None, False)
    other = service(clusterIP="10.0.0.7")
    other["metadata"]["name"] = "t"
    with pytest.raises(Invalid, match="already allocated"):
        await strategy.reserve(other, None, False)
    guard.release()
    obj, _ = await strategy.reserve(other, None, False)
    assert obj["spec"]["clusterIP"] == first["spec"]["clusterIP"]
