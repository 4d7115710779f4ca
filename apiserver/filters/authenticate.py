"""The filter that finds out who asks; 401 if nobody we know.

Source: k8s.io/apiserver/pkg/endpoints/filters/authentication.go (1.36).
"""

from api.errors import Unauthorized
from apiserver.authn.authenticator import Authenticators
from apiserver.http.message import ANONYMOUS, Answer, Filter, Handler, Request


def authenticate(authenticators: Authenticators) -> Filter:
    """Return the filter; it sets `request.user`."""

    async def run(request: Request, following: Handler) -> Answer:
        if request.user is not ANONYMOUS:
            # A caller in this process has said who asks; the listener never does.
            return await following(request)
        try:
            request.user = await authenticators.authenticate(request)
        except Unauthorized as error:
            # Why is for the audit log; the client learns only that its credentials are no good.
            request.audit["authentication.k8s.io/error"] = error.message
            raise Unauthorized() from error
        return await following(request)

    return run
