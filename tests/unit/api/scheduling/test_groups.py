"""PodGroups, Workloads and the group that a pod names: what is refused, in which words."""

from typing import Any

import pytest

from api.core.pod import validate as validate_pod
from api.core.pod import validate_update as validate_pod_update
from api.kinds import kind_of
from api.resource import Obj
from api.scheduling.policy import without_other_features
from api.types.scheduling_v1alpha2 import PODGROUPS, WORKLOADS
from tests.unit.api.kinds_sample import full_pod, texts

GANG = {"gang": {"minCount": 2}}
POLICY = "spec.schedulingPolicy"
TEMPLATE = "spec.podGroupTemplates[0]"
SUBDOMAIN = "a lowercase RFC 1123 subdomain must consist of"


def group(**spec: Any) -> Obj:
    return {
        "metadata": {"name": "g", "namespace": "d", "resourceVersion": "1"},
        "spec": {"schedulingPolicy": GANG, **spec},
    }


def workload(*templates: Obj, **spec: Any) -> Obj:
    return {**group(), "spec": {"podGroupTemplates": list(templates), **spec}}


def template(name: str = "t", **policy: Any) -> Obj:
    return {"name": name, "schedulingPolicy": policy or GANG}


def reference(**workload: Any) -> Obj:
    return {"workload": {"workloadName": "w", "podGroupTemplateName": "t", **workload}}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(group(), [], id="gang"),
        pytest.param(group(schedulingPolicy={"basic": {}}), [], id="basic"),
        pytest.param(group(podGroupTemplateRef=reference()), [], id="with-a-template"),
        pytest.param(
            group(schedulingPolicy={}),
            [f'{POLICY}: Invalid value: "": must specify one of: `basic`, `gang`'],
            id="no-policy",
        ),
        pytest.param(
            group(schedulingPolicy={"basic": {}, **GANG}),
            [f'{POLICY}: Invalid value: "{{basic, gang}}": must specify exactly one of: `basic`, `gang`'],
            id="two-policies",
        ),
        pytest.param(
            group(schedulingPolicy={"gang": {}}), [f"{POLICY}.gang.minCount: Required value"], id="no-count"
        ),
        pytest.param(
            group(schedulingPolicy={"gang": {"minCount": 0}}),
            [f"{POLICY}.gang.minCount: Required value"],
            id="count-of-zero",
        ),
        pytest.param(
            group(schedulingPolicy={"gang": {"minCount": -1}}),
            [f"{POLICY}.gang.minCount: Invalid value: -1: must be greater than or equal to 1"],
            id="negative-count",
        ),
        pytest.param(
            group(podGroupTemplateRef={}),
            ['spec.podGroupTemplateRef: Invalid value: "": must specify one of: `workload`'],
            id="reference-to-nothing",
        ),
        pytest.param(
            group(podGroupTemplateRef=reference(workloadName="", podGroupTemplateName="a.b")),
            [
                "spec.podGroupTemplateRef.workload.workloadName: Required value",
                'spec.podGroupTemplateRef.workload.podGroupTemplateName: Invalid value: "a.b": '
                "must not contain dots",
            ],
            id="reference-with-bad-names",
        ),
    ],
)
def test_pod_groups(obj: Obj, expected: list[str]) -> None:
    assert texts(kind_of(PODGROUPS).validate(obj)) == expected


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(workload(template(), template("u", basic={})), [], id="two-templates"),
        pytest.param(
            workload(template(), controllerRef={"apiGroup": "batch", "kind": "Job", "name": "j"}),
            [],
            id="with-its-controller",
        ),
        pytest.param(workload(), ["spec.podGroupTemplates: Required value"], id="no-template"),
        pytest.param(
            workload(*(template(f"t{number}") for number in range(9))),
            ["spec.podGroupTemplates: Too many: 9: must have at most 8 items"],
            id="too-many",
        ),
        pytest.param(workload(template("")), [f"{TEMPLATE}.name: Required value"], id="nameless"),
        pytest.param(
            workload(template("a.b")),
            [f'{TEMPLATE}.name: Invalid value: "a.b": must not contain dots'],
            id="name-with-dots",
        ),
        pytest.param(
            workload(template(), template()),
            [
                'spec.podGroupTemplates[1]: Duplicate value: {"name":"t","schedulingPolicy":'
                '{"gang":{"minCount":2}}}'
            ],
            id="same-name-twice",
        ),
        pytest.param(
            workload({"name": "t"}),
            [f'{TEMPLATE}.schedulingPolicy: Invalid value: "": must specify one of: `basic`, `gang`'],
            id="no-policy",
        ),
        pytest.param(
            workload(template(), controllerRef={"apiGroup": "A_B", "kind": "a/b"}),
            [
                f'spec.controllerRef.apiGroup: Invalid value: "A_B": {SUBDOMAIN}',
                "spec.controllerRef.kind: Invalid value: \"a/b\": may not contain '/'",
                "spec.controllerRef.name: Required value",
            ],
            id="odd-controller",
        ),
    ],
)
def test_workloads(obj: Obj, expected: list[str]) -> None:
    found = texts(kind_of(WORKLOADS).validate(obj))
    assert len(found) == len(expected)
    assert all(one.startswith(other) for one, other in zip(found, expected, strict=True))


