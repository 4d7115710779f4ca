"""The stores that `test_store*.py` check: memory, SQLite, and a real etcd, one supervised process per
session.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from apiserver.encryption.backend import EncryptedBackend
from apiserver.encryption.config import Key, Provider, Rule
from store.backend import Backend
from store.open import open_backend
from store.process import EtcdProcess, ensure_certs, find_etcd
from tests.contract.stores import Store, connect, free_port, new_prefix


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def etcd(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EtcdProcess]:
    assert find_etcd() is not None, "the contract is checked against a real etcd: install one"
    directory = tmp_path_factory.mktemp("etcd")
    process = EtcdProcess(directory / "data", free_port(), free_port(), ensure_certs(directory / "pki"))
    await process.start()
    try:
        await process.ready()
        yield process
    finally:
        await process.stop()


# What the API server puts around its store keeps the store's promises.
RULES = (Rule(("*.*",), (Provider("aesgcm", (Key("k1", bytes(32)),)),)),)


@pytest_asyncio.fixture(loop_scope="session", params=["memory", "sqlite", "etcd", "encrypted"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, etcd: EtcdProcess) -> AsyncIterator[Store]:
    kind = request.param
    prefix = new_prefix()

    async def another() -> Backend:
        if kind == "etcd":
            return await connect(etcd)
        opened = await open_backend("memory:" if kind == "memory" else f"sqlite:{tmp_path / 'store.db'}")
        return EncryptedBackend(opened, RULES) if kind == "encrypted" else opened

    backend = await another()
    try:
        yield Store(
            "sqlite" if kind == "encrypted" else kind,
            backend,
            prefix,
            another,
            etcd if kind == "etcd" else None,
        )
    finally:
        await backend.close()
