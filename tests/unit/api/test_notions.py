"""Times, IntOrString, owners, conditions and taints."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from api import conditions, intstr, owners, taints, times
from api.types.apps_v1 import REPLICASETS
from api.types.core_v1 import Taint

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2026-01-02T03:04:05Z", NOW.replace(microsecond=0), id="seconds"),
        pytest.param("2026-01-02T03:04:05.678901Z", NOW, id="microseconds"),
        pytest.param("2026-01-02T03:04:05.678901999Z", NOW, id="nanoseconds are cut"),
        pytest.param("2026-01-02T05:04:05.678901+02:00", NOW, id="offset"),
    ],
)
def test_times_are_read(text, moment):
    assert times.parse_time(text) == moment


@pytest.mark.parametrize("text", ["", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05", "x"])
def test_other_texts_are_no_times(text):
    with pytest.raises(ValueError, match="parsing time"):
        times.parse_time(text)


def test_times_are_written_in_utc():
    local = NOW.astimezone(timezone(timedelta(hours=5)))
    assert times.format_time(local) == "2026-01-02T03:04:05Z"
    assert times.format_micro(local) == "2026-01-02T03:04:05.678901Z"


@pytest.mark.parametrize(
    ("value", "total", "round_up", "expected"),
    [
        pytest.param(3, 10, True, 3, id="number"),
        pytest.param("25%", 10, True, 3, id="up"),
        pytest.param("25%", 10, False, 2, id="down"),
        pytest.param("100%", 7, True, 7, id="all"),
        pytest.param("0%", 7, True, 0, id="none"),
    ],
)
def test_scaled(value, total, round_up, expected):
    assert intstr.scaled(value, total, round_up) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("5", "invalid type: string is not a percentage", id="no percent sign"),
        pytest.param("a%", 'invalid value "a%"', id="no number"),
    ],
)
def test_no_percentages(text, message):
    with pytest.raises(ValueError, match=message):
        intstr.scaled(text, 10, True)


def test_owners():
    rs = {"metadata": {"name": "web", "uid": "u1"}}
    pod = {"metadata": {"ownerReferences": [{"uid": "x"}, owners.new_controller_ref(rs, REPLICASETS)]}}
    assert owners.controller_of(pod) == {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web",
        "uid": "u1",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert owners.is_controlled_by(pod, rs)
    assert not owners.is_controlled_by(pod, {"metadata": {"uid": "x"}})
    assert owners.controller_of({"metadata": {}}) is None


def test_conditions_keep_the_moment_of_the_last_transition():
    old = [{"type": "A", "status": "True"}, {"type": "Ready", "status": "True", "lastTransitionTime": "then"}]
    same = conditions.set_condition(old, {"type": "Ready", "status": "True", "reason": "R"}, NOW)
    assert same[1] == {"type": "Ready", "status": "True", "reason": "R", "lastTransitionTime": "then"}
    changed = conditions.set_condition(old, {"type": "Ready", "status": "False"}, NOW)
    assert changed[1] == {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    added = conditions.set_condition(None, {"type": "B", "status": "True"}, NOW)
    assert [item["type"] for item in added] == ["B"]
    assert old[1]["lastTransitionTime"] == "then"
    assert conditions.is_true(old, "Ready")
    assert not conditions.is_true(None, "Ready")
    assert conditions.remove_condition(old, "A") == old[1:]


TAINT: Taint = {"key": "k", "value": "v", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        pytest.param({"key": "k", "value": "v", "effect": "NoExecute"}, True, id="equal"),
        pytest.param({"key": "k", "operator": "Equal", "value": "w"}, False, id="another value"),
        pytest.param({"key": "k", "operator": "Exists"}, True, id="exists, any effect"),
        pytest.param({"operator": "Exists"}, True, id="everything"),
        pytest.param({"key": "k", "operator": "Exists", "effect": "NoSchedule"}, False, id="another effect"),
        pytest.param({"key": "x", "operator": "Exists"}, False, id="another key"),
    ],
)
def test_tolerations(toleration, expected):
    assert taints.tolerates([toleration], TAINT) is expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        pytest.param("Gt", "5", True, id="greater"),
        pytest.param("Gt", "10", False, id="not greater"),
        pytest.param("Lt", "20", True, id="less"),
        pytest.param("Lt", "x", False, id="no number"),
    ],
)
def test_numeric_tolerations(operator, value, expected):
    taint: Taint = {"key": "k", "value": "10", "effect": "NoSchedule"}
    assert taints.tolerates([{"key": "k", "operator": operator, "value": value}], taint) is expected


def test_the_first_untolerated_taint():
    listed: list[Taint] = [
        {"key": "a", "effect": "PreferNoSchedule"},
        TAINT,
        {"key": "b", "effect": "NoSchedule"},
    ]
    assert taints.untolerated(listed, [], ("NoSchedule", "NoExecute")) == TAINT
    assert taints.untolerated(listed, [{"operator": "Exists"}], ("NoSchedule",)) is None
    assert taints.untolerated(None, None, ("NoSchedule",)) is None
