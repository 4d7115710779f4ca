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

Unschedulable pods that are alike wait as one group: an event that may help wakes the one that has waited
longest, and only when it gets on is the next one woken. So twenty thousand replicas that fit nowhere cost one
attempt per event, not twenty thousand.
Source: pkg/scheduler/backend/queue/scheduling_queue.go (1.36); groups are ours.
"""

import heapq
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

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
    # Pods of one group are decided alike.
    group: Hashable = None


@dataclass
class _Group:
    """Unschedulable pods that are alike, who has waited longest first; `plugins` refused them."""

    members: dict[str, Entry] = field(default_factory=dict)
    plugins: set[str] = field(default_factory=set)
    # Who of them was woken and has not been decided about since.
    awake: str = ""


class SchedulingQueue:
    def __init__(
        self, first_backoff_s: float = FIRST_BACKOFF_S, longest_backoff_s: float = LONGEST_BACKOFF_S
    ) -> None:
        self._backoff_limits = first_backoff_s, longest_backoff_s
        self._entries: dict[str, Entry] = {}
        self._gated: dict[str, Entry] = {}
        self._active: list[tuple[int, float, int, str]] = []
        self._backoff: list[tuple[float, int, str]] = []
        # Pods that no node would take, and their groups by each plugin that refused them.
        self._groups: dict[Hashable, _Group] = {}
        self._parked: dict[str, dict[Hashable, None]] = {}
        self._serial = 0
        # What has happened since an attempt began that takes time; None: there is none. None in it: anything.
        self._missed: list[list[tuple[str, Callable[[Pod], bool] | None]] | None] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, uid: str) -> bool:
        return uid in self._entries

    def find(self, uid: str) -> Entry | None:
        """Return the entry of a pod that waits."""
        return self._entries.get(uid)

    def counts(self) -> dict[str, int]:
        """Return how many pods wait where."""
        found: dict[str, int] = {}
        for entry in self._entries.values():
            found[entry.where] = found.get(entry.where, 0) + 1
        return found

    def put(self, pod: Pod, now: float, gated: bool = False, group: Hashable = None) -> None:
        """Take in a pod that has no node, new or changed; `gated` ones are not tried until that ends. Pods of
        one `group` must be such that they are decided alike.
        """
        uid = pod["metadata"]["uid"]
        entry = self._entries.get(uid)
        if entry is None:
            entry = self._entries[uid] = Entry(uid, pod, now, group=group)
            self._place(entry, gated)
            return
        changed = entry.pod["spec"] != pod["spec"] or _metadata(entry.pod) != _metadata(pod)
        entry.pod = pod
        if entry.where == "gated":
            entry.group = group
            self._place(entry, gated)
        elif changed:
            self._leave(entry, now)
            entry.group = group
            if entry.where == "unschedulable":
                self._back_off(entry, now)

    def remove(self, uid: str, now: float) -> None:
        """Forget a pod: bound, or deleted."""
        entry = self._entries.pop(uid, None)
        if entry is not None:
            self._gated.pop(uid, None)
            self._leave(entry, now)

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

    def next_is_like(self, entry: Entry) -> bool:
        """Say whether the next pod is one of the same group (when in doubt, no)."""
        if not self._active or entry.group is None:
            return False
        found = self._entries.get(self._active[0][3])
        return found is not None and found.group == entry.group

    def take(self, uid: str, now: float) -> Entry | None:
        """Return one particular pod to schedule now, together with another one that has been popped.

        None if it is not there, under way, or may not be tried yet.
        """
        entry = self._entries.get(uid)
        if entry is None or entry.where in ("gated", "popped"):
            return None
        group = self._groups.get(entry.group)
        if group is not None and group.members.pop(uid, None) is not None:
            self._tidy(entry.group, group)
        entry.where, entry.tried = "popped", now
        entry.attempts += 1
        return entry

    def wake(self, uid: str, now: float) -> None:
        """Something has happened that may help this one pod."""
        entry = self._entries.get(uid)
        if entry is not None and entry.where == "unschedulable":
            self._leave(entry, now)
            self._back_off(entry, now)

    def park(self, uid: str, plugins: frozenset[str], alone: bool = False) -> None:
        """No node would do: wait for an event that may help one of the plugins that refused. Pods that differ
        from the others of their group after all wait `alone`.
        """
        entry = self._entries.get(uid)
        if entry is None or entry.where != "popped":
            return
        if alone or entry.group is None:
            entry.group = uid
        entry.where = "unschedulable"
        group = self._groups.setdefault(entry.group, _Group())
        if group.awake == uid:
            group.awake = ""
        group.members[uid] = entry
        for plugin in plugins or _ANY:
            group.plugins.add(plugin)
            self._parked.setdefault(plugin, {})[entry.group] = None

    def got_on(self, uid: str, now: float) -> None:
        """A pod has got a place, or room is being made for it: the next one of its group may too."""
        entry = self._entries.get(uid)
        if entry is not None:
            self._relieve(entry, now)

    def retry(self, uid: str, now: float) -> None:
        """Placing went wrong for a reason that is not the pod's: try again after its back-off."""
        entry = self._entries.get(uid)
        if entry is not None and entry.where == "popped":
            self._relieve(entry, now)
            self._back_off(entry, now)

    def gated(self) -> list[Pod]:
        """Return the pods that may not be tried yet."""
        return [entry.pod for entry in self._gated.values()]

    @property
    def is_calm(self) -> bool:
        """Whether no event can matter: nobody was refused, and no attempt is under way that takes time."""
        return self._missed is None and not any(self._parked.values())

    def stir(self, plugins: Iterable[tuple[str, Callable[[Pod], bool] | None]], now: float) -> None:
        """Something has happened that may help pods which these plugins refused: of each plugin's those for
        which the closer look says yes (all, without one).
        """
        told = list(plugins)
        if self._missed is not None:
            self._missed.append(told)
        for plugin, look in (*told, *((name, None) for name in _ANY)):
            for key in list(self._parked.get(plugin, ())):
                group = self._groups[key]
                if group.awake:
                    continue
                if look is None or look(next(iter(group.members.values())).pod):
                    self._wake_one(group, now)

    def stir_all(self, now: float) -> None:
        """Something has happened that may help any pod."""
        if self._missed is not None:
            self._missed.append(None)
        self.stir([(plugin, None) for plugin in self._parked], now)

    def listen(self) -> None:
        """An attempt begins in which time passes: what happens meanwhile is told again by `catch_up`."""
        self._missed = []

    def catch_up(self, now: float) -> None:
        """The attempt has ended, and its pod waits where it must: tell what it has missed."""
        missed, self._missed = self._missed or [], None
        for plugins in missed:
            if plugins is None:
                self.stir_all(now)
            else:
                self.stir(plugins, now)

    def next_due(self) -> float | None:
        """Return when `pop` may have something more, if nothing happens before."""
        return self._backoff[0][0] if self._backoff else None

    def flush(self, now: float) -> None:
        """Give pods that have waited too long another try, whatever has happened."""
        for group in list(self._groups.values()):
            oldest = next(iter(group.members.values()), None)
            if oldest is not None and now - oldest.tried >= LONGEST_WAIT_S:
                self._wake_one(group, now)

    def _place(self, entry: Entry, gated: bool) -> None:
        if gated:
            entry.where = "gated"
            self._gated[entry.uid] = entry
        else:
            self._gated.pop(entry.uid, None)
            self._activate(entry)

    def _wake_one(self, group: _Group, now: float) -> None:
        if group.awake or not group.members:
            return
        uid, entry = next(iter(group.members.items()))
        del group.members[uid]
        group.awake = uid
        self._tidy(entry.group, group)
        self._back_off(entry, now)

    def _relieve(self, entry: Entry, now: float) -> None:
        """If the pod was the one woken of its group, wake the next."""
        group = self._groups.get(entry.group)
        if group is not None and group.awake == entry.uid:
            group.awake = ""
            self._wake_one(group, now)
            self._tidy(entry.group, group)

    def _leave(self, entry: Entry, now: float) -> None:
        """The pod is none of its group any more."""
        self._relieve(entry, now)
        group = self._groups.get(entry.group)
        if group is not None and group.members.pop(entry.uid, None) is not None:
            self._tidy(entry.group, group)

    def _tidy(self, key: Hashable, group: _Group) -> None:
        if group.members:
            return
        for plugin in group.plugins:
            self._parked[plugin].pop(key, None)
        group.plugins.clear()
        if not group.awake:
            self._groups.pop(key, None)

    def _back_off(self, entry: Entry, now: float) -> None:
        """The back-off counts from the last attempt: a pod that has waited it out is active at once."""
        due = entry.tried + backoff_s(entry.attempts, *self._backoff_limits)
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


def backoff_s(attempts: int, first: float = FIRST_BACKOFF_S, longest: float = LONGEST_BACKOFF_S) -> float:
    """Return how long a pod rests after so many attempts."""
    return float(min(longest, first * 2 ** min(60, max(0, attempts - 1))))


def _metadata(pod: Pod) -> object:
    return pod["metadata"].get("labels"), pod["metadata"].get("annotations")
