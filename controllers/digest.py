"""Short hashes of templates, for the names of what is made from them. Pure.

Source: pkg/controller/controller_utils.go ComputeHash (1.36); the text itself is nobody's contract.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

# Upstream's alphabet of generated names, for hashes too.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_LENGTH = 10


def digest_of(template: Mapping[str, Any], collisions: int | None) -> str:
    """Return ten letters that are the same for the same template; another `collisions` makes others."""
    encoded = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
    number = int.from_bytes(hashlib.sha256(encoded + str(collisions or 0).encode()).digest()[:8])
    letters = []
    for _ in range(_LENGTH):
        number, letter = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[letter])
    return "".join(letters)
