"""The authorizers in order: privileged groups, then the rest; the first with an opinion decides.

Called by `app.py` to build the authorizer from `--authorization-mode`.
Source: k8s.io/apiserver/pkg/authorization/{union,authorizerfactory} (1.36).
"""

from collections.abc import Sequence

from apiserver.authz.authorizer import Authorizer, Decision, Verdict
from apiserver.authz.node import NodeAuthorizer
from apiserver.authz.rbac import RBAC
from apiserver.http.message import RequestInfo, User
from apiserver.registry import Registry

MASTERS = "system:masters"
_MASTER = Decision(Verdict.ALLOW)
_NO_OPINION = Decision(Verdict.NO_OPINION)


class AlwaysAllow:
    """For tests and for clusters of one trusted person."""

    def authorize(self, user: User, info: RequestInfo) -> Decision:
        return _MASTER


class AlwaysDeny:
    """For tests."""

    def authorize(self, user: User, info: RequestInfo) -> Decision:
        return _NO_OPINION


class Union:
    """Allows `system:masters` everything, then asks each authorizer."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def authorize(self, user: User, info: RequestInfo) -> Decision:
        if MASTERS in user.groups:
            return _MASTER
        reasons: list[str] = []
        for authorizer in self._authorizers:
            decision = authorizer.authorize(user, info)
            if decision.verdict is not Verdict.NO_OPINION:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(Verdict.NO_OPINION, "\n".join(reasons)) if reasons else _NO_OPINION


def build_authorizer(modes: Sequence[str], registry: Registry, rbac: RBAC) -> Authorizer:
    """Return the authorizer for modes such as ("Node", "RBAC"). Raises `ValueError` for an unknown mode."""
    chain: list[Authorizer] = []
    for mode in modes:
        match mode:
            case "Node":
                chain.append(NodeAuthorizer(registry))
            case "RBAC":
                chain.append(rbac)
            case "AlwaysAllow":
                chain.append(AlwaysAllow())
            case "AlwaysDeny":
                chain.append(AlwaysDeny())
            case _:
                raise ValueError(f"unknown authorization mode {mode}")
    return Union(chain)
