"""Which pod comes next. A pure structure: time is passed in.

              add --> active --pop--> (being scheduled) --bound--> forgotten ^                   | |
              unschedulable --event that may help--> backoff (1 s doubling to 10 s) --due--> active
              +------------------ 5 minutes at the latest

Order: priority, then the time of arrival. Gated pods wait until their gates are gone.
Source: pkg/scheduler/backend/queue/scheduling_queue.go (1.36).
"""

import heapq
from dataclasses import dataclass

from api.types.core_v1 import Pod

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 10.0
LONGEST_WAIT_S = 300.0


@dataclass
class Entry:
    """One pod that waits. `plugins` refused it last."""

    uid: str
    pod: Pod
    arrived: float
    attempts: int = 0
    plugins: frozenset[str] = frozenset()
    since: float = 0.0
    # active, backoff, unschedulable, gated or popped
    where: str = "active"
    # Something that may help has happened while it was being scheduled.
    stirred: bool = False


class SchedulingQueue:
    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._active: list[tuple[int, float, int, str]] = []
        self._backoff: list[tuple[float, int, str]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._entries)

    def counts(self) -> dict[str, int]:
        """Return how many pods wait where."""
        found: dict[str, int] = {}
        for entry in self._entries.values():
            found[entry.where] = found.get(entry.where, 0) + 1
        return found

    def put(self, pod: Pod, now: float) -> None:
        """Take in a pod that has no node, new or changed."""
        uid = pod["metadata"]["uid"]
        entry = self._entries.get(uid)
        gated = bool(pod["spec"].get("schedulingGates"))
        if entry is None:
            entry = self._entries[uid] = Entry(uid, pod, now)
            self._place(entry, gated)
            return
        changed = entry.pod["spec"] != pod["spec"] or _labels(entry.pod) != _labels(pod)
        entry.pod = pod
        if entry.where == "gated" and not gated:
            self._place(entry, False)
        elif changed:
            self._stir(entry, now)

    def _place(self, entry: Entry, gated: bool) -> None:
        if gated:
            entry.where = "gated"
        else:
            self._activate(entry)

    def remove(self, uid: str) -> None:
        """Forget a pod: bound, or deleted."""
        self._entries.pop(uid, None)

    def pop(self, now: float) -> Entry | None:
        """Return the next pod to schedule, None if none is due."""
        self._wake_due(now)
        while self._active:
            _, _, _, uid = heapq.heappop(self._active)
            entry = self._entries.get(uid)
            if entry is not None and entry.where == "active":
                entry.where, entry.stirred = "popped", False
                entry.attempts += 1
                return entry
        return None

    def park(self, uid: str, plugins: frozenset[str], now: float) -> None:
        """No node would do: wait for an event that may help one of the plugins that refused."""
        entry = self._entries.get(uid)
        if entry is None or entry.where != "popped":
            return
        entry.plugins, entry.since, entry.where = plugins, now, "unschedulable"
        if entry.stirred:
            self._back_off(entry, now)

    def retry(self, uid: str, now: float) -> None:
        """Placing went wrong for a reason that is not the pod's: try again after its back-off."""
        entry = self._entries.get(uid)
        if entry is not None and entry.where == "popped":
            self._back_off(entry, now)

    def stir(self, plugins: frozenset[str], now: float) -> None:
        """Something has happened that may help pods which these plugins refused."""
        for entry in self._entries.values():
            if entry.where == "popped" or (entry.where == "unschedulable" and entry.plugins & plugins):
                self._stir(entry, now)

    def next_due(self) -> float | None:
        """Return when `pop` may have something more, if nothing happens before."""
        return self._backoff[0][0] if self._backoff else None

    def flush(self, now: float) -> None:
        """Give pods that have waited too long another try, whatever has happened."""
        for entry in self._entries.values():
            if entry.where == "unschedulable" and now - entry.since >= LONGEST_WAIT_S:
                self._back_off(entry, now)

    def _stir(self, entry: Entry, now: float) -> None:
        if entry.where == "popped":
            entry.stirred = True
        elif entry.where == "unschedulable":
            self._back_off(entry, now)

    def _back_off(self, entry: Entry, now: float) -> None:
        """The back-off counts from the last attempt: a pod that has waited it out is active at once."""
        delay = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** max(0, entry.attempts - 1))
        due = (entry.since or now) + delay
        entry.since = 0.0
        if due <= now:
            self._activate(entry)
            return
        entry.where = "backoff"
        self._serial += 1
        heapq.heappush(self._backoff, (due, self._serial, entry.uid))

    def _activate(self, entry: Entry) -> None:
        entry.where = "active"
        self._serial += 1
        priority = entry.pod["spec"].get("priority") or 0
        heapq.heappush(self._active, (-priority, entry.arrived, self._serial, entry.uid))

    def _wake_due(self, now: float) -> None:
        while self._backoff and self._backoff[0][0] <= now:
            _, _, uid = heapq.heappop(self._backoff)
            entry = self._entries.get(uid)
            if entry is not None and entry.where == "backoff":
                self._activate(entry)


def _labels(pod: Pod) -> object:
    return pod["metadata"].get("labels")