def test_specs_stay_as_they_are() -> None:
    rules, other = kind_of(PODGROUPS), group(schedulingPolicy={"basic": {}}, podGroupTemplateRef=reference())
    assert rules.validate_update(group(), group()) == []
    found = texts(rules.validate_update(other, group()))
    assert [text.partition(":")[0] for text in found] == ["spec.podGroupTemplateRef", POLICY]
    assert all(text.endswith("field is immutable") for text in found)
    rules = kind_of(WORKLOADS)
    found = texts(rules.validate_update(workload(template("u")), workload(template())))
    assert [text.partition(":")[0] for text in found] == ["spec.podGroupTemplates"]


def test_conditions_are_checked() -> None:
    condition = {"type": "PodGroupScheduled", "status": "Maybe", "reason": "Scheduled"}
    new = {**group(), "status": {"conditions": [condition]}}
    found = texts(kind_of(PODGROUPS).validate_status(new, group()))
    assert [text.partition(":")[0] for text in found] == [
        "status.conditions[0].status",
        "status.conditions[0].lastTransitionTime",
    ]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        pytest.param({"podGroupName": "g.h"}, [], id="subdomain"),
        pytest.param(
            {}, ['spec.schedulingGroup: Invalid value: "": must specify one of: `podGroupName`'], id="none"
        ),
        pytest.param(
            {"podGroupName": "A"},
            [f'spec.schedulingGroup.podGroupName: Invalid value: "A": {SUBDOMAIN}'],
            id="no-name",
        ),
    ],
)
def test_groups_of_pods(named: Obj, expected: list[str]) -> None:
    found = texts(validate_pod(full_pod(schedulingGroup=named)))
    assert len(found) == len(expected)
    assert all(one.startswith(other) for one, other in zip(found, expected, strict=True))


def test_a_pod_stays_in_its_group() -> None:
    old = full_pod(schedulingGroup={"podGroupName": "g"})
    old["metadata"]["resourceVersion"] = "1"
    for changed in ({"podGroupName": "h"}, None):
        spec = {name: value for name, value in old["spec"].items() if name != "schedulingGroup"}
        new = {**old, "spec": {**spec, "schedulingGroup": changed} if changed else spec}
        found = texts(validate_pod_update(new, old))
        assert len(found) == 1
        assert found[0].startswith("spec: Forbidden: pod updates may not change fields other than")


def test_fields_of_other_features_are_dropped() -> None:
    spec = {"schedulingPolicy": GANG, "priority": 1, "disruptionMode": "Pod", "resourceClaims": []}
    assert without_other_features(spec) == {"schedulingPolicy": GANG}
    plain = {"schedulingPolicy": GANG}
    assert without_other_features(plain) is plain
