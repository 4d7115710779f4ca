"""The keys of service account tokens: one private key that signs, all public keys that verify, their JWKS.

ES256 (P-256) is what we make; RSA keys given by flag are used as RS256. A key's id is the hash of its
public half, as upstream's, so that tokens outlive a change of implementation.
Source: pkg/serviceaccount/jwt.go keyIDFromPublicKey, openidmetadata.go (1.36).
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_CURVES = {256: ("ES256", "P-256"), 384: ("ES384", "P-384"), 521: ("ES512", "P-521")}


@dataclass(frozen=True)
class SigningKey:
    """Signs tokens."""

    private: PrivateKey
    algorithm: str
    key_id: str

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read a PEM private key. Raises `OSError` or `ValueError`."""
        return cls.parse(path.read_bytes())

    @classmethod
    def parse(cls, pem: bytes) -> "SigningKey":
        private = serialization.load_pem_private_key(pem, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError("a service account key must be an EC or RSA key")
        public = private.public_key()
        return cls(private, algorithm_of(public), key_id_of(public))

    def sign(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode(dict(claims), self.private, algorithm=self.algorithm, headers={"kid": self.key_id})


class VerifyKeys:
    """The public keys by key id."""

    def __init__(self, keys: Sequence[PublicKey]) -> None:
        self._keys = {key_id_of(key): key for key in keys}

    @classmethod
    def parse(cls, pems: Sequence[bytes]) -> "VerifyKeys":
        """Return the keys of PEM files, each a public key or a private one, whose public half is used."""
        return cls([_public_of(pem) for pem in pems])

    def decode(self, token: str) -> dict[str, Any]:
        """Return the claims of a token with a good signature; times and audience are the caller's to check.

        Raises `jwt.PyJWTError`.
        """
        key_id = jwt.get_unverified_header(token).get("kid", "")
        candidates = (
            [self._keys[key_id]] if key_id in self._keys else [] if key_id else list(self._keys.values())
        )
        for key in candidates:
            try:
                return jwt.decode(token, key, algorithms=[algorithm_of(key)], options=_SIGNATURE_ONLY)
            except jwt.InvalidSignatureError:
                continue
        raise jwt.InvalidSignatureError("no key fits")

    def jwks(self) -> dict[str, Any]:
        """Return the JSON Web Key Set of all keys."""
        return {"keys": [_jwk(key_id, key) for key_id, key in self._keys.items()]}

    def algorithms(self) -> list[str]:
        return sorted({algorithm_of(key) for key in self._keys.values()})


_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
}


def algorithm_of(key: PublicKey) -> str:
    """Return the JWS algorithm of a key."""
    return "RS256" if isinstance(key, rsa.RSAPublicKey) else _CURVES[key.key_size][0]


def key_id_of(key: PublicKey) -> str:
    """Return the base64url SHA-256 of the key's DER form."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _b64(hashlib.sha256(der).digest())


def _public_of(pem: bytes) -> PublicKey:
    if b"PRIVATE KEY" in pem:
        return SigningKey.parse(pem).private.public_key()
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise ValueError("a service account key must be an EC or RSA key")
    return key


def _jwk(key_id: str, key: PublicKey) -> dict[str, Any]:
    shared = {"use": "sig", "kid": key_id, "alg": algorithm_of(key)}
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {**shared, "kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    point = key.public_numbers()
    size = (key.key_size + 7) // 8
    curve = _CURVES[key.key_size][1]
    return {**shared, "kty": "EC", "crv": curve, "x": _number(point.x, size), "y": _number(point.y, size)}


def _number(value: int, size: int = 0) -> str:
    return _b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
