"""Where a request carries a bearer token: the Authorization header, or a WebSocket subprotocol (browsers).

Source: k8s.io/apiserver/pkg/authentication/request/{bearertoken,websocket} (1.36).
"""

import base64
import binascii
from collections.abc import Mapping

_WEBSOCKET_PREFIX = "base64url.bearer.authorization.k8s.io."


def token_of(headers: Mapping[str, str]) -> str:
    """Return the bearer token of a request, "" if it has none. Header names are lower case."""
    value = headers.get("authorization", "")
    if value[:7].lower() == "bearer ":
        return value[7:].strip()
    protocols = headers.get("sec-websocket-protocol", "")
    return _from_protocols(protocols) if _WEBSOCKET_PREFIX in protocols else ""


def without_token(protocols: str) -> str:
    """Return a Sec-WebSocket-Protocol header without the entry that carries a token."""
    kept = [item.strip() for item in protocols.split(",") if not item.strip().startswith(_WEBSOCKET_PREFIX)]
    return ", ".join(kept)


def _from_protocols(protocols: str) -> str:
    for item in protocols.split(","):
        name = item.strip()
        if name.startswith(_WEBSOCKET_PREFIX):
            encoded = name.removeprefix(_WEBSOCKET_PREFIX)
            try:
                return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
            except (binascii.Error, UnicodeDecodeError):
                return ""
    return ""
