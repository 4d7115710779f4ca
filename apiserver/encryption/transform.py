"""Sealing and opening one stored value, in upstream's formats. Called by `backend.py`.

    k8s:enc:aescbc:v1:KEY:     16 bytes IV, AES-CBC with PKCS#7 padding
    k8s:enc:aesgcm:v1:KEY:     12 bytes nonce, AES-GCM; the store's key is authenticated too
    k8s:enc:secretbox:v1:KEY:  24 bytes nonce, XSalsa20-Poly1305
    anything else              as it is (identity)

Source: k8s.io/apiserver/pkg/storage/value/encrypt/{aes,secretbox,identity} (1.36).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

from apiserver.encryption.config import IDENTITY, Key, Provider
from kit import rand

SEALED = b"k8s:enc:"


class CannotOpen(Exception):
    """A value that none of the keys opens."""


class Cipherer(Protocol):
    """One key of one provider."""

    def seal(self, plain: bytes, context: bytes) -> bytes: ...

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return the plain value. Raises `CannotOpen`."""


class Identity:
    def seal(self, plain: bytes, context: bytes) -> bytes:
        return plain

    def open(self, sealed: bytes, context: bytes) -> bytes:
        if sealed.startswith(SEALED):
            raise CannotOpen("identity transformer tried to read encrypted data")
        return sealed


class AESCBC:
    def __init__(self, secret: bytes) -> None:
        self._algorithm = algorithms.AES(secret)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        vector = rand.raw(16)
        padder, cipher = PKCS7(128).padder(), Cipher(self._algorithm, modes.CBC(vector)).encryptor()
        return vector + cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()

    def open(self, sealed: bytes, context: bytes) -> bytes:
        if len(sealed) < 32 or len(sealed) % 16:
            raise CannotOpen("the stored data is not a multiple of the block size")
        cipher, padder = Cipher(self._algorithm, modes.CBC(sealed[:16])).decryptor(), PKCS7(128).unpadder()
        try:
            return padder.update(cipher.update(sealed[16:]) + cipher.finalize()) + padder.finalize()
        except ValueError as error:
            raise CannotOpen("invalid padding on input") from error


class GCM:
    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(secret)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        nonce = rand.raw(12)
        return nonce + self._cipher.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], context)
        except (InvalidTag, ValueError) as error:
            raise CannotOpen("cipher: message authentication failed") from error


class SecretBox:
    def __init__(self, secret: bytes) -> None:
        # Imported where it is used: 20 ms that most servers need not spend.
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox as Box

        self._box, self._error = Box(secret), CryptoError

    def seal(self, plain: bytes, context: bytes) -> bytes:
        return bytes(self._box.encrypt(plain, rand.raw(24)))

    def open(self, sealed: bytes, context: bytes) -> bytes:
        try:
            return bytes(self._box.decrypt(sealed))
        except (self._error, ValueError) as error:
            raise CannotOpen("output size mismatch or wrong key") from error


_CIPHERS: Mapping[str, Callable[[bytes], Cipherer]] = {
    "aescbc": AESCBC,
    "aesgcm": GCM,
    "secretbox": SecretBox,
}


def _cipher(provider: Provider, key: Key) -> tuple[bytes, Cipherer]:
    prefix = f"k8s:enc:{provider.kind}:v1:{key.name}:".encode()
    return prefix, _CIPHERS[provider.kind](key.secret)


class Transformer:
    """The keys of one resource: the first seals, all open."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._ciphers: list[tuple[bytes, Cipherer]] = []
        for provider in providers:
            if provider.kind == IDENTITY:
                self._ciphers.append((b"", Identity()))
            self._ciphers += [_cipher(provider, key) for key in provider.keys]

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return the value to store; `context` is the store's key of the object."""
        prefix, cipher = self._ciphers[0]
        return prefix + cipher.seal(plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return the plain value. Raises `CannotOpen`."""
        fault = "no matching prefix found"
        for prefix, cipher in self._ciphers:
            if sealed.startswith(prefix):
                try:
                    return cipher.open(sealed[len(prefix) :], context)
                except CannotOpen as error:
                    fault = str(error)
        raise CannotOpen(fault)

    def is_stale(self, sealed: bytes) -> bool:
        """Say whether a value was sealed with another key than the one that seals now."""
        prefix = self._ciphers[0][0]
        return not sealed.startswith(prefix) or (not prefix and sealed.startswith(SEALED))
