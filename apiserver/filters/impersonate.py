"""The filter that lets a user act as another one, if policy allows to impersonate every part of that
identity: a right with bounds first (`constrained.py`), then the one without.

Source: k8s.io/apiserver/pkg/endpoints/filters/impersonation (1.36).
"""

from collections.abc import Iterator
from urllib.parse import unquote

from api.errors import BadRequest
from apiserver.authn.service_account import groups_of, split_user_name
from apiserver.authz.authorizer import Authorizer, Verdict
from apiserver.filters.authorize import forbidden
from apiserver.filters.constrained import Wanted, modes, with_usual
from apiserver.http.headers import all_values
from apiserver.http.message import Answer, Filter, Handler, Request, RequestInfo, User

USER, GROUP, UID, EXTRA_PREFIX = (
    "impersonate-user",
    "impersonate-group",
    "impersonate-uid",
    "impersonate-extra-",
)
_AUTHENTICATION = "authentication.k8s.io"


def impersonate(authorizer: Authorizer) -> Filter:
    """Return the filter; it replaces `request.user`."""

    async def run(request: Request, following: Handler) -> Answer:
        wanted = _wanted(request)
        if wanted is None:
            return await following(request)
        found = constrained(authorizer, request, wanted)
        if found is None:
            found = unconstrained(authorizer, request.user, wanted)
        request.audit["impersonatingUser"] = request.user
        request.audit["impersonatedUser"] = request.user = found
        return await following(request)

    return run


def constrained(authorizer: Authorizer, request: Request, wanted: Wanted) -> User | None:
    """Return the wanted user if a right that is bounded allows it for this request, else None."""
    for mode in modes(wanted, request.user, request.info):
        decisions = (authorizer.authorize(request.user, info) for info in mode.checks)
        if all(decision.verdict is Verdict.ALLOW for decision in decisions):
            return mode.identity
    return None


def unconstrained(authorizer: Authorizer, user: User, wanted: Wanted) -> User:
    """Return the wanted user if `impersonate` allows it. Raises `Forbidden`."""
    for info in checks(wanted):
        decision = authorizer.authorize(user, info)
        if decision.verdict is not Verdict.ALLOW:
            raise forbidden(user, info, decision.reason)
    return identity(wanted)


def _wanted(request: Request) -> Wanted | None:
    headers = request.headers
    name = headers.get(USER, "")
    if not name:
        if any(key.lower().startswith("impersonate-") for key in headers):
            raise BadRequest("requested impersonation of groups, uid or extra without impersonating a user")
        return None
    extra = {
        unquote(key.removeprefix(EXTRA_PREFIX)): tuple(all_values(headers, key))
        for key in map(str.lower, headers)
        if key.startswith(EXTRA_PREFIX)
    }
    return Wanted(name, tuple(all_values(headers, GROUP)), headers.get(UID, ""), extra)


def checks(wanted: Wanted) -> Iterator[RequestInfo]:
    """Yield what the real user must be allowed to do."""
    account = split_user_name(wanted.user)
    if account is not None:
        yield _check("serviceaccounts", account[1], namespace=account[0])
    else:
        yield _check("users", wanted.user)
    for group in wanted.groups:
        yield _check("groups", group)
    for key, values in wanted.extra.items():
        for value in values:
            yield _check("userextras", value, _AUTHENTICATION, key)
    if wanted.uid:
        yield _check("uids", wanted.uid, _AUTHENTICATION)


def identity(wanted: Wanted) -> User:
    """Return the user to go on as: with the groups of a service account, and the usual authenticated
    group."""
    groups = wanted.groups
    account = split_user_name(wanted.user)
    if account is not None and not groups:
        groups = groups_of(account[0])
    return User(wanted.user, with_usual(wanted.user, groups), wanted.uid, wanted.extra)


def _check(
    resource: str, name: str, group: str = "", subresource: str = "", namespace: str = ""
) -> RequestInfo:
    version = "v1"
    return RequestInfo(True, "", "impersonate", group, version, resource, subresource, namespace, name)
