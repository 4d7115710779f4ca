"""Not more events than the configured rates: of the server, of a namespace, of a user, of a source about an
object.

    limits: [{type: Namespace, qps: 50, burst: 100, cacheSize: 2000}]

Source: plugin/pkg/admission/eventratelimit (1.36).
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from api.errors import TooManyRequests
from api.resource import Obj
from apiserver.admission.plugin import AdmissionRequest
from kit import clock

# Buckets of one limit that are remembered when its configuration does not say.
_REMEMBERED = 4096


@dataclass
class Bucket:
    """Holds `tokens` as of the moment `at`; it fills by `qps` a second up to `burst`."""

    tokens: float
    at: float

    def take(self, now: float, qps: float, burst: float) -> bool:
        """Take a token if there is one."""
        self.tokens, self.at = min(burst, self.tokens + (now - self.at) * qps), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Limit:
    """One configured limit. Raises `ValueError` for a type that is not known."""

    def __init__(self, configuration: Obj) -> None:
        self.kind: str = configuration.get("type") or ""
        if self.kind not in _KEYS:
            raise ValueError(f"EventRateLimit: unknown type of limit: {self.kind!r}")
        self._qps, self._burst = float(configuration["qps"]), float(configuration["burst"])
        self._most = int(configuration.get("cacheSize") or _REMEMBERED)
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def admits(self, key: str, now: float) -> bool:
        bucket = self._buckets.pop(key, None) or Bucket(self._burst, now)
        self._buckets[key] = bucket
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return bucket.take(now, self._qps, self._burst)


class EventRateLimit:
    name = "EventRateLimit"

    def __init__(self, configuration: Obj | None = None) -> None:
        self._limits = [Limit(item) for item in (configuration or {}).get("limits") or ()]

    def handles(self, request: AdmissionRequest) -> bool:
        written = request.operation in ("CREATE", "UPDATE") and not request.subresource
        return request.resource.plural == "events" and request.resource.kind == "Event" and written

    async def validate(self, request: AdmissionRequest) -> None:
        """Raises `TooManyRequests`. A dry run is not counted."""
        if request.dry_run:
            return
        now = clock.monotonic()
        refused = [
            f"limit reached on type {limit.kind} for key {key}"
            for limit in self._limits
            if not limit.admits(key := _KEYS[limit.kind](request), now)
        ]
        if refused:
            text = refused[0] if len(refused) == 1 else f"[{', '.join(refused)}]"
            raise TooManyRequests(text, {"retryAfterSeconds": 1})


def _source(request: AdmissionRequest) -> str:
    event = request.object or {}
    source = event.get("source") or event.get("deprecatedSource") or {}
    about = event.get("involvedObject") or event.get("regarding") or {}
    parts = [source.get("component"), source.get("host")]
    parts += [about.get(name) for name in ("kind", "namespace", "name", "uid", "apiVersion")]
    return "".join(part or "" for part in parts)


_KEYS: dict[str, Callable[[AdmissionRequest], str]] = {
    "Server": lambda request: "",
    "Namespace": lambda request: request.namespace,
    "User": lambda request: request.user.name,
    "SourceAndObject": _source,
}
