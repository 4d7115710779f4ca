"""Impersonation within bounds: a right on the identity, and one on what is done as it.

    mode              whose identity                     right on it (authentication.k8s.io)
    associated-node   the node that the account is on    impersonate:associated-node  nodes/*
    arbitrary-node    any node                           impersonate:arbitrary-node   nodes/NAME
    serviceaccount    a service account                  impersonate:serviceaccount   serviceaccounts/NAME
    user-info         any other user, groups, extra      impersonate:user-info        users, groups, ...

Besides, the real user needs `impersonate-on:MODE:VERB` on what the request is about. Pure; called by
`impersonate.py` before it asks for the unbounded right, `impersonate`.
Source: k8s.io/apiserver/pkg/endpoints/filters/impersonation, KEP-5284 (1.36).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from apiserver.authn.authenticator import ALL_AUTHENTICATED, ALL_UNAUTHENTICATED
from apiserver.authn.service_account import groups_of, split_user_name
from apiserver.authz.node import GROUP as NODES
from apiserver.authz.node import USER_PREFIX as NODE_PREFIX
from apiserver.http.message import ANONYMOUS, RequestInfo, User

_GROUP = "authentication.k8s.io"
_NODE_EXTRA = "authentication.kubernetes.io/node-name"
_MASTERS = "system:masters"


@dataclass(frozen=True)
class Wanted:
    """The identity that the headers ask for."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_bare(self) -> bool:
        """True if nothing but a name is asked for."""
        return not (self.groups or self.uid or self.extra)


@dataclass(frozen=True)
class Mode:
    """One way to become somebody: all `checks` must be allowed, then the user is `identity`."""

    checks: tuple[RequestInfo, ...]
    identity: User


def modes(wanted: Wanted, user: User, about: RequestInfo) -> Iterator[Mode]:
    """Yield the ways for `user` to become who is wanted, in the order in which they are tried."""
    account = split_user_name(wanted.user)
    if wanted.user.startswith(NODE_PREFIX):
        if wanted.is_bare:
            yield from _node_modes(wanted.user.removeprefix(NODE_PREFIX), user, about)
    elif account is not None:
        if wanted.is_bare:
            namespace, name = account
            checks = (
                right("serviceaccount", "serviceaccounts", name, namespace),
                on("serviceaccount", about),
            )
            yield Mode(checks, User(wanted.user, (*groups_of(namespace), ALL_AUTHENTICATED)))
    elif _MASTERS not in wanted.groups:
        identity = User(wanted.user, with_usual(wanted.user, wanted.groups), wanted.uid, wanted.extra)
        yield Mode((*_info_rights(wanted), on("user-info", about)), identity)


def _node_modes(name: str, user: User, about: RequestInfo) -> Iterator[Mode]:
    identity = User(NODE_PREFIX + name, (NODES, ALL_AUTHENTICATED))
    if split_user_name(user.name) is not None and tuple(user.extra.get(_NODE_EXTRA, ())) == (name,):
        yield Mode((right("associated-node", "nodes", "*"), on("associated-node", about)), identity)
    yield Mode((right("arbitrary-node", "nodes", name), on("arbitrary-node", about)), identity)


def _info_rights(wanted: Wanted) -> Iterator[RequestInfo]:
    yield right("user-info", "users", wanted.user)
    for group in wanted.groups:
        yield right("user-info", "groups", group)
    for key, values in wanted.extra.items():
        for value in values:
            yield right("user-info", "userextras", value, subresource=key)
    if wanted.uid:
        yield right("user-info", "uids", wanted.uid)


def right(mode: str, resource: str, name: str, namespace: str = "", subresource: str = "") -> RequestInfo:
    """Return the question for the right on an identity."""
    return RequestInfo(True, "", f"impersonate:{mode}", _GROUP, "v1", resource, subresource, namespace, name)


def on(mode: str, about: RequestInfo) -> RequestInfo:
    """Return the question for the right to do what a request is about, as somebody else."""
    return replace(about, verb=f"impersonate-on:{mode}:{about.verb}")


def with_usual(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """Return the groups with the one of all that are authenticated, or are not."""
    if ALL_AUTHENTICATED in groups or ALL_UNAUTHENTICATED in groups:
        return groups
    return (*groups, ALL_UNAUTHENTICATED if name == ANONYMOUS.name else ALL_AUTHENTICATED)
