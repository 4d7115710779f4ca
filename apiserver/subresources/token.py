"""`serviceaccounts/<name>/token`: issues a token for a service account, bound to a pod, node or secret if
asked.

Source: pkg/registry/core/serviceaccount/storage/token.go, pkg/serviceaccount/claims.go (1.36).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api import errors, field
from api.errors import NotFound
from api.resource import Obj, Resource
from api.types.core_v1 import NODES, PODS, SECRETS, SERVICEACCOUNTS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.authn.keys import SigningKey
from apiserver.authn.service_account import user_name
from apiserver.http.message import Answer, Request
from apiserver.registry import Registry
from apiserver.rest import render
from apiserver.rest.hub import Collection, Hub
from apiserver.rest.reading import read
from kit import clock, rand

_DEFAULT_S = 3600
_LEAST_S, _MOST_S = 600, 1 << 32
# The life that pods' projected tokens ask for. They get a year, and a claim that says when they should
# have been
# renewed, since old clients read their token only once.
_WARN_ONLY_S = 3607
_EXTENDED_S = 365 * 24 * 3600
_GROUP_VERSION = "authentication.k8s.io/v1"
_BINDABLE: dict[tuple[str, str], Resource[Any]] = {
    ("v1", "Pod"): PODS,
    ("v1", "Secret"): SECRETS,
    ("v1", "Node"): NODES,
}


@dataclass(frozen=True)
class Issuer:
    """Who signs, as whom, and for whom by default."""

    key: SigningKey
    url: str
    audiences: Sequence[str]
    extend: bool = True


class TokenRequests:
    """Answers token requests; call it as a subresource handler."""

    def __init__(self, registry: Registry, issuer: Issuer | None) -> None:
        self._registry = registry
        self._issuer = issuer

    async def __call__(self, hub: Hub, collection: Collection, request: Request) -> Answer:
        if request.info.verb != "create":
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
        form = render.form_of(request)
        asked = await read(request, collection.resource, "TokenRequest", _GROUP_VERSION)
        namespace, name = request.info.namespace, request.info.name
        _check_identity(asked.get("metadata") or {}, namespace, name)
        admitted = AdmissionRequest(
            "CREATE",
            collection.resource,
            namespace,
            name,
            request.user,
            asked,
            None,
            "token",
            request=request,
        )
        asked = await hub.admission.mutate(admitted)
        await hub.admission.validate(admitted.with_object(asked))
        return render.response(form, await self.issue(namespace, name, asked), 201)

    async def issue(self, namespace: str, name: str, asked: Obj) -> Obj:
        """Return the TokenRequest with its token. Raises `NotFound`, `Invalid`, `Conflict`, `BadRequest`."""
        issuer = self._issuer
        if issuer is None:
            raise errors.InternalError("this server was given no key to sign service account tokens")
        spec = with_defaults(asked.get("spec") or {}, issuer.audiences)
        _check(asked, spec)
        account = await self._registry.get(SERVICEACCOUNTS, namespace, name)
        private: Obj = {"namespace": namespace, "serviceaccount": _claim(account)}
        ref = spec.get("boundObjectRef")
        if ref:
            private |= await self._bound(namespace, name, ref)
        life = spec["expirationSeconds"]
        now = int(clock.now().timestamp())
        if issuer.extend and life == _WARN_ONLY_S and "pod" in private:
            private["warnafter"] = now + life
            life = _EXTENDED_S
        claims = {
            "aud": spec["audiences"],
            "exp": now + life,
            "iat": now,
            "iss": issuer.url,
            "jti": rand.uid(),
            "kubernetes.io": private,
            "nbf": now,
            "sub": user_name(namespace, name),
        }
        stated = private.get("warnafter", now + life)
        status = {"token": issuer.key.sign(claims), "expirationTimestamp": _stamp(stated)}
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": _stamp(now)}
        return {
            "kind": "TokenRequest",
            "apiVersion": _GROUP_VERSION,
            "metadata": metadata,
            "spec": spec,
            "status": status,
        }

    async def _bound(self, namespace: str, account: str, ref: Obj) -> Obj:
        """Return the claims of the object that a token is bound to."""
        resource = _BINDABLE.get((ref.get("apiVersion", ""), ref.get("kind", "")))
        if resource is None:
            group_kind = f"{ref.get('apiVersion', '')}, Kind={ref.get('kind', '')}"
            raise errors.BadRequest(f"cannot bind token to object of type {group_kind}")
        name = ref.get("name", "")
        obj = await self._registry.get(resource, namespace if resource.namespaced else "", name)
        uid = obj["metadata"]["uid"]
        if ref.get("uid") and ref["uid"] != uid:
            why = (
                f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
            raise errors.conflict(resource, name, why)
        claims = {ref["kind"].lower(): _claim(obj)}
        if resource is PODS:
            if obj["spec"].get("serviceAccountName") != account:
                raise errors.BadRequest(
                    f'cannot bind token for serviceaccount "{account}" to pod running with different '
                    "serviceaccount name."
                )
            claims |= await self._node_claim(obj)
        return claims

    async def _node_claim(self, pod: Obj) -> Obj:
        name = pod["spec"].get("nodeName")
        if not name:
            return {}
        node = await self._find(NODES, name)
        return {"node": _claim(node) if node is not None else {"name": name}}

    async def _find(self, resource: Resource[Any], name: str) -> Obj | None:
        found = self._registry.cached(resource, "", name)
        if found is not None:
            return found
        try:
            return await self._registry.get(resource, "", name)
        except NotFound:
            return None


def with_defaults(spec: Obj, audiences: Sequence[str]) -> Obj:
    """Return the spec with default audiences and life."""
    seconds = spec.get("expirationSeconds")
    return {
        **spec,
        "audiences": list(spec.get("audiences") or audiences),
        "expirationSeconds": _DEFAULT_S if seconds is None else seconds,
        "boundObjectRef": spec.get("boundObjectRef"),
    }


def _check_identity(metadata: Obj, namespace: str, name: str) -> None:
    """Raise `BadRequest` if the body names another account than the path."""
    for what, given, wanted in (
        ("name", metadata.get("name"), name),
        ("namespace", metadata.get("namespace"), namespace),
    ):
        if given and given != wanted:
            raise errors.BadRequest(
                f"the {what} of the provided object does not match the {what} sent on the request"
            )


def _check(asked: Obj, spec: Obj) -> None:
    seconds = spec["expirationSeconds"]
    path = field.Path("spec.expirationSeconds")
    why = ""
    if seconds < _LEAST_S:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > _MOST_S:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        name = (asked.get("metadata") or {}).get("name", "")
        raise errors.invalid(
            "authentication.k8s.io", "TokenRequest", name, [field.invalid(path, seconds, why)]
        )


def _claim(obj: Obj) -> Obj:
    return {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}


def _stamp(seconds: float) -> str:

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
