"""Options of writes, from queries and bodies."""

import pytest

from api.errors import BadRequest, Invalid
from apiserver.http.message import Request
from apiserver.rest.options import deletion_of, operation_of
from apiserver.rest.strategy import Deletion


def request(method="POST", body=b"", headers=None, **query):
    return Request(method, "/", {name: [value] for name, value in query.items()}, headers or {}, body)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(request("DELETE"), Deletion(), id="nothing"),
        pytest.param(
            request("DELETE", gracePeriodSeconds="5", propagationPolicy="Orphan"),
            Deletion(grace_s=5, propagation="Orphan"),
            id="query",
        ),
        pytest.param(
            request("DELETE", b'{"gracePeriodSeconds":0,"preconditions":{"uid":"u"},"dryRun":["All"]}'),
            Deletion(grace_s=0, uid="u", dry_run=True),
            id="body",
        ),
        pytest.param(request("DELETE", gracePeriodSeconds="-1"), Deletion(grace_s=1), id="less-than-none"),
        pytest.param(
            request(
                "DELETE",
                b"kind: DeleteOptions\norphanDependents: true\n",
                {"content-type": "application/yaml"},
            ),
            Deletion(orphan_dependents=True),
            id="yaml",
        ),
    ],
)
def test_deletion(given, expected):
    assert deletion_of(given)[0] == expected


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param(request("DELETE", gracePeriodSeconds="x"), BadRequest, id="no-number"),
        pytest.param(request("DELETE", b'{"kind":"Pod"}'), BadRequest, id="wrong-kind"),
        pytest.param(
            request("DELETE", b'{"gracePeriodSeconds":"x"}'), BadRequest, id="no-number-in-the-body"
        ),
        pytest.param(request("DELETE", b'{"preconditions":"x"}'), BadRequest, id="no-object"),
        pytest.param(request("DELETE", propagationPolicy="Some"), Invalid, id="unknown-policy"),
        pytest.param(
            request("DELETE", b'{"propagationPolicy":"Orphan","orphanDependents":true}'), Invalid, id="both"
        ),
        pytest.param(request("DELETE", dryRun="Some"), Invalid, id="unknown-dry-run"),
    ],
)
def test_bad_deletions(given, error):
    with pytest.raises(error):
        deletion_of(given)


def test_the_field_manager_is_the_program_unless_said():
    agent = {"user-agent": "kubectl/v1.33.1 (linux/amd64)"}
    assert operation_of(request(headers=agent)).field_manager == "kubectl"
    assert operation_of(request(headers=agent, fieldManager="me")).field_manager == "me"
    apply = agent | {"content-type": "application/apply-patch+yaml"}
    assert operation_of(request("PATCH", headers=apply)).field_manager == ""


def test_dry_run_and_validation():
    assert operation_of(request(dryRun="All")).dry_run
    for query in ({"dryRun": "Some"}, {"fieldValidation": "Some"}):
        with pytest.raises(Invalid):
            operation_of(request(**query))
