"""How long a client that was refused should stay away: longer while a level goes on refusing. Pure.

Source: k8s.io/apiserver/pkg/util/flowcontrol/dropped_requests_tracker.go (1.36).
"""

LONGEST_S = 32


class Dropped:
    """Refusals of one level, counted per second; `retry_after_s` is what to tell clients now."""

    def __init__(self) -> None:
        self.retry_after_s = 1
        # Refusals of past seconds that still matter, and of the present one.
        self._history: dict[int, int] = {}
        self._second, self._count = 0, 0
        self._raised_at = 0

    def record(self, now: float) -> None:
        """Count one refusal."""
        second = int(now)
        if second == self._second:
            self._count += 1
            return
        self._history[self._second] = self._count
        self._second, self._count = second, 1
        self._history = {at: n for at, n in self._history.items() if second - at <= LONGEST_S}
        self._adjust(second)

    def _adjust(self, second: int) -> None:
        """Double at three refusals a second, go back one by one at less than one."""
        span = self.retry_after_s
        recent = sum(count for at, count in self._history.items() if second - at <= span)
        if recent >= 3 * span and second - self._raised_at >= span:
            self.retry_after_s = min(LONGEST_S, 2 * span)
            self._raised_at = second
        elif recent < span:
            self.retry_after_s = max(1, span - 1)
