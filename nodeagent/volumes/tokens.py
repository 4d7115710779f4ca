"""Service account tokens for projected volumes: bound to the pod, renewed at 80 % of their life.

Called by the volume manager. Source: pkg/kubelet/token/token_manager.go (1.36).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from api.errors import StatusError
from api.resource import Obj
from api.times import parse_time
from api.types.core_v1 import SERVICEACCOUNTS
from client.api import Client
from client.transport import Unreachable
from kit import clock, log
from nodeagent.volumes.plugin import TokenSpec, VolumeError

_log = log.get("nodeagent.tokens")
_RENEW_AT = 0.8
_MAX_AGE = timedelta(hours=24)
# A renewal that failed is tried again after this, while the old token still holds.
_RETRY = timedelta(seconds=10)


@dataclass
class Token:
    """A token; `renew_at` moves on if a renewal fails."""

    text: str
    expires: datetime
    renew_at: datetime


def renewal_time(issued: datetime, expires: datetime) -> datetime:
    """Return when to ask for the next token."""
    return issued + min((expires - issued) * _RENEW_AT, _MAX_AGE)


class TokenCache:
    """Owns the tokens of all pods of this node."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tokens: dict[tuple[str, TokenSpec], Token] = {}

    async def get(self, pod: Obj, spec: TokenSpec) -> Token:
        """Return a token that is not due for renewal, if the API server can be reached.

        Raises `VolumeError` if there is no valid token at all.
        """
        key = (pod["metadata"]["uid"], spec)
        held = self._tokens.get(key)
        if held is not None and clock.now() < held.renew_at:
            return held
        try:
            held = self._tokens[key] = await self._request(pod, spec)
        except (StatusError, Unreachable) as error:
            if held is None or clock.now() >= held.expires:
                raise VolumeError(f"failed to fetch token: {error}") from error
            _log.warning("token not renewed", pod=pod["metadata"]["name"], error=str(error))
            held.renew_at = clock.now() + _RETRY
        return held

    def forget(self, uid: str) -> None:
        """Drop the tokens of a pod that is gone."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]

    async def _request(self, pod: Obj, spec: TokenSpec) -> Token:
        metadata = pod["metadata"]
        account = pod["spec"].get("serviceAccountName") or "default"
        bound = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
        request: Obj = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {},
            "spec": {
                "audiences": [spec.audience] if spec.audience else [],
                "expirationSeconds": spec.expiration_s,
                "boundObjectRef": bound,
            },
        }
        namespace = metadata["namespace"]
        issued = clock.now()
        answer: Obj = dict(
            await self._client.create(SERVICEACCOUNTS, request, namespace, subresource="token", name=account)
        )
        status = answer["status"]
        expires = parse_time(status["expirationTimestamp"])
        return Token(status["token"], expires, renewal_time(issued, expires))
