"""A store whose values of some resources are sealed: what the API server puts around its backend when it is
given an encryption configuration.

Keys, revisions and all promises are those of the backend within. A value that cannot be opened is `get`'s
error `Unreadable`; lists and watches hand it on sealed, for the watch cache to set aside.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from apiserver.encryption.config import Rule, rule_of
from apiserver.encryption.transform import CannotOpen, Transformer
from kit import log
from store.backend import (
    Backend,
    Batch,
    Event,
    KeyExists,
    KeyValue,
    Page,
    RevisionMismatch,
    Unreadable,
)

_log = log.get("apiserver.encryption")


class EncryptedBackend:
    """`Backend` over another one. `use` takes new rules at any time."""

    def __init__(self, within: Backend, rules: tuple[Rule, ...]) -> None:
        self._within = within
        self._rules: tuple[Rule, ...] = ()
        # "/registry/core/secrets" -> its keys; None: stored as it is.
        self._transformers: dict[str, Transformer | None] = {}
        self._by_rule: dict[Rule, Transformer] = {}
        self.use(rules)

    def use(self, rules: tuple[Rule, ...]) -> None:
        """Seal and open by these rules from now on. Raises `ValueError` for unusable keys."""
        made = {rule: Transformer(rule.providers) for rule in rules}
        self._rules, self._by_rule = rules, made
        self._transformers = {}

    def _of(self, key: str) -> Transformer | None:
        _, root, group, plural, *_ = (*key.split("/", 4), "", "", "", "")
        name = f"/{root}/{group}/{plural}"
        if name not in self._transformers:
            rule = rule_of(self._rules, "" if group == "core" else group, plural)
            self._transformers[name] = self._by_rule[rule] if rule is not None else None
        return self._transformers[name]

    def _sealed(self, key: str, value: bytes) -> bytes:
        transformer = self._of(key)
        return transformer.seal(value, key.encode()) if transformer is not None else value

    def _opened(self, key: str, value: bytes) -> bytes:
        """Return the plain value, or the sealed one if no key fits."""
        transformer = self._of(key)
        if transformer is None:
            return value
        try:
            return transformer.open(value, key.encode())
        except CannotOpen as error:
            _log.error("cannot decrypt", key=key, error=str(error))
            return value

    def _item(self, item: KeyValue) -> KeyValue:
        value = self._opened(item.key, item.value)
        return item if value is item.value else replace(item, value=value)

    async def get(self, key: str) -> KeyValue | None:
        found, transformer = await self._within.get(key), self._of(key)
        if found is None or transformer is None:
            return found
        try:
            return replace(found, value=transformer.open(found.value, key.encode()))
        except CannotOpen as error:
            raise Unreadable(key, str(error)) from error

    async def is_stale(self, key: str) -> bool:
        """Say whether the stored value should be written again: it is sealed with an older key, or not at
        all."""
        transformer = self._of(key)
        found = await self._within.get(key) if transformer is not None else None
        return found is not None and transformer is not None and transformer.is_stale(found.value)

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        page = await self._within.list(prefix, limit=limit, after=after, revision=revision)
        return replace(page, items=[self._item(item) for item in page.items])

    async def create(self, key: str, value: bytes, ttl_s: int = 0) -> int:
        try:
            return await self._within.create(key, self._sealed(key, value), ttl_s)
        except KeyExists as error:
            raise KeyExists(self._item(error.current)) from error

    async def update(self, key: str, value: bytes, revision: int, ttl_s: int = 0) -> int:
        try:
            return await self._within.update(key, self._sealed(key, value), revision, ttl_s)
        except RevisionMismatch as error:
            raise self._mismatch(key, error) from error

    async def delete(self, key: str, revision: int) -> int:
        try:
            return await self._within.delete(key, revision)
        except RevisionMismatch as error:
            raise self._mismatch(key, error) from error

    def _mismatch(self, key: str, error: RevisionMismatch) -> RevisionMismatch:
        return RevisionMismatch(key, self._item(error.current) if error.current is not None else None)

    async def watch(self, prefix: str, revision: int) -> AsyncGenerator[Batch, None]:
        async with aclosing(self._within.watch(prefix, revision)) as batches:
            async for batch in batches:
                if any(self._of(event.key) is not None for event in batch.events):
                    batch = Batch(tuple(self._event(event) for event in batch.events), batch.revision)
                yield batch

    def _event(self, event: Event) -> Event:
        if self._of(event.key) is None:
            return event
        value = self._opened(event.key, event.value) if event.value is not None else None
        previous = self._item(event.previous) if event.previous is not None else None
        return replace(event, value=value, previous=previous)

    async def progress(self) -> None:
        await self._within.progress()

    async def current_revision(self) -> int:
        return await self._within.current_revision()

    async def compact(self, revision: int) -> None:
        await self._within.compact(revision)

    async def size_bytes(self) -> int:
        return await self._within.size_bytes()

    async def close(self) -> None:
        await self._within.close()
