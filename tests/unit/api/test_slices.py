"""Which service a slice belongs to."""

import pytest

from api.resource import Key
from api.slices import SERVICE_NAME, by_service, service_of


@pytest.mark.parametrize(
    ("metadata", "key", "index"),
    [
        pytest.param(
            {"namespace": "n", "labels": {SERVICE_NAME: "web"}}, Key("n", "web"), ["n/web"], id="labelled"
        ),
        pytest.param({"namespace": "n", "labels": {"a": "b"}}, None, [], id="of-no-service"),
        pytest.param({"namespace": "n"}, None, [], id="without-labels"),
    ],
)
def test_service(metadata, key, index):
    assert service_of({"metadata": metadata}) == key
    assert by_service({"metadata": metadata}) == index
