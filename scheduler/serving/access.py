"""Who asks the scheduler, and may they? As upstream's delegated authentication and authorization.

    certificate of the front proxy    the API server, which has authorized what it passes on
    certificate of a client authority common name and organizations, then SubjectAccessReview
    bearer token                      TokenReview, then SubjectAccessReview
    neither                           anonymous

The authorities are those of ConfigMap kube-system/extension-apiserver-authentication; until it has been read,
clients' is the one that the kubeconfig trusts.
Source: k8s.io/apiserver/pkg/server/options/{authentication,authorization}.go (1.36).
"""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from api.errors import StatusError
from api.types.authentication_v1 import TOKENREVIEWS
from api.types.authorization_v1 import SUBJECTACCESSREVIEWS
from api.types.core_v1 import CONFIGMAPS
from client.api import Client
from client.transport import Unreachable
from kit import clock, log

_log = log.get("scheduler.serving")
_CONFIGMAP, _NAMESPACE = "extension-apiserver-authentication", "kube-system"
# How often the authorities are read again; how soon after a failure, at first (a new cluster has not written
# them yet) and later.
_REFRESH_S, _FIRST_RETRY_S, _RETRY_S = 60.0, 0.1, 5.0
# How long an answer about a right is believed. Source: DelegatingAuthorizationOptions.
_BELIEVED_S = 10.0
_MOST = 1024


@dataclass(frozen=True)
class Caller:
    """`is_front_proxy`: the API server, on behalf of somebody."""

    name: str
    groups: tuple[str, ...] = ()
    is_front_proxy: bool = False


ANONYMOUS = Caller("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True)
class Authorities:
    """Whose certificates are believed. `proxy_names`: which of the front proxy's; none means any."""

    clients: tuple[x509.Certificate, ...] = ()
    proxies: tuple[x509.Certificate, ...] = ()
    proxy_names: tuple[str, ...] = ()

    def caller(self, der: bytes) -> Caller | None:
        """Return whom a certificate names, None if nobody known has signed it."""
        certificate = x509.load_der_x509_certificate(der)
        names = _values(certificate, NameOID.COMMON_NAME)
        name = names[0] if names else ""
        if certificate.not_valid_after_utc < clock.now():
            return None
        if _is_issued_by(certificate, self.proxies):
            known = not self.proxy_names or name in self.proxy_names
            return Caller(name, is_front_proxy=True) if known else None
        if name and _is_issued_by(certificate, self.clients):
            groups = _values(certificate, NameOID.ORGANIZATION_NAME)
            return Caller(name, (*groups, "system:authenticated"))
        return None


def parse_authorities(data: Mapping[str, str]) -> Authorities:
    """Return the authorities of the ConfigMap. Raises `ValueError`."""
    names = orjson.loads(data.get("requestheader-allowed-names") or "[]")
    return Authorities(
        _certificates(data.get("client-ca-file", "")),
        _certificates(data.get("requestheader-client-ca-file", "")),
        tuple(str(name) for name in names),
    )


def _certificates(pem: str) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_pem_x509_certificates(pem.encode())) if pem.strip() else ()


def _is_issued_by(certificate: x509.Certificate, authorities: Iterable[x509.Certificate]) -> bool:
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return True
    return False


def _values(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(item.value) for item in certificate.subject.get_attributes_for_oid(oid)]


class Access:
    def __init__(self, client: Client, context: ssl.SSLContext, fallback: bytes) -> None:
        """`context` is the server's, which learns the authorities; `fallback` is PEM, or empty."""
        self._client = client
        self._context = context
        self._data: Mapping[str, str] = {}
        self._authorities = Authorities()
        # (caller, attributes) -> (answer, good until).
        self._answers: dict[tuple[Caller, bytes], tuple[bool, float]] = {}
        self._take({"client-ca-file": fallback.decode()})

    async def follow(self) -> None:
        """Keep the authorities up to date, until cancelled."""
        retry = _FIRST_RETRY_S
        while True:
            try:
                found: Any = await self._client.get(CONFIGMAPS, _CONFIGMAP, _NAMESPACE)
                self._take(found.get("data") or {})
                pause, retry = _REFRESH_S, _FIRST_RETRY_S
            except (StatusError, Unreachable, ValueError, ssl.SSLError) as error:
                _log.debug("authorities not read", error=str(error))
                pause, retry = retry, min(_RETRY_S, retry * 2)
            await clock.sleep(pause)

    def _take(self, data: Mapping[str, str]) -> None:
        if data == self._data:
            return
        self._authorities, self._data = parse_authorities(data), data
        for name in ("client-ca-file", "requestheader-client-ca-file"):
            if pem := data.get(name, "").strip():
                # A context forgets none; what is no authority any more names nobody.
                self._context.load_verify_locations(cadata=pem)
                self._context.verify_mode = ssl.CERT_OPTIONAL

    async def caller(self, der: bytes | None, authorization: str) -> Caller | None:
        """Return who asks; None if the credentials are wrong."""
        if der:
            return self._authorities.caller(der)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS
        review: Any = await self._client.create(TOKENREVIEWS, {"spec": {"token": token.strip()}})
        status = review.get("status") or {}
        if not status.get("authenticated"):
            return None
        user = status.get("user") or {}
        return Caller(user.get("username", ""), tuple(user.get("groups") or ()))

    async def may(self, caller: Caller, attributes: Mapping[str, Mapping[str, str]]) -> bool:
        """Say whether the caller may do what a SubjectAccessReview's `attributes` say. Raises `StatusError`
        and `Unreachable` if that cannot be found out.
        """
        key = (caller, orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS))
        answer, until = self._answers.get(key, (False, 0.0))
        if clock.monotonic() < until:
            return answer
        spec = {"user": caller.name, "groups": list(caller.groups), **attributes}
        review: Any = await self._client.create(SUBJECTACCESSREVIEWS, {"spec": spec})
        answer = bool((review.get("status") or {}).get("allowed"))
        if len(self._answers) >= _MOST:
            self._answers.clear()
        self._answers[key] = answer, clock.monotonic() + _BELIEVED_S
        return answer
