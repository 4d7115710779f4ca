"""The filter of priority and fairness: a seat for every request, a wait in its queue, or 429.

Streams (logs, exec, proxies) take no seat; a watch has one only until its stream begins. What a request
weighs: a list one seat per hundred objects, anything else one. DEVIATION: upstream charges writes for the
watchers that they wake; here an event is encoded once for all of them.
Source: k8s.io/apiserver/pkg/server/filters/priority-and-fairness.go, flowcontrol/request (1.36).
"""

from api.errors import StatusError, TooManyRequests
from apiserver.filters.limits import is_stream
from apiserver.flowcontrol.classify import Flow, Schema
from apiserver.flowcontrol.control import FlowControl, Refused
from apiserver.http.message import Answer, Filter, Handler, Request
from apiserver.rest.hub import Hub

FLOW_SCHEMA_UID, PRIORITY_LEVEL_UID = "X-Kubernetes-PF-FlowSchema-UID", "X-Kubernetes-PF-PriorityLevel-UID"
# Spec: flowcontrol/request/config.go ObjectsPerSeat (1.36).
OBJECTS_PER_SEAT = 100


def fairness(control: FlowControl, hub: Hub) -> Filter:
    """Return the filter; it stands before authorization, so that refused requests have their place, too."""

    async def run(request: Request, following: Handler) -> Answer:
        info = request.info
        if is_stream(info):
            return await following(request)
        schema = control.schema_of(request.user, info)
        level, width, ticket = schema.level, 1, None
        if info.verb == "list":
            width = min(level.widest, seats_of(request, hub))
        if not level.take(width):
            try:
                ticket = await control.wait(Flow(schema, request.user, info), width)
            except Refused as refused:
                raise TooManyRequests(
                    "Too many requests, please try again later.",
                    {"retryAfterSeconds": refused.retry_after_s},
                ) from refused
        schema.dispatched += 1
        schema.running += 1
        try:
            answer = await following(request)
        except StatusError as error:
            _sign(error.headers, schema)
            raise
        finally:
            schema.running -= 1
            control.done(level, width, ticket)
        _sign(answer.headers, schema)
        return answer

    return run


def _sign(headers: dict[str, str], schema: Schema) -> None:
    """Tell what the request was sorted as; refusals tell it as well."""
    headers[FLOW_SCHEMA_UID] = schema.uid
    headers[PRIORITY_LEVEL_UID] = schema.level.spec.uid


def seats_of(request: Request, hub: Hub) -> int:
    """Return how many seats a list should have, before the level's limit."""
    info = request.info
    collection = hub.find(info.group, info.version, info.resource)
    if collection is None or info.name:
        return 1
    cache = collection.cache
    count = cache.count(info.namespace) if info.namespace else len(cache)
    limit = request.param("limit")
    if limit.isdecimal() and int(limit[:9]):
        count = min(count, int(limit[:9]))
    return max(1, -(-count // OBJECTS_PER_SEAT))
