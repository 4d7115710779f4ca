"""The filters of the API server in their order, and how they become one handler. Called by `app.py`.

recover (errors to answers) > metrics > audit > deadline > authenticate > impersonate > fairness > authorize
> dispatch
"""

from collections.abc import Sequence

from apiserver.http.message import Answer, Filter, Handler, Request


def compose(filters: Sequence[Filter], innermost: Handler) -> Handler:
    """Return the handler that passes a request through the filters, the first one outermost."""
    handler = innermost
    for one in reversed(filters):
        handler = _bound(one, handler)
    return handler


def _bound(one: Filter, following: Handler) -> Handler:
    async def run(request: Request) -> Answer:
        return await one(request, following)

    return run
