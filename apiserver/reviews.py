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

from api import errors, field
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
from apiserver.authz.authorizer import Authorizer, Verdict
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
        spec = review.get("spec") or {}
        _check_attributes(review, spec)
        if not spec.get("user") and not spec.get("groups"):
            why = "at least one of user or group must be specified"
            raise _invalid(review, field.invalid(field.Path("spec.user"), "", why))
        return self._access(_subject(spec), _info(spec))

    async def _local_subject_access(self, request: Request, review: Obj) -> Obj:
        spec = review.get("spec") or {}
        namespace = (spec.get("resourceAttributes") or {}).get("namespace", "")
        if spec.get("nonResourceAttributes") or namespace != request.info.namespace:
            why = f"must match metadata.namespace: {request.info.namespace}"
            path = field.Path("spec.resourceAttributes.namespace")
            raise _invalid(review, field.invalid(path, namespace, why))
        return await self._subject_access(request, review)

    async def _self_access(self, request: Request, review: Obj) -> Obj:
        spec = review.get("spec") or {}
        _check_attributes(review, spec)
        return self._access(request.user, _info(spec))

    def _access(self, user: User, info: RequestInfo) -> Obj:
        decision = self._authorizer.authorize(user, info)
        status: Obj = {"allowed": decision.verdict is Verdict.ALLOW}
        if decision.verdict is Verdict.DENY:
            status["denied"] = True
        if decision.reason:
            status["reason"] = decision.reason
        return status

    async def _self_rules(self, request: Request, review: Obj) -> Obj:
        namespace = (review.get("spec") or {}).get("namespace", "")
        if not namespace:
            raise errors.BadRequest("no namespace on request")
        rules = self._rbac.rules(request.user, namespace)
        return {
            "resourceRules": [_resource_rule(rule) for rule in rules if rule.resources],
            "nonResourceRules": [_path_rule(rule) for rule in rules if rule.paths],
            "incomplete": False,
        }

    async def _self(self, request: Request, review: Obj) -> Obj:
        return {"userInfo": user_info(request.user)}

    async def _token(self, request: Request, review: Obj) -> Obj:
        spec = review.get("spec") or {}
        token = spec.get("token", "")
        if not token:
            raise errors.BadRequest("token is required for TokenReview in authentication")
        asked = tuple(spec.get("audiences") or ())
        own = not asked or bool(set(asked) & set(self._audiences))
        try:
            user = await self._authenticators.authenticate_token(token, () if own else asked)
        except Unauthorized as error:
            return {"user": {}, "error": error.message}
        if user is None:
            return {"user": {}, "error": "invalid bearer token"}
        audiences = [name for name in asked if name in self._audiences] if asked and own else list(asked)
        status = {"authenticated": True, "user": user_info(user)}
        return {**status, "audiences": audiences or list(self._audiences)}


def _subject(spec: Obj) -> User:
    extra = {key.lower(): tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra)


def _info(spec: Obj) -> RequestInfo:
    path = spec.get("nonResourceAttributes")
    if path:
        return RequestInfo(False, path.get("path", ""), path.get("verb", ""))
    asked = spec.get("resourceAttributes") or {}
    terms = ((asked.get("fieldSelector") or {}).get("requirements")) or ()
    fields = ",".join(f"{term['key']}={term['values'][0]}" for term in terms if term.get("operator") == "In")
    return RequestInfo(
        True,
        "",
        asked.get("verb", ""),
        asked.get("group", ""),
        asked.get("version", ""),
        asked.get("resource", ""),
        asked.get("subresource", ""),
        asked.get("namespace", ""),
        asked.get("name", ""),
        field_selector=fields,
    )


def _check_attributes(review: Obj, spec: Obj) -> None:
    both = [bool(spec.get(name)) for name in ("resourceAttributes", "nonResourceAttributes")]
    if both == [True, True]:
        why = "cannot be specified in combination with resourceAttributes"
        raise _invalid(review, field.invalid(field.Path("spec.nonResourceAttributes"), "", why))
    if both == [False, False]:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise _invalid(review, field.invalid(field.Path("spec.resourceAttributes"), None, why))


def _invalid(review: Obj, fault: field.FieldError) -> errors.Invalid:
    return errors.invalid("authorization.k8s.io", review["kind"], "", [fault])


def _resource_rule(rule: Rule) -> Obj:
    found = {
        "verbs": sorted(rule.verbs),
        "apiGroups": sorted(rule.groups),
        "resources": sorted(rule.resources),
    }
    return {**found, "resourceNames": sorted(rule.names)} if rule.names else found


def _path_rule(rule: Rule) -> Obj:
    return {"verbs": sorted(rule.verbs), "nonResourceURLs": sorted(rule.paths)}
