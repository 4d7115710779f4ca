"""X.509: a certificate authority in a few lines, and the TLS contexts of both sides. EC P-256 throughout.

Subjects follow Kubernetes: common name = user, organizations = groups.
"""

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kit import clock, files

CA_DAYS = 3650
LEAF_DAYS = 365


@dataclass(frozen=True)
class KeyPair:
    """A PEM certificate and its PEM private key (PKCS#8, unencrypted)."""

    cert: bytes
    key: bytes

    def save(self, base: Path) -> None:
        """Write `base.crt` (0644) and `base.key` (0600)."""
        files.write_atomic(base.with_name(base.name + ".key"), self.key, 0o600)
        files.write_atomic(base.with_name(base.name + ".crt"), self.cert)

    @classmethod
    def load(cls, base: Path) -> "KeyPair":
        return cls(
            base.with_name(base.name + ".crt").read_bytes(), base.with_name(base.name + ".key").read_bytes()
        )


def new_key() -> bytes:
    """Return a new EC P-256 private key in PEM."""
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def new_ca(common_name: str) -> KeyPair:
    """Return a new self-signed certificate authority, valid ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        _builder(name, name, key.public_key(), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return KeyPair(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), _pem(key))


def issue(
    ca: KeyPair,
    user: str,
    groups: Sequence[str] = (),
    *,
    server_names: Sequence[str] = (),
    client: bool = True,
    days: int = LEAF_DAYS,
) -> KeyPair:
    """Return a certificate signed by `ca`; with `server_names` (host names and IP addresses) it can also
    serve.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.load_pem_x509_certificate(ca.cert)
    signer = serialization.load_pem_private_key(ca.key, None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the CA key is not an EC key")
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH] if client else []
    builder = _builder(subject, authority.subject, key.public_key(), days)
    if server_names:
        purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in server_names]), critical=False
        )
    issuer_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False
        )
    )
    return KeyPair(builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), _pem(key))


def self_signed(common_name: str, server_names: Sequence[str]) -> KeyPair:
    """Return a serving certificate of its own authority, which is not kept: whoever is to trust it must be
    given the certificate itself.
    """
    return issue(new_ca(f"{common_name}-ca"), common_name, server_names=server_names, client=False)


def days_left(cert: bytes) -> float:
    """Return for how many more days a PEM certificate is valid; negative if it has expired."""
    return (x509.load_pem_x509_certificate(cert).not_valid_after_utc - clock.now()) / timedelta(days=1)


def client_context(ca_file: Path | None, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts `ca_file` alone (the system's authorities if None) and presents `cert`."""
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context


def server_context(cert: Path, key: Path, *client_cas: Path | None) -> ssl.SSLContext:
    """Return a TLS 1.2+ server context; with client authorities, client certificates are asked for but not
    required.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    for authority in filter(None, client_cas):
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = clock.now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
