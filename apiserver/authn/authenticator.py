"""How requests prove who sends them: the seam, and the ordered union that the authenticate filter calls.

    union: front proxy -> client certificate -> bearer token (file, bootstrap, service account) -> anonymous

`None` means "these are not my credentials"; `Unauthorized` means that they are and are no good.
Source: k8s.io/apiserver/pkg/authentication (1.36).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from api.errors import Unauthorized
from apiserver.authn import bearer
from apiserver.http.message import ANONYMOUS, Request, User

ALL_AUTHENTICATED = "system:authenticated"
ALL_UNAUTHENTICATED = "system:unauthenticated"
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"

# What anybody may ask without credentials. DEVIATION: upstream lets anonymous requests reach the
# authorizer on
# every path; here only health is answered, so that no binding can open the API to the world by mistake.
ANONYMOUS_PATHS = ("/healthz", "/livez", "/readyz")


class RequestAuthenticator(Protocol):
    """Recognizes credentials that are not a bearer token."""

    def authenticate(self, request: Request) -> User | None: ...


class TokenAuthenticator(Protocol):
    """Recognizes one kind of bearer token."""

    async def authenticate_token(self, token: str, audiences: Sequence[str] = ()) -> User | None:
        """Return whose token this is, None if it is of another kind. Raises `Unauthorized` if it is not
        valid.

        With `audiences` the token must be meant for one of them instead of the API server's own.
        """


class Authenticators:
    """The ordered union. `authenticate` answers every request with a user or raises `Unauthorized`."""

    def __init__(
        self,
        requests: Sequence[RequestAuthenticator],
        tokens: Sequence[TokenAuthenticator],
        anonymous_paths: Sequence[str] = ANONYMOUS_PATHS,
    ) -> None:
        self._requests = tuple(requests)
        self.tokens = tuple(tokens)
        self._anonymous = frozenset(anonymous_paths)

    async def authenticate(self, request: Request) -> User:
        """Return the user, with `system:authenticated` among the groups unless anonymous."""
        for authenticator in self._requests:
            found = authenticator.authenticate(request)
            if found is not None:
                return found
        token = bearer.token_of(request.headers)
        if token:
            user = await self.authenticate_token(token)
            if user is None:
                raise Unauthorized()
            return user
        if is_health(request.path, self._anonymous):
            return ANONYMOUS
        raise Unauthorized()

    async def authenticate_token(self, token: str, audiences: Sequence[str] = ()) -> User | None:
        """Return whose token this is; None or `Unauthorized` if it is nobody's or no longer good."""
        for authenticator in self.tokens:
            user = await authenticator.authenticate_token(token, audiences)
            if user is not None:
                return with_authenticated(user)
        return None


def is_health(path: str, roots: frozenset[str]) -> bool:
    """Tell whether a path is one of `roots` or below one."""
    return path in roots or any(path.startswith(root + "/") for root in roots)


def with_authenticated(user: User) -> User:
    """Return the user with `system:authenticated` among the groups."""
    if ALL_AUTHENTICATED in user.groups or ALL_UNAUTHENTICATED in user.groups:
        return user
    return replace(user, groups=(*user.groups, ALL_AUTHENTICATED))
