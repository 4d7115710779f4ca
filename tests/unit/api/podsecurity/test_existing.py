"""Pods that are there when a level is raised, and updates that cannot matter."""

import pytest

from api.podsecurity.evaluate import violations
from api.podsecurity.existing import Findings, is_significant, prioritized
from api.podsecurity.level import Standard


def pod(name: str, owner: str = "", **spec) -> dict:
    references = [{"uid": owner, "controller": True}] if owner else []
    return {
        "metadata": {"name": name, "ownerReferences": references},
        "spec": {"containers": [{"name": "c", "image": "x"}], **spec},
    }


def test_one_pod_of_each_controller_comes_first() -> None:
    pods = [
        pod("a1", "a"),
        pod("a2", "a"),
        pod("x", runtimeClassName="kata"),
        pod("b1", "b"),
        pod("c"),
        pod("d"),
    ]
    assert [item["metadata"]["name"] for item in prioritized(pods, {"kata"})] == ["a1", "b1", "c", "d", "a2"]


def test_pods_with_the_same_reasons_are_told_together() -> None:
    findings, standard = Findings(), Standard("baseline", 30)
    pods = [
        pod("z", hostPID=True),
        pod("y", hostNetwork=True),
        pod("m"),
        pod("x", hostPID=True, securityContext={"sysctls": [{"name": "q"}]}),
    ]
    pods += [pod("b", hostIPC=True)]
    for item in pods:
        findings.add(item, violations(standard, item))
    assert findings.warnings("ns", standard, 5, 7) == [
        "new PodSecurity enforce level only checked against the first 5 of 7 existing pods",
        'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:v1.30"',
        "b (and 2 other pods): host namespaces",
        "x: host namespaces, forbidden sysctls",
    ]


def test_nothing_to_tell() -> None:
    assert Findings().warnings("ns", Standard("baseline"), 2, 2) == []


NOTE = "container.seccomp.security.alpha.kubernetes.io/c"


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        pytest.param(pod("p", nodeName="n"), pod("p"), False, id="another-field"),
        pytest.param(pod("p", containers=[{"name": "c", "image": "y"}]), pod("p"), True, id="image"),
        pytest.param(pod("p", initContainers=[{"name": "i"}]), pod("p"), True, id="init-container"),
        pytest.param(
            pod("p", ephemeralContainers=[{"name": "e", "image": "x"}]),
            pod("p"),
            True,
            id="ephemeral-container",
        ),
        pytest.param(
            pod("p", ephemeralContainers=[{"name": "e", "image": "x"}]),
            pod("p", ephemeralContainers=[{"name": "e", "image": "x"}]),
            False,
            id="the-same-ephemeral-container",
        ),
        pytest.param(
            {**pod("p"), "metadata": {"annotations": {NOTE: "unconfined"}}},
            pod("p"),
            True,
            id="seccomp-annotation",
        ),
    ],
)
def test_significant_updates(new: dict, old: dict, expected: bool) -> None:
    assert is_significant(new, old) is expected
