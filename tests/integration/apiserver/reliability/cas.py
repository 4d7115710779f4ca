"""Clients that fight over a few objects and write down what they asked and what they were told.

Every client goes to any of the servers at each step. Errors that leave the outcome open (connection lost,
5xx) become `unknown`; 429 and refused connections mean that nothing happened.
"""

import asyncio
import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import ClientConnectorError, ClientError, ClientSession

from tests.integration.apiserver.reliability.linear import (
    CONFLICT,
    CREATE,
    DELETE,
    EXISTS,
    MISSING,
    OK,
    PUT,
    READ,
    UNKNOWN,
    UPDATE,
    Op,
    revision_faults,
    stuck_at,
)

SPACE = "linear"
PATH = f"/api/v1/namespaces/{SPACE}/configmaps"
_KINDS = (CREATE, UPDATE, UPDATE, PUT, DELETE, READ, READ, "list")
_REFUSED = {404: MISSING, 409: CONFLICT}


class History:
    """What happened to each key, and when: seconds of the event loop's clock."""

    def __init__(self) -> None:
        self.ops: dict[str, list[Op]] = {}
        # (began, ended, revision) of every list.
        self.lists: list[tuple[float, float, int]] = []
        self._values = itertools.count()

    def new_value(self) -> str:
        return f"v{next(self._values)}"

    def add(self, key: str, op: Op) -> None:
        self.ops.setdefault(key, []).append(op)

    @property
    def count(self) -> int:
        return sum(map(len, self.ops.values()))

    @property
    def unknown(self) -> int:
        return sum(op.outcome == UNKNOWN for ops in self.ops.values() for op in ops)

    def faults(self) -> list[str]:
        """Return what no correct server could have told."""
        found = [
            f"{key}: no order explains {left[:3]}" for key, ops in self.ops.items() if (left := stuck_at(ops))
        ]
        found += revision_faults(op for ops in self.ops.values() for op in ops)
        return found + self._lists_going_back()

    def _lists_going_back(self) -> list[str]:
        """A consistent list is never older than one that had ended before it began."""
        faults, highest = [], 0
        by_end = sorted(self.lists, key=lambda one: one[1])
        position = 0
        for began, _, revision in sorted(self.lists):
            while position < len(by_end) and by_end[position][1] < began:
                highest = max(highest, by_end[position][2])
                position += 1
            if revision < highest:
                faults.append(f"a list at {revision} began after one at {highest} had ended")
        return faults


class Client:
    """One client; `known` is what it last saw of each key: (revision, value)."""

    def __init__(
        self, session: ClientSession, urls: Sequence[str], history: History, keys: int, seed: int
    ) -> None:
        self._session, self._urls, self._history = session, urls, history
        self._draw = random.Random(seed)
        self._keys = [f"k{number}" for number in range(keys)]
        self._known: dict[str, tuple[str, str]] = {}

    async def run(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            kind, key = self._draw.choice(_KINDS), self._draw.choice(self._keys)
            if kind == "list":
                await self._list()
            elif kind == READ:
                await self._read(key)
            else:
                await self._write(kind, key)
            await asyncio.sleep(self._draw.random() * 0.004)

    async def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and object; 0: nothing was sent, -1: nobody knows what happened."""
        data = orjson.dumps(body) if body is not None else None
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        url = self._draw.choice(list(self._urls)) + path
        try:
            async with self._session.request(
                method, url, data=data, headers={"Content-Type": kind}
            ) as response:
                return response.status, orjson.loads(await response.read())
        except ClientConnectorError:
            return 0, {}
        except (ClientError, TimeoutError, orjson.JSONDecodeError):
            return -1, {}

    async def _read(self, key: str) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        status, told = await self._ask("GET", f"{PATH}/{key}")
        if status == 200:
            self._saw(key, told, READ, began)
        elif status == 404:
            self._known.pop(key, None)
            self._history.add(key, Op(READ, MISSING, began, loop.time()))

    async def _list(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        status, told = await self._ask("GET", PATH)
        if status != 200:
            return
        ended = loop.time()
        self._history.lists.append((began, ended, int(told["metadata"]["resourceVersion"])))
        found = {item["metadata"]["name"]: item for item in told["items"]}
        for key in self._keys:
            if key in found:
                self._saw(key, found[key], READ, began)
            else:
                self._history.add(key, Op(READ, MISSING, began, ended))

    def _saw(self, key: str, obj: Any, kind: str, began: float, expected: str = "") -> None:
        revision, value = obj["metadata"]["resourceVersion"], obj["data"]["v"]
        self._known[key] = (revision, value)
        ended = asyncio.get_running_loop().time()
        self._history.add(key, Op(kind, OK, began, ended, value, expected, int(revision)))

    async def _write(self, kind: str, key: str) -> None:
        loop, history = asyncio.get_running_loop(), self._history
        value, (revision, expected) = history.new_value(), self._known.get(key, ("", ""))
        if kind == UPDATE and not expected:
            return
        if kind in (PUT, CREATE) or (kind == DELETE and self._draw.random() < 0.5):
            revision = expected = ""
        began = loop.time()
        status, told = await self._ask(*_request(kind, key, value, revision))
        if status in (200, 201):
            if kind == DELETE:
                self._known.pop(key, None)
                history.add(key, Op(DELETE, OK, began, loop.time(), "", expected))
            else:
                self._saw(key, told, kind, began, expected)
        elif status in _REFUSED:
            outcome = EXISTS if kind == CREATE and status == 409 else _REFUSED[status]
            history.add(key, Op(kind, outcome, began, loop.time(), value, expected))
        elif status == -1 or status >= 500:
            history.add(key, Op(kind, UNKNOWN, began, math.inf, value, expected))


def _request(kind: str, key: str, value: str, revision: str) -> tuple[str, str, Any]:
    obj = {"metadata": {"name": key}, "data": {"v": value}}
    if kind == CREATE:
        return "POST", PATH, obj
    if kind == UPDATE:
        return "PUT", f"{PATH}/{key}", {**obj, "metadata": {"name": key, "resourceVersion": revision}}
    if kind == PUT:
        return "PATCH", f"{PATH}/{key}", {"data": {"v": value}}
    options = {"preconditions": {"resourceVersion": revision}} if revision else {}
    return "DELETE", f"{PATH}/{key}", options


async def fight(
    session: ClientSession, urls: Sequence[str], seconds: float, seed: int, clients: int = 8, keys: int = 6
) -> History:
    """Let clients fight for some seconds; return the history."""
    await _make_space(session, urls[0])
    history, until = History(), asyncio.get_running_loop().time() + seconds
    everybody = [Client(session, urls, history, keys, seed * 1000 + number) for number in range(clients)]
    await asyncio.gather(*(one.run(until) for one in everybody))
    return history


async def _make_space(session: ClientSession, url: str) -> None:
    """Make the namespace, empty: the register of every key begins with nothing."""
    async with session.post(f"{url}/api/v1/namespaces", json={"metadata": {"name": SPACE}}) as made:
        assert made.status in (201, 409), await made.text()
    async with session.delete(url + PATH) as cleared:
        assert cleared.status == 200, await cleared.text()
