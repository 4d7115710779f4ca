"""PEM in certificate requests: the request itself and the certificate issued for it.

Source: pkg/apis/certificates/helpers.go ParseCSR, validation validateCertificate (1.36).
"""

import base64
import binascii
import re

from cryptography import x509
from cryptography.x509.oid import NameOID

_BLOCK = re.compile(
    rb"-----BEGIN (?P<kind>[A-Z0-9 ]+)-----\s*?\n(?P<body>.*?)-----END (?P=kind)-----", re.DOTALL
)


def request_fault(encoded: str) -> str:
    """Return what is wrong with a base64 PEM certificate request, "" if nothing is."""
    block = _BLOCK.search(_decoded(encoded))
    if block is None or block["kind"] != b"CERTIFICATE REQUEST":
        return "PEM block type must be CERTIFICATE REQUEST"
    try:
        x509.load_pem_x509_csr(block[0] + b"\n")
    except ValueError as error:
        return f"asn1: structure error: {error}"
    return ""


def certificate_fault(encoded: str) -> str:
    """Return what is wrong with base64 PEM certificates, "" if nothing is."""
    found = list(_BLOCK.finditer(_decoded(encoded)))
    for block in found:
        if b":" in block["body"]:
            return "no PEM block headers are permitted"
        if block["kind"] != b"CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{block["kind"].decode()}"'
        try:
            x509.load_pem_x509_certificate(block[0] + b"\n")
        except ValueError as error:
            return f"x509: malformed certificate: {error}"
    return "" if found else "must contain at least one CERTIFICATE PEM block"


def common_names(encoded: str) -> list[str]:
    """Return the common names of a base64 PEM certificate request; [] if it cannot be read."""
    return _subject(encoded, NameOID.COMMON_NAME)


def organizations(encoded: str) -> list[str]:
    """Return the organizations of a base64 PEM certificate request; [] if it cannot be read."""
    return _subject(encoded, NameOID.ORGANIZATION_NAME)


def _subject(encoded: str, kind: x509.ObjectIdentifier) -> list[str]:
    try:
        request = x509.load_pem_x509_csr(_decoded(encoded))
    except ValueError:
        # Validation says what is wrong with it.
        return []
    return [str(item.value) for item in request.subject.get_attributes_for_oid(kind)]


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded)
    except binascii.Error:
        return b""
