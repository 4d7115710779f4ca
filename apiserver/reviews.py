"""Questions about identity and rights, asked by POST: nothing is stored, the answer is in the status.

    SubjectAccessReview, LocalSubjectAccessReview   may this user do that?
    SelfSubjectAccessReview, SelfSubjectRulesReview   may I? what may I do here?
    SelfSubjectReview, TokenReview   who am I? whose is this?

Called by `app.py` for resources that can only be created.
Source: pkg/registry/{authorization,authentication} (1.36).
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from api import errors
from api.authorization.review import field_selector, validate
from api.errors import Unauthorized
from api.resource import Obj, Resource
from api.types.authentication_v1 import SELFSUBJECTREVIEWS, TOKENREVIEWS
from api.types.authorization_v1 import (
    LOCALSUBJECTACCESSREVIEWS,
    SELFSUBJECTACCESSREVIEWS,
    SELFSUBJECTRULESREVIEWS,
    SUBJECTACCESSREVIEWS,
)
from apiserver.admission.plugin import AdmissionRequest
from apiserver.authn.authenticator import Authenticators
from apiserver.authn.service_account import audiences_of
from apiserver.authz.authorizer import Authorizer, Verdict
from apiserver.authz.node import node_name
from apiserver.authz.rbac import RBAC
from apiserver.authz.rules import Rule
from apiserver.http.message import Handler, Request, RequestInfo, Response, User, user_info
from apiserver.rest import render
from apiserver.rest.hub import Admission
from apiserver.rest.options import operation_of
from apiserver.rest.reading import read
from kit import clock

Answerer: TypeAlias = Callable[[Request, Obj], Awaitable[Obj]]


class Reviews:
    """Answers the review resources."""

    def __init__(
        self,
        authenticators: Authenticators,
        authorizer: Authorizer,
        rbac: RBAC,
        audiences: tuple[str, ...],
        admission: Admission,
    ) -> None:
        self._authenticators = authenticators
        self._authorizer = authorizer
        self._rbac = rbac
        self._audiences = audiences
        self._admission = admission
        self._answerers: Mapping[Resource[Any], Answerer] = {
            SUBJECTACCESSREVIEWS: self._subject_access,
            LOCALSUBJECTACCESSREVIEWS: self._local_subject_access,
            SELFSUBJECTACCESSREVIEWS: self._self_access,
            SELFSUBJECTRULESREVIEWS: self._self_rules,
            SELFSUBJECTREVIEWS: self._self,
            TOKENREVIEWS: self._token,
        }

    def resources(self) -> tuple[Resource[Any], ...]:
        """Return the resources that are answered here."""
        return tuple(self._answerers)

    def handler(self, resource: Resource[Any]) -> Handler:
        """Return what answers requests to one of the resources."""
        return partial(self.handle, resource)

    async def handle(self, resource: Resource[Any], request: Request) -> Response:
        """Answer a request to a review resource."""
        if request.info.verb != "create" or request.info.name:
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
        form = render.form_of(request)
        review = await self._admitted(resource, request, await read(request, resource))
        status = await self._answerers[resource](request, review)
        metadata = {**(review.get("metadata") or {}), "creationTimestamp": None}
        if resource is SELFSUBJECTREVIEWS:
            metadata["creationTimestamp"] = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return render.response(form, {**review, "metadata": metadata, "status": status}, 201)

    async def _admitted(self, resource: Resource[Any], request: Request, review: Obj) -> Obj:
        options = operation_of(request).options
        asked = AdmissionRequest(
            "CREATE", resource, request.info.namespace, "", request.user, review, options=options,
            request=request,
        )  # fmt: skip
        admitted = await self._admission.mutate(asked)
        await self._admission.validate(asked.with_object(admitted))
        return admitted

    async def _subject_access(self, request: Request, review: Obj) -> Obj:
        _check(review)
        spec = review["spec"]
        return self._access(_subject(spec), spec)

    async def _local_subject_access(self, request: Request, review: Obj) -> Obj:
        _check(review, request.info.namespace)
        spec = review["spec"]
        return self._access(_subject(spec), spec)

    async def _self_access(self, request: Request, review: Obj) -> Obj:
        _check(review)
        return self._access(request.user, review["spec"])

    def _access(self, user: User, spec: Obj) -> Obj:
        info, faults = _info(spec)
        decision = self._authorizer.authorize(user, info)
        status: Obj = {"allowed": decision.verdict is Verdict.ALLOW}
        if decision.verdict is Verdict.DENY:
            status["denied"] = True
        if decision.reason:
            status["reason"] = decision.reason
        return {**status, "evaluationError": ", ".join(faults)} if faults else status

    async def _self_rules(self, request: Request, review: Obj) -> Obj:
        namespace = (review.get("spec") or {}).get("namespace", "")
        if not namespace:
            raise errors.BadRequest("no namespace on request")
        rules = self._rbac.rules(request.user, namespace)
        status = {
            "resourceRules": [_resource_rule(rule) for rule in rules if rule.resources],
            "nonResourceRules": [_path_rule(rule) for rule in rules if rule.paths],
            "incomplete": False,
        }
        if not node_name(request.user):
            return status
        why = "node authorizer does not support user rule resolution"
        return {**status, "incomplete": True, "evaluationError": why}

    async def _self(self, request: Request, review: Obj) -> Obj:
        return {"userInfo": user_info(request.user)}

    async def _token(self, request: Request, review: Obj) -> Obj:
        spec = review.get("spec") or {}
        token = spec.get("token", "")
        if not token:
            raise errors.BadRequest("token is required for TokenReview in authentication")
        asked = tuple(spec.get("audiences") or ())
        try:
            user = await self._token_user(token, asked)
        except Unauthorized as error:
            return {"user": {}, "error": error.message}
        if user is None:
            return {"user": {}, "error": "invalid bearer token"}
        meant = audiences_of(token) or self._audiences
        audiences = [name for name in asked or self._audiences if name in meant]
        return {"authenticated": True, "user": user_info(user), "audiences": audiences}

    async def _token_user(self, token: str, asked: tuple[str, ...]) -> User | None:
        """Return whose token this is, for one of the audiences; those without audiences are for us."""
        if not asked or set(asked) <= set(self._audiences):
            return await self._authenticators.authenticate_token(token)
        if audiences_of(token) or not set(asked) & set(self._audiences):
            return await self._authenticators.authenticate_token(token, asked)
        return await self._authenticators.authenticate_token(token)


def _subject(spec: Obj) -> User:
    extra = {key.lower(): tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra)


def _info(spec: Obj) -> tuple[RequestInfo, list[str]]:
    """Return what is asked about, and what of it was ignored."""
    path = spec.get("nonResourceAttributes")
    if path is not None:
        return RequestInfo(False, path.get("path", ""), path.get("verb", "")), []
    asked = spec.get("resourceAttributes") or {}
    selector, faults = field_selector(asked)
    info = RequestInfo(
        True,
        "",
        asked.get("verb", ""),
        asked.get("group", ""),
        asked.get("version", ""),
        asked.get("resource", ""),
        asked.get("subresource", ""),
        asked.get("namespace", ""),
        asked.get("name", ""),
        field_selector=str(selector),
    )
    return info, faults


def _check(review: Obj, namespace: str = "") -> None:
    if faults := validate(review, namespace):
        raise errors.invalid("authorization.k8s.io", review["kind"], "", faults)


def _resource_rule(rule: Rule) -> Obj:
    found = {
        "verbs": sorted(rule.verbs),
        "apiGroups": sorted(rule.groups),
        "resources": sorted(rule.resources),
    }
    return {**found, "resourceNames": sorted(rule.names)} if rule.names else found


def _path_rule(rule: Rule) -> Obj:
    return {"verbs": sorted(rule.verbs), "nonResourceURLs": sorted(rule.paths)}
