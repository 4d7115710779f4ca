"""Which pod comes next. A pure structure: time is passed in.

    add -> active --pop--> popped --bound or deleted--> forgotten
             ^  ^             |
             |  |             +--no node would do--> unschedulable --event that may help--+
             |  |             |                          |                                |
             |  |             |                          +--5 minutes at the latest-------+
             |  |             |                                                           |
             |  |             +--binding failed---------------------------------------+   |
             |  +--due-- backoff (1 s after the attempt, doubling to 10 s) <----------+---+
             +--gates gone-- gated

Order: priority, then the time of arrival.
Source: pkg/scheduler/backend/queue/scheduling_queue.go (1.36).
"""

import heapq
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from api.types.core_v1 import Pod

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 10.0
LONGEST_WAIT_S = 300.0
# Pods that no plugin refused (there were no nodes) may be helped by anything.
_ANY = frozenset(("",))


@dataclass
class Entry:
    """One pod that waits. `plugins` refused it last, at the time `tried`."""

    uid: str
    pod: Pod
    arrived: float
    attempts: int = 0
    tried: float = 0.0
    plugins: frozenset[str] = frozenset()
    # active, backoff, unschedulable, gated or popped
    where: str = "active"
    # The serial of its one valid place in a heap.
    serial: int = 0


class SchedulingQueue:
    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._active: list[tuple[int, float, int, str]] = []
        self._backoff: list[tuple[float, int, str]] = []
        # Pods that no node would take, by each plugin that refused them.
        self._parked: dict[str, dict[str, Entry]] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, uid: str) -> bool:
        return uid in self._entries

    def counts(self) -> dict[str, int]:
        """Return how many pods wait where."""
        found: dict[str, int] = {}
        for entry in self._entries.values():
            found[entry.where] = found.get(entry.where, 0) + 1
        return found

    def put(self, pod: Pod, now: float, gated: bool = False) -> None:
        """Take in a pod that has no node, new or changed; `gated` ones are not tried until that ends."""
        uid = pod["metadata"]["uid"]
        entry = self._entries.get(uid)
        if entry is None:
            entry = self._entries[uid] = Entry(uid, pod, now)
            self._place(entry, gated)
            return
        changed = entry.pod["spec"] != pod["spec"] or _labels(entry.pod) != _labels(pod)
        entry.pod = pod
        if entry.where == "gated":
            self._place(entry, gated)
        elif changed and entry.where == "unschedulable":
            self._wake(entry, now)

    def remove(self, uid: str) -> None:
        """Forget a pod: bound, or deleted."""
        entry = self._entries.pop(uid, None)
        if entry is not None:
            self._unpark(entry)

    def pop(self, now: float) -> Entry | None:
        """Return the next pod to schedule, None if none is due."""
        self._wake_due(now)
        while self._active:
            _, _, serial, uid = heapq.heappop(self._active)
            entry = self._entries.get(uid)
            if entry is not None and entry.where == "active" and entry.serial == serial:
                entry.where, entry.tried = "popped", now
                entry.attempts += 1
                return entry
        return None

    def park(self, uid: str, plugins: frozenset[str]) -> None:
        """No node would do: wait for an event that may help one of the plugins that refused."""
        entry = self._entries.get(uid)
        if entry is None or entry.where != "popped":
            return
        entry.plugins, entry.where = plugins or _ANY, "unschedulable"
        for plugin in entry.plugins:
            self._parked.setdefault(plugin, {})[uid] = entry

    def retry(self, uid: str, now: float) -> None:
        """Placing went wrong for a reason that is not the pod's: try again after its back-off."""
        entry = self._entries.get(uid)
        if entry is not None and entry.where == "popped":
            self._back_off(entry, now)

    def gated(self) -> list[Pod]:
        """Return the pods that may not be tried yet."""
        return [entry.pod for entry in self._entries.values() if entry.where == "gated"]

    def stir(self, plugins: Iterable[tuple[str, Callable[[Pod], bool] | None]], now: float) -> None:
        """Something has happened that may help pods which these plugins refused: of each plugin's those for
        which the closer look says yes (all, without one).
        """
        for plugin, look in (*plugins, *((name, None) for name in _ANY)):
            if waiting := self._parked.get(plugin):
                helped = [entry for entry in waiting.values() if look is None or look(entry.pod)]
                self._wake_all(helped, now)

    def stir_all(self, now: float) -> None:
        """Something has happened that may help any pod."""
        self.stir([(plugin, None) for plugin in self._parked], now)

    def next_due(self) -> float | None:
        """Return when `pop` may have something more, if nothing happens before."""
        return self._backoff[0][0] if self._backoff else None

    def flush(self, now: float) -> None:
        """Give pods that have waited too long another try, whatever has happened."""
        late = [
            entry
            for entry in self._entries.values()
            if entry.where == "unschedulable" and now - entry.tried >= LONGEST_WAIT_S
        ]
        self._wake_all(late, now)

    def _place(self, entry: Entry, gated: bool) -> None:
        if gated:
            entry.where = "gated"
        else:
            self._activate(entry)

    def _wake_all(self, entries: Collection[Entry], now: float) -> None:
        for entry in list(entries):
            self._wake(entry, now)

    def _wake(self, entry: Entry, now: float) -> None:
        self._unpark(entry)
        self._back_off(entry, now)

    def _unpark(self, entry: Entry) -> None:
        if entry.where == "unschedulable":
            for plugin in entry.plugins:
                self._parked[plugin].pop(entry.uid, None)

    def _back_off(self, entry: Entry, now: float) -> None:
        """The back-off counts from the last attempt: a pod that has waited it out is active at once."""
        due = entry.tried + backoff_s(entry.attempts)
        if due <= now:
            self._activate(entry)
            return
        entry.where, entry.serial = "backoff", self._next()
        heapq.heappush(self._backoff, (due, entry.serial, entry.uid))

    def _activate(self, entry: Entry) -> None:
        entry.where, entry.serial = "active", self._next()
        priority = entry.pod["spec"].get("priority") or 0
        heapq.heappush(self._active, (-priority, entry.arrived, entry.serial, entry.uid))

    def _wake_due(self, now: float) -> None:
        while self._backoff and self._backoff[0][0] <= now:
            _, serial, uid = heapq.heappop(self._backoff)
            entry = self._entries.get(uid)
            if entry is not None and entry.where == "backoff" and entry.serial == serial:
                self._activate(entry)

    def _next(self) -> int:
        self._serial += 1
        return self._serial


def backoff_s(attempts: int) -> float:
    """Return how long a pod rests after so many attempts."""
    return float(min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(10, max(0, attempts - 1))))


def _labels(pod: Pod) -> object:
    return pod["metadata"].get("labels")
