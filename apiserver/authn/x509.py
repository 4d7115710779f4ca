"""Client certificates: the common name is the user, the organizations are the groups.

The listener has verified the chain; a certificate is parsed once and remembered by its bytes.
Source: k8s.io/apiserver/pkg/authentication/request/x509 CommonNameUserConversion (1.36).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID, ObjectIdentifier

from api.errors import Unauthorized
from apiserver.authn.authenticator import CREDENTIAL_ID, with_authenticated
from apiserver.http.message import Request, User
from kit import clock

# The attribute that carries a user's UID (KEP-3926's successor for certificates, on by default since 1.34).
_UID = ObjectIdentifier("1.3.6.1.4.1.57683.2")
# Certificates remembered. A node or a person has one; far more are only seen in an attack.
_REMEMBERED = 8192


@dataclass(frozen=True)
class _Known:
    user: User | None
    expires: datetime


class ClientCertificates:
    """Authenticates by the verified peer certificate.

    The listener also lets the front proxy's authority vouch for a connection, if there is one. Then
    `authorities` are the clients' own, and only what one of them has issued itself names a user: whoever
    holds a certificate of the other one is a proxy or nobody.
    """

    def __init__(self, authorities: Sequence[x509.Certificate] = ()) -> None:
        self._authorities = tuple(authorities)
        self._known: dict[bytes, _Known] = {}

    def authenticate(self, request: Request) -> User | None:
        """Return the certificate's user, None without a certificate or common name. Raises `Unauthorized`
        if expired."""
        der = request.peer_cert
        if der is None:
            return None
        known = self._known.get(der)
        if known is None:
            known = self._learn(der)
        if clock.now() > known.expires:
            raise Unauthorized()
        return known.user

    def _learn(self, der: bytes) -> _Known:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        known = parse(der)
        if self._authorities and not is_issued_by(x509.load_der_x509_certificate(der), self._authorities):
            known = _Known(None, known.expires)
        self._known[der] = known
        return known


def parse(der: bytes) -> _Known:
    """Return whom a DER certificate names and until when it is good."""
    certificate = x509.load_der_x509_certificate(der)
    names = _values(certificate.subject, NameOID.COMMON_NAME)
    # A connection may stay open longer than the certificate that opened it.
    expires = certificate.not_valid_after_utc
    if not names or not names[0]:
        return _Known(None, expires)
    uids = _values(certificate.subject, _UID)
    user = User(
        names[0],
        tuple(_values(certificate.subject, NameOID.ORGANIZATION_NAME)),
        uids[0] if uids else "",
        {CREDENTIAL_ID: (f"X509SHA256={hashlib.sha256(der).hexdigest()}",)},
    )
    return _Known(with_authenticated(user), expires)


def is_issued_by(certificate: x509.Certificate, authorities: Iterable[x509.Certificate]) -> bool:
    """Tell whether one of the authorities has signed a certificate itself."""
    return any(_has_signed(authority, certificate) for authority in authorities)


def _has_signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _values(subject: x509.Name, oid: ObjectIdentifier) -> list[str]:
    return [str(item.value) for item in subject.get_attributes_for_oid(oid)]
