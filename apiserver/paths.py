"""Paths outside the resources that describe the server: discovery, OpenAPI, OpenID metadata.

Called by `app.py` for requests that are not about a resource.
"""

from apiserver.aggregation.openapi import MergedOpenAPI
from apiserver.authn.oidc import CONFIGURATION_PATH, JWKS_PATH, OpenIDMetadata
from apiserver.discovery import Discovery
from apiserver.http.message import Answer, Request


class Paths:
    """Answers a request to one of those paths, or None to one of none of them."""

    def __init__(self, discovery: Discovery, openapi: MergedOpenAPI, openid: OpenIDMetadata | None) -> None:
        self._discovery = discovery
        self._openapi = openapi
        self._openid = openid

    async def answer(self, request: Request) -> Answer | None:
        if request.method not in ("GET", "HEAD"):
            return None
        path = request.path.rstrip("/")
        root = path.split("/", 2)[1] if path else ""
        if root in ("api", "apis"):
            return await self._discovery.handle(request)
        if root == "openapi":
            return await self._openapi.handle(request)
        if path in (CONFIGURATION_PATH, JWKS_PATH) and self._openid is not None:
            return await self._openid.handle(request)
        if not path:
            return self._root()
        return None

    def _root(self) -> Answer:
        return self._discovery.root()
