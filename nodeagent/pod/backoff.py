"""Exponential back-off per key, as pure data: crash loops of containers and failing image pulls. PURE.

    first failure: at once, and the delay becomes `first`;   each further one: wait `delay`, which then
    doubles to `limit` a key that was quiet for twice `limit` starts anew

Source: k8s.io/client-go/util/flowcontrol Backoff, as the kubelet uses it (1.36).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

CRASH_FIRST_S, CRASH_LIMIT_S = 10.0, 300.0
PULL_FIRST_S, PULL_LIMIT_S = 10.0, 300.0


@dataclass(frozen=True)
class Entry:
    delay_s: float
    changed: datetime


@dataclass(slots=True)
class BackOff:
    """The delays of some keys. `remaining_s` asks; `advance` notes that a retry is made now."""

    first_s: float = CRASH_FIRST_S
    limit_s: float = CRASH_LIMIT_S
    entries: dict[str, Entry] = field(default_factory=dict)

    def delay_s(self, key: str) -> float:
        """Return the present delay of a key; 0 if it has none."""
        entry = self.entries.get(key)
        return entry.delay_s if entry else 0.0

    def remaining_s(self, key: str, since: datetime, now: datetime) -> float:
        """Return how long to wait yet after what happened at `since`; 0 when a retry may be made."""
        entry = self.entries.get(key)
        if entry is None or self._is_stale(entry, since):
            return 0.0
        return max(0.0, entry.delay_s - (now - since).total_seconds())

    def advance(self, key: str, now: datetime) -> None:
        """Note a retry: the next one waits longer."""
        entry = self.entries.get(key)
        if entry is None or self._is_stale(entry, now):
            self.entries[key] = Entry(self.first_s, now)
        else:
            self.entries[key] = Entry(min(self.limit_s, entry.delay_s * 2), now)

    def seed(self, key: str, retries: int, last: datetime) -> None:
        """Take over a key that has had `retries` retries, the last at `last`, from before this agent's
        time.
        """
        if key not in self.entries and retries > 0:
            self.entries[key] = Entry(min(self.limit_s, self.first_s * 2 ** min(retries - 1, 20)), last)

    def forget(self, key: str) -> None:
        self.entries.pop(key, None)

    def _is_stale(self, entry: Entry, moment: datetime) -> bool:
        return moment - entry.changed > timedelta(seconds=2 * self.limit_s)


def format_delay(seconds: float) -> str:
    """Return a delay as Go prints durations: `10s`, `1m20s`, `5m0s`."""
    whole = round(seconds)
    return f"{whole // 60}m{whole % 60}s" if whole >= 60 else f"{whole}s"
