"""Service account tokens: JWTs that the API server signs, and believes while what they are bound to exists.

    claims = {iss, sub, aud, exp, iat, nbf, jti, kubernetes.io: {namespace, serviceaccount, pod?, node?,
    secret?}}

A signature is checked once per token and remembered by the token's SHA-256; expiry and the bound objects
are checked on every request, against the watch cache (asked again, linearizably, before a token is refused).
Source: pkg/serviceaccount/{claims,jwt}.go, KEP-1205, KEP-4193 (1.36).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from api.errors import NotFound, Unauthorized
from api.resource import Obj, Resource
from api.types.core_v1 import NODES, PODS, SECRETS, SERVICEACCOUNTS
from apiserver.authn.authenticator import CREDENTIAL_ID
from apiserver.authn.keys import VerifyKeys
from apiserver.http.message import User
from apiserver.registry import Registry
from kit import clock

USER_PREFIX = "system:serviceaccount:"
ALL_GROUP = "system:serviceaccounts"
# The issuer of tokens kept in Secrets.
LEGACY_ISSUER = "kubernetes/serviceaccount"
_PRIVATE = "kubernetes.io"
_EXTRA = "authentication.kubernetes.io/"
# A deleted pod's token stays good this long after its deletion time, for its shutdown to finish.
_DELETED_LEEWAY = timedelta(seconds=60)
# Verified tokens remembered: 2 kB each.
_REMEMBERED = 20_000


@dataclass(frozen=True)
class Bound:
    """An object that a token names."""

    name: str
    uid: str


@dataclass(frozen=True)
class Claims:
    """What a verified token says; no audiences means the API server's own."""

    namespace: str
    account: Bound
    audiences: tuple[str, ...]
    expires: float
    not_before: float
    token_id: str
    pod: Bound | None = None
    node: Bound | None = None
    secret: Bound | None = None


def user_name(namespace: str, name: str) -> str:
    """Return `system:serviceaccount:<namespace>:<name>`."""
    return f"{USER_PREFIX}{namespace}:{name}"


def groups_of(namespace: str) -> tuple[str, ...]:
    """Return the groups of the service accounts of a namespace."""
    return (ALL_GROUP, f"{ALL_GROUP}:{namespace}")


def split_user_name(name: str) -> tuple[str, str] | None:
    """Return namespace and name if a user name is a service account's."""
    parts = name.removeprefix(USER_PREFIX).split(":")
    if not name.startswith(USER_PREFIX) or len(parts) != 2 or not all(parts):
        return None
    return parts[0], parts[1]


class ServiceAccountTokens:
    """Authenticates tokens issued by one of `issuers` and signed with one of `keys`."""

    def __init__(
        self, registry: Registry, keys: VerifyKeys, issuers: Sequence[str], audiences: Sequence[str]
    ) -> None:
        self._registry = registry
        self._keys = keys
        self._issuers = frozenset((*issuers, LEGACY_ISSUER))
        self._audiences = tuple(audiences)
        self._verified: dict[bytes, Claims] = {}

    async def authenticate_token(self, token: str, audiences: Sequence[str] = ()) -> User | None:
        """Return the service account; None if the token is not one of ours. Raises `Unauthorized`."""
        claims = self._claims(token)
        if claims is None:
            return None
        now = clock.now()
        if not is_timely(claims, now.timestamp()):
            raise Unauthorized("service account token has expired")
        wanted = audiences or self._audiences
        if not set(wanted).intersection(claims.audiences or self._audiences):
            raise Unauthorized(
                f"token audiences {list(claims.audiences)} is invalid for the target audiences"
            )
        await self._check_bound(claims, now)
        return user_of(claims)

    def _claims(self, token: str) -> Claims | None:
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None:
            return known
        claims = self._verify(token)
        if claims is not None:
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified[digest] = claims
        return claims

    def _verify(self, token: str) -> Claims | None:
        try:
            payload = self._keys.decode(token)
        except jwt.PyJWTError:
            return None
        if payload.get("iss") not in self._issuers:
            return None
        return parse_claims(payload)

    async def _check_bound(self, claims: Claims, now: datetime) -> None:
        await self._check(SERVICEACCOUNTS, claims.namespace, claims.account, now)
        if claims.secret is not None:
            await self._check(SECRETS, claims.namespace, claims.secret, now)
        if claims.pod is not None:
            await self._check(PODS, claims.namespace, claims.pod, now)
        elif claims.node is not None:
            await self._check(NODES, "", claims.node, now)

    async def _check(self, resource: Resource[Any], namespace: str, bound: Bound, now: datetime) -> None:
        """Raise `Unauthorized` unless the object is there, is the same one, and is not long deleted."""
        obj = self._registry.cached(resource, namespace, bound.name)
        if obj is None or not is_same(obj, bound, now):
            obj = await self._fetch(resource, namespace, bound.name)
        if obj is None or not is_same(obj, bound, now):
            raise Unauthorized(
                f"service account token is no longer valid: {resource.singular or resource.plural}"
            )

    async def _fetch(self, resource: Resource[Any], namespace: str, name: str) -> Obj | None:
        try:
            return await self._registry.get(resource, namespace, name)
        except NotFound:
            return None


