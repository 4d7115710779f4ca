"""Users named in headers by an authenticating proxy, believed only from its own client certificate.

The aggregation layer of another API server is such a proxy.
Source: k8s.io/apiserver/pkg/authentication/request/headerrequest (1.36).
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from cryptography import x509
from cryptography.x509.oid import NameOID

from apiserver.authn.authenticator import with_authenticated
from apiserver.authn.x509 import is_issued_by
from apiserver.http.headers import all_values
from apiserver.http.message import Request, User

USER, GROUP, UID, EXTRA_PREFIX = "x-remote-user", "x-remote-group", "x-remote-uid", "x-remote-extra-"


class FrontProxy:
    """Authenticates by `X-Remote-*` headers when the peer's certificate is signed by the front proxy's CA."""

    def __init__(self, ca_file: Path, allowed_names: Sequence[str] = ()) -> None:
        self._authorities = x509.load_pem_x509_certificates(ca_file.read_bytes())
        self._allowed = frozenset(allowed_names)
        self._trusted: dict[bytes, bool] = {}

    def authenticate(self, request: Request) -> User | None:
        """Return the user in the headers, None if there is none or the peer is not the proxy."""
        name = request.headers.get(USER)
        if not name or request.peer_cert is None or not self._is_proxy(request.peer_cert):
            return None
        extra = {
            unquote(key.removeprefix(EXTRA_PREFIX)): tuple(all_values(request.headers, key))
            for key in map(str.lower, request.headers)
            if key.startswith(EXTRA_PREFIX)
        }
        groups = tuple(all_values(request.headers, GROUP))
        return with_authenticated(User(name, groups, request.headers.get(UID, ""), extra))

    def _is_proxy(self, der: bytes) -> bool:
        known = self._trusted.get(der)
        if known is None:
            if len(self._trusted) > 1024:
                self._trusted.clear()
            known = self._trusted[der] = self._check(x509.load_der_x509_certificate(der))
        return known

    def _check(self, certificate: x509.Certificate) -> bool:
        names = [str(item.value) for item in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if self._allowed and not self._allowed.intersection(names):
            return False
        return is_issued_by(certificate, self._authorities)
