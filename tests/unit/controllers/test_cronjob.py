"""Schedules, and the jobs that they make."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.batch.schedule import parse_schedule
from api.resource import Key
from api.types.batch_v1 import CRONJOBS, JOBS
from controllers.cronjob.plan import cronjob
from tests.sim.world import World

KEY = Key("default", "tick")


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        pytest.param("*/1 * * * ?", "2026-01-01 00:00:30", "2026-01-01 00:01", id="every-minute"),
        pytest.param("*/15 * * * *", "2026-01-01 00:15:00", "2026-01-01 00:30", id="strictly-after"),
        pytest.param(
            "30 4 1,15 * fri", "2026-01-03 00:00:00", "2026-01-09 04:30", id="day-of-month-or-of-week"
        ),
        pytest.param("0 0 29 2 *", "2026-03-01 00:00:00", "2028-02-29 00:00", id="leap-day"),
        pytest.param("@hourly", "2026-12-31 23:59:59", "2027-01-01 00:00", id="word"),
        pytest.param("0 9-17/4 * jan-mar *", "2026-01-01 10:00:00", "2026-01-01 13:00", id="range-with-step"),
        pytest.param("5/20 * * * *", "2026-01-01 00:30:00", "2026-01-01 00:45", id="step-from"),
        pytest.param("0,,30 * * * *", "2026-01-01 00:10:00", "2026-01-01 00:30", id="nothing-between-commas"),
        pytest.param(
            "0 0 */9 * fri",
            "2026-01-03 00:00:00",
            "2026-01-09 00:00",
            id="a-star-with-a-step-restricts",
        ),
        pytest.param("0 0 */10 * fri", "2026-01-09 00:00:00", "2026-01-11 00:00", id="either-day"),
        pytest.param("@every 90m", "2026-01-01 00:30:10.5", "2026-01-01 02:00:10", id="every"),
        pytest.param("CRON_TZ=Europe/Berlin 0 12 * * *", "2026-07-01", "2026-07-01 10:00", id="zone"),
    ],
)
def test_next(text: str, after: str, expected: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert parse_schedule(text).after(moment) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_time_zone() -> None:
    moment = datetime(2026, 7, 1, tzinfo=UTC)
    assert parse_schedule("0 12 * * *", "Europe/Berlin").after(moment) == datetime(2026, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["* * * *", "60 * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *"])
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_schedule(text)


def test_never() -> None:
    assert parse_schedule("0 0 30 2 *").after(datetime(2026, 1, 1, tzinfo=UTC)) is None


def new_cron(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": {}}}}
    base = {"schedule": "* * * * *", "jobTemplate": template}
    return {"metadata": {"name": "tick", "namespace": "default"}, "spec": {**base, **spec}}


def finish(world: World, name: str, kind: str = "Complete") -> None:
    condition = {"type": kind, "status": "True"}
    status = {"conditions": [condition], "completionTime": "2026-01-01T00:01:30Z"}
    world.change(JOBS, Key("default", name), {"status": status})


def names(world: World) -> list[str]:
    return [key.name for key in world.table(JOBS).objects]


def test_a_job_every_hour_and_a_half() -> None:
    world = World(cronjob)
    world.put(CRONJOBS, new_cron(schedule="@every 90m"))
    assert world.reconcile(cronjob, KEY).requeue_after == pytest.approx(5400.1)
    world.pass_time(3600)
    assert world.reconcile(cronjob, KEY).requeue_after == pytest.approx(1800.1)
    world.pass_time(1801)
    world.settle()
    assert len(names(world)) == 1


def test_a_job_per_minute() -> None:
    world = World(cronjob)
    world.put(CRONJOBS, new_cron())
    assert world.reconcile(cronjob, KEY).requeue_after == pytest.approx(60.1)
    assert names(world) == []
    world.pass_time(61)
    world.settle()
    assert names(world) == ["tick-29453761"]
    status = world.table(CRONJOBS).objects[KEY]["status"]
    assert status["lastScheduleTime"] == "2026-01-01T00:01:00Z"
    assert [ref["name"] for ref in status["active"]] == ["tick-29453761"]
    finish(world, "tick-29453761")
    world.settle()
    status = world.table(CRONJOBS).objects[KEY]["status"]
    assert "active" not in status
    assert status["lastSuccessfulTime"] == "2026-01-01T00:01:30Z"


@pytest.mark.parametrize(("policy", "count"), [("Allow", 2), ("Forbid", 1), ("Replace", 1)])
def test_policies(policy: str, count: int) -> None:
    world = World(cronjob)
    world.put(CRONJOBS, new_cron(concurrencyPolicy=policy))
    for _ in range(2):
        world.pass_time(61)
        world.run(cronjob)
        world.run(cronjob)
    assert len(names(world)) == count


def test_suspended_and_late() -> None:
    world = World(cronjob)
    world.put(CRONJOBS, new_cron(suspend=True))
    world.pass_time(120)
    world.settle()
    assert names(world) == []
    world.pass_time(3 * 24 * 3600)
    world.change(CRONJOBS, KEY, {"spec": {"suspend": False}})
    world.settle()
    assert len(names(world)) == 1


def test_a_deadline_for_starting() -> None:
    world = World(cronjob)
    world.put(CRONJOBS, new_cron(schedule="0 * * * *", startingDeadlineSeconds=30))
    world.pass_time(3600 + 60)
    world.settle()
    assert names(world) == []


def test_history_is_kept_short() -> None:
    world = World(cronjob)
    world.put(CRONJOBS, new_cron(successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0))
    for number in range(3):
        world.pass_time(60)
        world.run(cronjob)
        finish(world, names(world)[-1], "Failed" if number == 1 else "Complete")
    world.settle()
    assert len(names(world)) == 1


def test_an_unreadable_schedule_is_reported() -> None:
    world = World(cronjob)
    world.put(CRONJOBS, new_cron(schedule="no"))
    world.settle()
    assert {record.reason for record in world.records} == {"UnparseableSchedule"}
