"""EncryptionConfiguration: which resources are encrypted in the store, and with which keys. Pure.

    kind: EncryptionConfiguration
    apiVersion: apiserver.config.k8s.io/v1
    resources:
      - resources: [secrets]                    also "*.apps", "*." (the core group), "*.*"
        providers:                              the first one writes; all of them read
          - secretbox: {keys: [{name: k2, secret: BASE64 of 32 bytes}, {name: k1, secret: ...}]}
          - identity: {}

To rotate: put the new key second, let every server read it; put it first; rewrite the objects (an update
that changes nothing is written if the stored bytes are of an older key); drop the old one.
Spec: k8s.io/apiserver/pkg/apis/apiserver v1 EncryptionConfiguration, validation (1.36).
DEVIATION: no `kms` provider.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

API_VERSION = "apiserver.config.k8s.io/v1"
KIND = "EncryptionConfiguration"
# Provider -> lengths in bytes that its keys may have.
KEY_LENGTHS: Mapping[str, tuple[int, ...]] = {
    "aescbc": (16, 24, 32),
    "aesgcm": (16, 24, 32),
    "secretbox": (32,),
}
IDENTITY = "identity"


@dataclass(frozen=True)
class Key:
    """`name` is written beside the data, `secret` never leaves the process."""

    name: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.name!r})"


@dataclass(frozen=True)
class Provider:
    kind: str
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Rule:
    """The providers of the resources `plural`, `plural.group`, `*.group`, `*.` or `*.*`."""

    resources: tuple[str, ...]
    providers: tuple[Provider, ...]


def parse(document: Any) -> tuple[Rule, ...]:
    """Return the rules of a decoded configuration. Raises `ValueError` that names the field at fault."""
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ValueError(f"not an {KIND}")
    if document.get("apiVersion") != API_VERSION:
        raise ValueError(f"apiVersion: must be {API_VERSION}")
    return tuple(
        _rule(item, f"resources[{number}]") for number, item in enumerate(_list(document, "resources", ""))
    )


def rule_of(rules: tuple[Rule, ...], group: str, plural: str) -> Rule | None:
    """Return the first rule for a resource, None if it is stored as it is."""
    wanted = {f"{plural}.{group}" if group else plural, f"*.{group}", "*.*"}
    return next((rule for rule in rules if wanted.intersection(rule.resources)), None)


def _rule(item: Any, path: str) -> Rule:
    names = _list(item, "resources", path)
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name or name == "*":
            raise ValueError(f"{path}.resources[{number}]: {name!r} is no resource; use '*.*' for all")
    providers = _list(item, "providers", path)
    return Rule(
        tuple(names), tuple(_provider(one, f"{path}.providers[{n}]") for n, one in enumerate(providers))
    )


def _list(item: Any, name: str, path: str) -> list[Any]:
    found = item.get(name) if isinstance(item, dict) else None
    if not isinstance(found, list) or not found:
        raise ValueError(f"{path}{'.' if path else ''}{name}: at least one is required")
    return found


def _provider(item: Any, path: str) -> Provider:
    if not isinstance(item, dict) or len(item) != 1:
        raise ValueError(f"{path}: exactly one of {', '.join((*KEY_LENGTHS, IDENTITY))} is required")
    kind, settings = next(iter(item.items()))
    if kind == IDENTITY:
        return Provider(IDENTITY)
    if kind not in KEY_LENGTHS:
        raise ValueError(f"{path}: provider {kind!r} is not supported here")
    keys = tuple(
        _key(one, KEY_LENGTHS[kind], f"{path}.{kind}.keys[{number}]")
        for number, one in enumerate(_list(settings, "keys", f"{path}.{kind}"))
    )
    if len({key.name for key in keys}) != len(keys):
        raise ValueError(f"{path}.{kind}.keys: names must be unique")
    return Provider(kind, keys)


def _key(item: Any, lengths: tuple[int, ...], path: str) -> Key:
    name, secret = (item.get("name"), item.get("secret")) if isinstance(item, dict) else (None, None)
    if not isinstance(name, str) or not name or ":" in name:
        raise ValueError(f"{path}.name: a name without colons is required")
    try:
        raw = base64.b64decode(secret if isinstance(secret, str) else "", validate=True)
    except binascii.Error as error:
        raise ValueError(f"{path}.secret: must be base64") from error
    if len(raw) not in lengths:
        raise ValueError(f"{path}.secret: must have {' or '.join(map(str, lengths))} bytes, has {len(raw)}")
    return Key(name, raw)
