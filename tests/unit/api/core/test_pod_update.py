"""What may change in a pod, by subresource."""

from typing import Any

import pytest

from api.codec.shapes import copy
from api.core import pod as rules
from api.resource import Obj
from tests.unit.api.kinds_sample import full_pod, texts

OTHER = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"


def stored(**spec: Any) -> Obj:
    pod = full_pod(serviceAccountName="default", **spec)
    pod["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    return pod


def changed(pod: Obj, **spec: Any) -> Obj:
    new = copy(pod)
    new["spec"].update(spec)
    return new


@pytest.mark.parametrize(
    ("before", "after", "starts"),
    [
        pytest.param({}, {}, None, id="nothing"),
        pytest.param({}, {"containers": [{"name": "web", "image": "nginx:2"}]}, None, id="image"),
        pytest.param({}, {"hostname": "x"}, OTHER, id="hostname"),
        pytest.param({}, {"activeDeadlineSeconds": 5}, None, id="deadline-set"),
        pytest.param(
            {"activeDeadlineSeconds": 5},
            {"activeDeadlineSeconds": 6},
            "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value",
            id="deadline-raised",
        ),
        pytest.param({}, {"tolerations": [{"key": "a", "operator": "Exists"}]}, None, id="toleration-added"),
        pytest.param(
            {"tolerations": [{"key": "a", "operator": "Exists"}]},
            {"tolerations": []},
            "spec.tolerations: Forbidden: existing toleration can not be modified except its "
            "tolerationSeconds",
            id="toleration-removed",
        ),
        pytest.param(
            {"terminationGracePeriodSeconds": -1},
            {"terminationGracePeriodSeconds": 1},
            None,
            id="negative-grace",
        ),
        pytest.param({}, {"terminationGracePeriodSeconds": 1}, OTHER, id="grace"),
        pytest.param(
            {},
            {"containers": []},
            "spec.containers: Required value",
            id="no-containers",
        ),
        pytest.param({"schedulingGates": [{"name": "a"}]}, {"schedulingGates": []}, None, id="gate-opened"),
        pytest.param(
            {"schedulingGates": [{"name": "a"}]},
            {"nodeSelector": {"disk": "ssd"}},
            None,
            id="gated-selector-narrowed",
        ),
        pytest.param(
            {},
            {"schedulingGates": [{"name": "b"}]},
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling "
            "gate 'b'",
            id="gate-added",
        ),
    ],
)
def test_update(before, after, starts):
    old = stored(**before)
    new = rules.defaults(changed(old, **after))
    errors = texts(rules.validate_update(new, old))
    assert (not errors) if starts is None else errors[0].startswith(starts)


def test_a_refused_update_says_what_changed():
    old = stored()
    errors = texts(rules.validate_update(changed(old, hostname="x"), old))
    assert "spec.hostname: None -> 'x'" in errors[0]


def limits(cpu: str, **more: str) -> list[Obj]:
    return [
        {"name": "web", "image": "nginx:1", "resources": {"limits": {"cpu": cpu, "memory": "1Gi", **more}}}
    ]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(limits("2"), [], id="cpu"),
        pytest.param(
            limits("1", **{"ephemeral-storage": "1Gi"}),
            ["spec: Forbidden: only cpu and memory resources are mutable"],
            id="storage",
        ),
        pytest.param(
            [{**limits("1")[0], "image": "other"}],
            ["spec: Forbidden: only cpu and memory resources are mutable"],
            id="image",
        ),
        pytest.param(
            [{**limits("1")[0], "name": "renamed"}],
            ["spec.containers: Forbidden: containers may not be renamed or reordered on resize"],
            id="renamed",
        ),
    ],
)
def test_resize(after, expected):
    old = stored(containers=limits("1"))
    new = rules.defaults(changed(old, containers=after))
    assert texts(rules.validate_resize_update(new, old)) == expected


def test_resize_keeps_the_qos_class_and_removes_nothing():
    old = stored(containers=limits("1"))
    new = changed(old)
    new["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1", "memory": "1Gi"}}
    assert texts(rules.validate_resize_update(new, old)) == [
        'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
        "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
    ]


def test_ephemeral_containers_are_only_added():
    debugger = {"name": "d", "image": "busybox:1"}
    old = stored()
    added = rules.defaults(changed(old, ephemeralContainers=[debugger]))
    assert rules.validate_ephemeralcontainers_update(added, old) == []
    errors = texts(rules.validate_ephemeralcontainers_update(old, added))
    assert errors[0].startswith("spec.ephemeralContainers: Forbidden: existing ephemeral containers")


@pytest.mark.parametrize(
    ("restart", "exit_code", "fine"),
    [
        pytest.param("Always", 0, True, id="always"),
        pytest.param("OnFailure", 1, True, id="failed-may-restart"),
        pytest.param("OnFailure", 0, False, id="done-is-done"),
        pytest.param("Never", 1, False, id="never"),
    ],
)
def test_container_states_do_not_go_back(restart, exit_code, fine):
    old = stored(restartPolicy=restart)
    old["status"] = {"containerStatuses": [{"name": "web", "state": {"terminated": {"exitCode": exit_code}}}]}
    new = {**old, "status": {"containerStatuses": [{"name": "web", "state": {"running": {}}}]}}
    assert (rules.validate_status_update(new, old) == []) is fine


def test_a_spec_from_before_a_rule_keeps_no_label_from_being_set():
    old = stored(restartPolicy="Sometimes")
    new = copy(old)
    new["metadata"]["labels"] = {"a": "b"}
    assert rules.validate_update(new, old) == []
    [unchanged_policy, *_] = texts(rules.validate_update(changed(old, activeDeadlineSeconds=5), old))
    assert unchanged_policy.startswith('spec.restartPolicy: Unsupported value: "Sometimes"')


def test_the_deletion_cost_is_checked_though_the_spec_is_as_it_was():
    old = stored()
    new = copy(old)
    new["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": "much"}
    [fault] = texts(rules.validate_update(new, old))
    assert fault.endswith('Invalid value: "much": must be a 32bit integer')
