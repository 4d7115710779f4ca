"""The filter that asks the authorizers; 403 in upstream's words if none allows.

Source: k8s.io/apiserver/pkg/endpoints/{filters/authorization.go,handlers/responsewriters/errors.go} (1.36).
"""

from dataclasses import replace

import orjson

from api.errors import Forbidden
from apiserver.authz.authorizer import Authorizer, Verdict
from apiserver.http.message import Answer, Filter, Handler, Request, RequestInfo, User

# Health answers before any policy exists, and to everybody.
ALWAYS_ALLOWED = frozenset(("/healthz", "/livez", "/readyz"))


def authorize(authorizer: Authorizer) -> Filter:
    """Return the filter."""

    async def run(request: Request, following: Handler) -> Answer:
        info = request.info
        if not info.is_resource and info.path in ALWAYS_ALLOWED:
            return await following(request)
        if request.user.name.startswith("system:node:"):
            info = with_field_selector(request)
        decision = authorizer.authorize(request.user, info)
        request.audit["authorization.k8s.io/decision"] = (
            "allow" if decision.verdict is Verdict.ALLOW else "forbid"
        )
        request.audit["authorization.k8s.io/reason"] = decision.reason
        if decision.verdict is not Verdict.ALLOW:
            raise forbidden(request.user, info, decision.reason)
        return await following(request)

    return run


def with_field_selector(request: Request) -> RequestInfo:
    """Return the request's info with its field selector, which the node authorizer needs."""
    selector = request.param("fieldSelector")
    return replace(request.info, field_selector=selector) if selector else request.info


def forbidden(user: User, info: RequestInfo, reason: str = "") -> Forbidden:
    """Return the error that says what the user may not do."""
    message = describe(user, info)
    if reason:
        message = f"{message}: {reason}"
    if not info.is_resource:
        return Forbidden(f"forbidden: {message}")
    qualified = f"{info.resource}.{info.group}" if info.group else info.resource
    subject = f"{qualified} {_quote(info.name)}" if info.name else qualified
    details = {"name": info.name, "group": info.group, "kind": info.resource}
    return Forbidden(
        f"{subject} is forbidden: {message}", {key: value for key, value in details.items() if value}
    )


def describe(user: User, info: RequestInfo) -> str:
    """Return `User "x" cannot list resource "pods" in API group "" in the namespace "y"`."""
    who = f"User {_quote(user.name)} cannot {info.verb}"
    if not info.is_resource:
        return f"{who} path {_quote(info.path)}"
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    what = f"{who} resource {_quote(resource)} in API group {_quote(info.group)}"
    where = f"in the namespace {_quote(info.namespace)}" if info.namespace else "at the cluster scope"
    return f"{what} {where}"


def _quote(text: str) -> str:
    return orjson.dumps(text).decode()
