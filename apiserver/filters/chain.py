"""The filters of the API server in their order, and how they become one handler. Called by `app.py`.

recover (errors to answers) > metrics > audit > deadline > authenticate > impersonate > fairness > authorize
> dispatch
"""

from collections.abc import Sequence
from functools import partial

from apiserver.http.message import Filter, Handler


def compose(filters: Sequence[Filter], innermost: Handler) -> Handler:
    """Return the handler that passes a request through the filters, the first one outermost."""
    handler = innermost
    for one in reversed(filters):
        # No function of our own in between: each would be one more coroutine per filter and request.
        handler = partial(one, following=handler)
    return handler
