"""The authorizer as expressions see it: `authorizer`, and `authorizer.requestResource`, the right to what is
asked for.

For policies and the match conditions of webhooks. Each question is asked once per request.
Source: k8s.io/apiserver/pkg/cel/library/authz.go, plugin/authorizer/caching_authorizer.go (1.36).
"""

from functools import cache
from typing import Any

from api.cel.library.authorizer import Authorizer as CELAuthorizer
from api.cel.library.authorizer import Decision, Question, ResourceCheck
from apiserver.admission.plugin import AdmissionRequest
from apiserver.authz.authorizer import Authorizer, Verdict
from apiserver.http.message import RequestInfo, User

_ACCOUNTS = "system:serviceaccounts"


def authority_of(authorizer: Authorizer, request: AdmissionRequest) -> dict[str, Any]:
    """Return the two variables for the expressions about a request."""

    @cache
    def ask(question: Question) -> Decision:
        user = _account(question.user) if question.user else request.user
        decision = authorizer.authorize(user, _info(question))
        return Decision(decision.verdict is Verdict.ALLOW, decision.reason)

    own = Question(
        "",
        group=request.resource.group,
        resource=request.resource.plural,
        subresource=request.subresource,
        namespace=request.namespace if request.resource.namespaced else "",
        name=request.name,
    )
    return {"authorizer": CELAuthorizer(ask), "authorizer.requestResource": ResourceCheck(ask, own)}


def _account(name: str) -> User:
    """Return a service account (`system:serviceaccount:NAMESPACE:NAME`) with the groups that it has."""
    namespace = name.split(":")[2]
    return User(name, (_ACCOUNTS, f"{_ACCOUNTS}:{namespace}", "system:authenticated"))


def _info(question: Question) -> RequestInfo:
    if question.path:
        return RequestInfo(False, question.path, question.verb)
    return RequestInfo(
        True,
        "",
        question.verb,
        question.group,
        "*",
        question.resource,
        question.subresource,
        question.namespace,
        question.name,
        field_selector=question.field_selector,
    )
