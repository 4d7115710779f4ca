"""Bootstrap tokens: Secrets of kube-system that let a new node ask for its certificate.

Source: plugin/pkg/auth/authenticator/token/bootstrap (1.36).
"""

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from api.resource import Obj
from api.types.core_v1 import SECRETS
from apiserver.http.message import User
from apiserver.registry import Registry
from kit import clock

NAMESPACE = "kube-system"
SECRET_TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})\Z")
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\Z")


class BootstrapTokens:
    """Authenticates `id.secret` tokens against the Secret `bootstrap-token-<id>`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def authenticate_token(self, token: str, audiences: Sequence[str] = ()) -> User | None:
        """Return `system:bootstrap:<id>`, None if there is no such usable token."""
        match = _TOKEN.match(token)
        if audiences or match is None:
            return None
        secret = self._registry.cached(SECRETS, NAMESPACE, f"bootstrap-token-{match[1]}")
        return None if secret is None else user_of(secret, match[1], match[2], clock.now())


def user_of(secret: Obj, token_id: str, token_secret: str, now: datetime) -> User | None:
    """Return the user that a token's Secret stands for, None if it does not vouch for this token now."""
    data = {key: _decode(value) for key, value in (secret.get("data") or {}).items()}
    usable = (
        secret.get("type") == SECRET_TYPE
        and "deletionTimestamp" not in secret["metadata"]
        and hmac.compare_digest(data.get("token-secret", ""), token_secret)
        and data.get("token-id") == token_id
        and data.get("usage-bootstrap-authentication") == "true"
        and not _is_expired(data.get("expiration", ""), now)
    )
    groups = _groups(data.get("auth-extra-groups", ""))
    if not usable or groups is None:
        return None
    return User(f"system:bootstrap:{token_id}", groups)


def _groups(text: str) -> tuple[str, ...] | None:
    extra = {part.strip() for part in text.split(",") if part.strip()}
    if any(not _EXTRA_GROUP.match(name) for name in extra):
        return None
    return tuple(sorted(extra | {GROUP}))


def _is_expired(text: str, now: datetime) -> bool:
    if not text:
        return False
    try:
        return datetime.fromisoformat(text) <= now
    except (ValueError, TypeError):
        return True


def _decode(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
