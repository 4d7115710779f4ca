"""The only source of randomness. `seed` makes a whole process repeatable."""

import random
import secrets
import uuid

# Upstream's alphabet for generated names: no vowels, nothing that reads like a word.
# Spec: k8s.io/apimachinery/pkg/util/rand (1.36).
ALPHANUMS = "bcdfghjklmnpqrstvwxz2456789"

_random: random.Random = random.SystemRandom()


def seed(value: int) -> None:
    """Make every following draw in this process repeatable. Never for a process that issues secrets."""
    global _random
    _random = random.Random(value)


def suffix(length: int = 5) -> str:
    """Return `length` characters for a generated name."""
    return "".join(_random.choices(ALPHANUMS, k=length))


def uid() -> str:
    """Return a random RFC 4122 version 4 UUID in text form."""
    return str(uuid.UUID(int=_random.getrandbits(128), version=4))


def integer(low: int, high: int) -> int:
    """Return an integer in [low, high]."""
    return _random.randint(low, high)


def fraction() -> float:
    """Return a float in [0, 1)."""
    return _random.random()


def jitter(seconds: float, factor: float = 0.1) -> float:
    """Return `seconds` lengthened by up to `factor` of itself."""
    return seconds * (1.0 + factor * _random.random())


def raw(nbytes: int) -> bytes:
    """Return random bytes fit for keys and nonces; never affected by `seed`."""
    return secrets.token_bytes(nbytes)


def secret(nbytes: int = 32) -> str:
    """Return a URL-safe secret of `nbytes` bytes of entropy; never affected by `seed`."""
    return secrets.token_urlsafe(nbytes)
