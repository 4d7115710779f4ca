"""Pods and their claims."""

from typing import Any

import pytest

from api.dra.claims import ClaimError, claim_names, owner_fault, tolerates

DIRECT = {"name": "gpu", "resourceClaimName": "mine"}
MADE = {"name": "net", "resourceClaimTemplateName": "template"}


def pod(*entries: Any, **statuses: Any) -> Any:
    listed = [
        {"name": name, **({"resourceClaimName": made} if made else {})} for name, made in statuses.items()
    ]
    return {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {"resourceClaims": list(entries)},
        "status": {"resourceClaimStatuses": listed},
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(pod(), [], id="none"),
        pytest.param(pod(DIRECT), [("mine", False)], id="by-name"),
        pytest.param(pod(MADE, net="p-net-x"), [("p-net-x", True)], id="made-from-a-template"),
        pytest.param(pod(MADE, other="o", net="p-net-x"), [("p-net-x", True)], id="beside-another"),
        pytest.param(pod(DIRECT, MADE, net=None), [("mine", False)], id="not-needed"),
        pytest.param(pod(MADE), 'pod "ns/p": ResourceClaim not created yet', id="not-made-yet"),
        pytest.param(
            pod({"name": "x"}), 'pod "ns/p", spec.resourceClaim "x": none of the supported fields are set',
            id="unknown-kind",
        ),
    ],
)  # fmt: skip
def test_the_claims_of_a_pod(given, expected):
    if isinstance(expected, str):
        with pytest.raises(ClaimError) as caught:
            claim_names(given)
        assert str(caught.value) == expected
    else:
        assert claim_names(given) == expected


@pytest.mark.parametrize(
    ("namespace", "owners", "fine"),
    [
        pytest.param("ns", [{"uid": "u", "controller": True}], True, id="its-owner"),
        pytest.param("ns", [{"uid": "u"}], False, id="not-the-controller"),
        pytest.param("ns", [{"uid": "v", "controller": True}], False, id="another-pod"),
        pytest.param("other", [{"uid": "u", "controller": True}], False, id="another-namespace"),
        pytest.param("ns", [], False, id="nobody"),
    ],
)
def test_whom_a_claim_was_made_for(namespace, owners, fine):
    claim: Any = {"metadata": {"name": "c", "namespace": namespace, "ownerReferences": owners}}
    why = f"ResourceClaim {namespace}/c was not created for pod ns/p (pod is not owner)"
    assert owner_fault(pod(), claim) == (None if fine else why)


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        pytest.param({"operator": "Exists"}, True, id="everything"),
        pytest.param({"key": "k", "operator": "Exists"}, True, id="key"),
        pytest.param({"key": "other", "operator": "Exists"}, False, id="other-key"),
        pytest.param({"key": "k", "operator": "Equal", "value": "v"}, True, id="value"),
        pytest.param({"key": "k", "value": "v"}, True, id="equal-is-meant"),
        pytest.param({"key": "k", "value": "w"}, False, id="other-value"),
        pytest.param({"operator": "Exists", "effect": "NoSchedule"}, True, id="effect"),
        pytest.param({"operator": "Exists", "effect": "NoExecute"}, False, id="other-effect"),
        pytest.param({"operator": "Odd"}, False, id="unknown-operator"),
    ],
)
def test_tolerations_of_devices(toleration, expected):
    assert tolerates(toleration, {"key": "k", "value": "v", "effect": "NoSchedule"}) is expected