def is_same(obj: Obj, bound: Bound, now: datetime) -> bool:
    """Tell whether a stored object is the one a token was bound to, and alive."""
    metadata = obj["metadata"]
    if bound.uid and metadata.get("uid") != bound.uid:
        return False
    deleted = metadata.get("deletionTimestamp")
    return deleted is None or datetime.fromisoformat(deleted) + _DELETED_LEEWAY > now


def audiences_of(token: str) -> tuple[str, ...]:
    """Return the audiences that a token which was authenticated names; () if it names none."""
    try:
        found = jwt.decode(token, options={"verify_signature": False}).get("aud") or ()
    except jwt.PyJWTError:
        return ()
    return (found,) if isinstance(found, str) else tuple(found)


def is_timely(claims: Claims, now: float) -> bool:
    """Tell whether a token is good at this time; an expiry of 0 means never."""
    return claims.not_before <= now and (claims.expires == 0 or now < claims.expires)


def parse_claims(payload: Mapping[str, Any]) -> Claims | None:
    """Return the claims of a verified payload, None if they are not a service account's."""
    private = payload.get(_PRIVATE)
    if not isinstance(private, dict):
        return _legacy_claims(payload)
    account = _bound(private.get("serviceaccount"))
    namespace = private.get("namespace", "")
    if account is None or payload.get("sub") != user_name(namespace, account.name):
        return None
    audiences = payload.get("aud", ())
    return Claims(
        namespace=namespace,
        account=account,
        audiences=(audiences,) if isinstance(audiences, str) else tuple(audiences),
        expires=float(payload.get("exp", 0)),
        not_before=float(payload.get("nbf", 0)),
        token_id=str(payload.get("jti", "")),
        pod=_bound(private.get("pod")),
        node=_bound(private.get("node")),
        secret=_bound(private.get("secret")),
    )


def _legacy_claims(payload: Mapping[str, Any]) -> Claims | None:
    """Return the claims of a token kept in a Secret (`kubernetes.io/service-account-token`): no expiry,
    any audience."""
    prefix = "kubernetes.io/serviceaccount/"
    namespace, secret = payload.get(prefix + "namespace"), payload.get(prefix + "secret.name")
    name, uid = payload.get(prefix + "service-account.name"), payload.get(prefix + "service-account.uid")
    if not (namespace and secret and name and uid) or payload.get("sub") != user_name(namespace, name):
        return None
    return Claims(namespace, Bound(name, uid), (), 0, 0, "", secret=Bound(secret, ""))


def user_of(claims: Claims) -> User:
    """Return the user that a token stands for. Spec: pkg/serviceaccount UserInfo (1.36)."""
    extra: dict[str, tuple[str, ...]] = {}
    if claims.token_id:
        extra[CREDENTIAL_ID] = (f"JTI={claims.token_id}",)
    for kind, bound in (("pod", claims.pod), ("node", claims.node)):
        if bound is not None:
            extra[f"{_EXTRA}{kind}-name"] = (bound.name,)
            extra[f"{_EXTRA}{kind}-uid"] = (bound.uid,)
    name = user_name(claims.namespace, claims.account.name)
    return User(name, groups_of(claims.namespace), claims.account.uid, extra)


def _bound(claim: Any) -> Bound | None:
    if not isinstance(claim, dict) or not claim.get("name"):
        return None
    return Bound(str(claim["name"]), str(claim.get("uid", "")))
