"""The API server's own metrics, under upstream's names, and the filter that counts requests.

Spec: k8s.io/apiserver/pkg/endpoints/metrics (1.36).
"""

from collections.abc import Callable, Iterable

from api.errors import StatusError
from apiserver.http.message import Answer, Handler, Request, Response, Stream
from apiserver.watchcache.cache import Cache
from kit import clock
from kit.metrics import REGISTRY

_LABELS = ("verb", "group", "version", "resource", "subresource", "code")
_requests = REGISTRY.counter("apiserver_request_total", "Requests by verb, resource and code.", _LABELS)
_durations = REGISTRY.histogram(
    "apiserver_request_duration_seconds", "Time to answer, watches excluded.", ("verb", "resource")
)
_inflight = REGISTRY.gauge("apiserver_current_inflight_requests", "Requests under way.", ("request_kind",))
_watchers = REGISTRY.gauge(
    "apiserver_longrunning_requests", "Watches open by resource.", ("verb", "resource")
)
_objects = REGISTRY.gauge(
    "apiserver_resource_objects", "Objects in the watch cache by resource.", ("resource",)
)

_READS = ("get", "list", "watch")


async def count(request: Request, following: Handler) -> Answer:
    """Count one request; the outermost filter but for error handling."""
    info = request.info
    kind = "readOnly" if info.verb in _READS else "mutating"
    started = clock.monotonic()
    _inflight.add((kind,), 1.0)
    code = 500
    try:
        answer = await following(request)
        code = answer.status if isinstance(answer, Response | Stream) else 101
        return answer
    except StatusError as error:
        code = error.code
        raise
    finally:
        _inflight.add((kind,), -1.0)
        # Only what is served may become a label: a client must not invent one.
        known = info.token is not None
        resource = info.resource if known else ""
        subresource = (
            info.subresource
            if known and info.subresource in (info.token.subresources if info.token else ())
            else ""
        )
        _requests.add(
            (
                info.verb if known else "",
                info.group if known else "",
                info.version if known else "",
                resource,
                subresource,
                str(code),
            )
        )
        if info.verb != "watch":
            _durations.observe(clock.monotonic() - started, (info.verb if known else "", resource))


def observe(caches: Callable[[], Iterable[Cache]]) -> Callable[[], None]:
    """Return the function that sets the gauges of the watch caches before each rendering."""

    def collect() -> None:
        for cache in caches():
            name = cache.resource.group_resource
            _objects.set(float(len(cache)), (name,))
            _watchers.set(float(cache.watchers), ("WATCH", name))

    return collect


def render() -> Response:
    """Return the answer of `/metrics`."""
    return Response(200, REGISTRY.render(), "text/plain; version=0.0.4; charset=utf-8")
