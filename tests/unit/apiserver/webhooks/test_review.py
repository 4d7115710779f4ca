"""What webhooks are asked, and how their answers are read; the ways of the answers are integration tests."""

import pytest

from api.types.core_v1 import CONFIGMAPS, NAMESPACES, PODS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.http.message import User
from apiserver.webhooks.review import annotations_of, denial, request_of, review_of, verdict_of

USER = User("me", ("g",), "u", {"k": ("v",)})
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "ns"}}
ASKED = AdmissionRequest("CREATE", CONFIGMAPS, "ns", "c", USER, MAP, options={"kind": "CreateOptions"})
KIND = {"group": "", "version": "v1", "kind": "ConfigMap"}
RESOURCE = {"group": "", "version": "v1", "resource": "configmaps"}


def test_a_review():
    assert review_of(ASKED, ASKED, "id", "v1") == {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "id",
            "kind": KIND,
            "resource": RESOURCE,
            "requestKind": KIND,
            "requestResource": RESOURCE,
            "name": "c",
            "namespace": "ns",
            "operation": "CREATE",
            "userInfo": {"username": "me", "uid": "u", "groups": ["g"], "extra": {"k": ["v"]}},
            "object": MAP,
            "oldObject": None,
            "dryRun": False,
            "options": {"kind": "CreateOptions"},
        },
    }


@pytest.mark.parametrize(
    ("asked", "namespace", "kind"),
    [
        pytest.param(AdmissionRequest("DELETE", NAMESPACES, "", "n", USER, None, None), "n", "Namespace",
                     id="a-namespace-is-in-itself"),
        pytest.param(
            AdmissionRequest("CREATE", PODS, "ns", "p", USER, {"apiVersion": "policy/v1", "kind": "Eviction"},
                             subresource="eviction"),
            "ns", "Eviction", id="the-kind-of-a-subresource",
        ),
        pytest.param(AdmissionRequest("DELETE", CONFIGMAPS, "ns", "c", USER, None, MAP), "ns", "ConfigMap",
                     id="the-kind-of-what-goes"),
    ],
)  # fmt: skip
def test_namespace_and_kind(asked, namespace, kind):
    request = request_of(asked)
    assert (request["namespace"], request["kind"]["kind"]) == (namespace, kind)


def test_members_of_no_use_are_left_out():
    response = {"uid": "id", "allowed": True, "warnings": ["w", 1], "auditAnnotations": {"a": "b", "c": 1}}
    answer = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response}
    verdict = verdict_of(answer, "id", "v1", mutating=False)
    assert (verdict.warnings, verdict.annotations) == (("w",), {"a": "b"})
    assert annotations_of("hook.example.com", verdict) == {"hook.example.com/a": "b"}


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        pytest.param({}, 400, "", id="nothing"),
        pytest.param({"code": 0}, 400, "", id="zero"),
        pytest.param({"code": 302}, 400, "", id="no-error"),
        pytest.param({"code": 999}, 400, "", id="no-http"),
        pytest.param({"code": "403"}, 400, "", id="text"),
        pytest.param({"code": 422, "reason": "Invalid"}, 422, "Invalid", id="given"),
        pytest.param({"code": 500, "reason": "Mine"}, 500, "Mine", id="own-reason"),
    ],
)
def test_codes_of_denials(status, code, reason):
    error = denial("h", status)
    assert (error.code, error.reason) == (code, reason)
