"""Acting as service accounts: one identity, with its own rights, for each part of a process.

    accounts = Accounts(client, anonymous_transport)
    client = accounts.client("replicaset-controller")

The account is made if it is not there, its token asked for when it is first needed and before it expires. All
identities share the connections of one transport that presents no certificate of its own.
Source: k8s.io/controller-manager/pkg/clientbuilder DynamicControllerClientBuilder (1.36).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from api.errors import AlreadyExists, NotFound, StatusError
from api.types.core_v1 import SERVICEACCOUNTS
from client.api import Client
from client.transport import RawRequest, RawResponse, StreamResponse, Transport, Unreachable
from kit import clock

TOKEN_S = 3600
# A token is replaced when this part of its life is over.
_REFRESH = 0.8


class Accounts:
    """Makes clients for service accounts of one namespace. `client` is the process's own: it gets tokens."""

    def __init__(
        self, client: Client, shared: Transport, namespace: str = "kube-system", field_manager: str = ""
    ) -> None:
        self._client = client
        self._shared = shared
        self._namespace = namespace
        self._field_manager = field_manager
        self._made: dict[str, Client] = {}

    def client(self, name: str) -> Client:
        """Return the client of the account `name`, the same one each time."""
        if name not in self._made:
            transport = AccountTransport(self, name, self._shared)
            self._made[name] = Client(transport, self._field_manager)
        return self._made[name]

    async def fetch_token(self, name: str) -> str:
        """Return a new token. Raises `StatusError`, `Unreachable`."""
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_S},
        }

        async def ask() -> str:
            answer: Any = await self._client.create(
                SERVICEACCOUNTS, request, self._namespace, subresource="token", name=name
            )
            return str(answer["status"]["token"])

        try:
            return await ask()
        except NotFound:
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
            with suppress(AlreadyExists):
                await self._client.create(SERVICEACCOUNTS, account, self._namespace)
            return await ask()


class AccountTransport:
    """Sends every request with the token of one account."""

    def __init__(self, accounts: Accounts, name: str, shared: Transport) -> None:
        self._accounts = accounts
        self._name = name
        self._shared = shared
        self._token = ""
        self._good_until = 0.0
        self._lock = asyncio.Lock()

    async def request(self, request: RawRequest) -> RawResponse:
        response = await self._shared.request(await self._signed(request))
        if response.status == 401:
            # The key or the account has changed: a new token, once.
            self._good_until = 0.0
            response = await self._shared.request(await self._signed(request))
        return response

    @asynccontextmanager
    async def stream(self, request: RawRequest) -> AsyncIterator[StreamResponse]:
        async with self._shared.stream(await self._signed(request)) as response:
            yield response

    async def close(self) -> None:
        """The shared transport is closed by its owner."""

    async def _signed(self, request: RawRequest) -> RawRequest:
        async with self._lock:
            if clock.monotonic() >= self._good_until:
                try:
                    self._token = await self._accounts.fetch_token(self._name)
                except StatusError as error:
                    raise Unreachable(f"no token for {self._name}: {error}") from error
                self._good_until = clock.monotonic() + TOKEN_S * _REFRESH
        return replace(request, headers={**request.headers, "Authorization": f"Bearer {self._token}"})
