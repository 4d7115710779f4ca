"""The OpenID discovery documents, with which others verify service account tokens.

Source: pkg/serviceaccount/openidmetadata.go (1.36).
"""

from urllib.parse import urlsplit

import orjson

from apiserver.authn.keys import VerifyKeys
from apiserver.http.message import Request, Response

CONFIGURATION_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/openid/v1/jwks"


class OpenIDMetadata:
    """Answers `/.well-known/openid-configuration` and `/openid/v1/jwks`; built once."""

    def __init__(self, issuer: str, keys: VerifyKeys, jwks_uri: str = "") -> None:
        """`jwks_uri` defaults to the issuer's host."""
        split = urlsplit(issuer)
        document = {
            "issuer": issuer,
            "jwks_uri": jwks_uri or f"{split.scheme}://{split.netloc}{JWKS_PATH}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": keys.algorithms(),
        }
        self._answers = {
            CONFIGURATION_PATH: (orjson.dumps(document), "application/json"),
            JWKS_PATH: (orjson.dumps(keys.jwks()), "application/jwk-set+json"),
        }

    async def handle(self, request: Request) -> Response:
        """Answer one of the two paths (with or without a slash at the end)."""
        body, content_type = self._answers[request.path.rstrip("/")]
        return Response(200, body, content_type, {"Cache-Control": "public, max-age=3600"})
