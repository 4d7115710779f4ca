"""Which endpoint answers for a service."""

import pytest

from api.errors import ServiceUnavailable
from apiserver.services import service_address


def endpoints(*addresses: str, ready: bool = True) -> dict:
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [ip], "conditions": {"ready": ready}} for ip in addresses],
    }


SERVICE = {"metadata": {"name": "web"}, "spec": {"ports": [{"name": "http", "port": 80}]}}


def test_service_address() -> None:
    slices = [endpoints("10.0.0.1"), endpoints("10.0.0.2", ready=False)]
    for port in ("80", "http"):
        assert service_address(SERVICE, port, slices, lambda low, high: high) == ("10.0.0.1", 8080)
    with pytest.raises(ServiceUnavailable, match='no service port 81 found for service "web"'):
        service_address(SERVICE, "81", slices, lambda low, high: low)
    with pytest.raises(ServiceUnavailable, match='no endpoints available for service "web"'):
        service_address(SERVICE, "80", [endpoints("10.0.0.2", ready=False)], lambda low, high: low)
