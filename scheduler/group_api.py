"""The edge for pod groups: tells in their status what was decided.

A verdict is written at once if it says something new; while one write is under way the latest verdict waits
for it. A group that has had its places keeps PodGroupScheduled=True, whatever becomes of further pods.
Source: pkg/scheduler/schedule_one_podgroup.go updatePodGroupCondition (1.36).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from api.errors import NotFound, StatusError
from api.resource import Key
from api.types.scheduling_v1alpha2 import PODGROUPS, PodGroup
from client.api import Client
from client.events import Recorder
from client.transport import Unreachable
from kit import clock, log, rand
from kit.metrics import REGISTRY
from kit.tasks import Tasks
from scheduler.cluster import DEFAULT_SCHEDULER, Cluster
from scheduler.gang import GroupOutcome, Verdict, new_condition

_PAUSE_S = 1.0
_log = log.get("scheduler.group_api")
_attempts = REGISTRY.counter(
    "scheduler_podgroup_schedule_attempts_total",
    "Attempts to schedule pod groups, by result.",
    ("result", "profile"),
)
_duration = REGISTRY.histogram(
    "scheduler_podgroup_scheduling_algorithm_duration_seconds", "Time to decide about one pod group."
)


@dataclass(frozen=True)
class _News:
    """What to tell of the group of this uid, and which scheduler says it."""

    uid: str
    verdict: Verdict
    reporter: str


def _of_both(before: _News | None, news: _News) -> _News:
    """Return what to tell when news come while others wait: that a group has its places is not skipped."""
    if before is not None and before.uid == news.uid and before.verdict.is_scheduled:
        return before
    return news


class GroupTeller:
    """Tells users of groups: the condition and, when that says something new, an Event."""

    def __init__(
        self, client: Client, cluster: Cluster, recorder_of: Callable[[str], Recorder], tasks: Tasks
    ) -> None:
        self._client = client
        self._cluster = cluster
        # By the scheduler that pods name.
        self._recorder_of = recorder_of
        self._tasks = tasks
        # What is not written yet of each group; groups being written.
        self._latest: dict[Key, _News] = {}
        self._writing: set[Key] = set()

    def tell(self, outcome: GroupOutcome, seconds: float) -> None:
        """Tell what was decided of a group, soon. Of several verdicts that wait the latest is told; `seconds`
        is how long the decision took.
        """
        reporter = outcome.pods[0][0].pod["spec"].get("schedulerName") or DEFAULT_SCHEDULER
        _attempts.add((outcome.verdict.result, reporter))
        _duration.observe(seconds)
        key, group = outcome.key, self._cluster.groups.get(outcome.key)
        if group is None:
            return
        news = _News(group["metadata"]["uid"], outcome.verdict, reporter)
        self._latest[key] = _of_both(self._latest.get(key), news)
        if key not in self._writing:
            self._writing.add(key)
            self._tasks.spawn(self._write(key), f"status of pod group {key}")

    async def _write(self, key: Key) -> None:
        try:
            while key in self._latest:
                news = self._latest.pop(key)
                if not await self._write_one(key, news):
                    self._latest[key] = _of_both(news, self._latest.get(key, news))
                    await clock.sleep(rand.jitter(_PAUSE_S))
        finally:
            self._writing.discard(key)

    async def _write_one(self, key: Key, news: _News) -> bool:
        """Write a verdict, if it says something new; return whether that is settled: False, try again."""
        group = self._cluster.groups.get(key)
        if group is None or group["metadata"]["uid"] != news.uid:
            return True
        condition = new_condition(group, news.verdict, clock.now())
        if condition is None:
            return True
        body = {"metadata": {"uid": group["metadata"]["uid"]}, "status": {"conditions": [condition]}}
        try:
            answer: Any = await self._client.patch(
                PODGROUPS, key.name, key.namespace, body, kind="strategic", subresource="status"
            )
        except Unreachable:
            return False
        except StatusError as error:
            if error.code < 500 and error.code != 429:
                if not isinstance(error, NotFound):
                    _log.warning("status of a pod group not written", group=str(key), error=error.message)
                return True
            return False
        self._cluster.objects.assume(PODGROUPS, answer)
        self._announce(group, news.verdict, news.reporter)
        return True

    def _announce(self, group: PodGroup, verdict: Verdict, reporter: str) -> None:
        metadata = group["metadata"]
        about = {
            "apiVersion": PODGROUPS.group_version,
            "kind": PODGROUPS.kind,
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        }
        kind, reason = ("Normal", "Scheduled") if verdict.is_scheduled else ("Warning", "FailedScheduling")
        text = verdict.message or "Enough pods of the group have places"
        self._recorder_of(reporter).event(about, kind, reason, text)
