"""The short run of the fuzzer that is fed with our own OpenAPI documents, and that it sees a server error."""

import pytest

from apiserver.rest import dispatch
from tests.integration.apiserver.schema_fuzz import Served, operations, run

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("fuzz")) as made:
        yield made


@pytest.mark.parametrize("group", ["api/v1", "apis/apps/v1", "apis/networking.k8s.io/v1"])
def test_no_request_is_answered_with_500(served, group):
    wanted = operations(served, lambda name: name == group)
    found = run(served, wanted[:: 6 if group == "api/v1" else 2], 2, 1)
    assert found.faults == []
    assert found.requests > 20
    assert found.codes[200] or found.codes[422]


def test_a_planted_fault_is_found(served, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setitem(dispatch._VERBS, "list", broken)
    wanted = operations(served, lambda name: name == "apis/apps/v1")
    found = run(served, [one for one in wanted if one.method == "get"][:3], 2, 1)
    assert found.faults
    assert " 500 " in found.faults[0]
