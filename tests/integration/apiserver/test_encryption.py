"""Secrets in the store: sealed, with keys that rotate, and what happens when a key is lost."""

import asyncio
import base64

import pytest

from api.types.core_v1 import CONFIGMAPS, SECRETS
from apiserver.app import build
from apiserver.config import Config
from apiserver.encryption import load
from store.keys import key_for
from tests.integration.in_process import client_of

PATH = "/api/v1/namespaces/default/secrets"
AT = key_for(SECRETS, "default", "s")


def write_config(path, *names, identity=True):
    keys = [f"{{name: {n}, secret: {base64.b64encode(n.encode().ljust(32)).decode()}}}" for n in names]
    providers = [f"      - secretbox: {{keys: [{', '.join(keys)}]}}"] if names else []
    providers += ["      - identity: {}"] if identity else []
    path.write_text(
        "kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources:\n"
        "  - resources: [secrets]\n    providers:\n" + "\n".join(providers) + "\n"
    )


@pytest.fixture
def config_file(tmp_path):
    return tmp_path / "encryption.yaml"


async def start(backend, config_file):
    return await build(
        Config(encryption_provider_config=config_file, disable_admission_plugins=("ServiceAccount",)), backend
    )


def secret(value="geheim"):
    return {"metadata": {"name": "s"}, "stringData": {"word": value}}


def word(obj):
    return base64.b64decode(obj["data"]["word"])


async def stored(backend, at=AT):
    found = await backend.get(at)
    assert found is not None
    return found.value


async def test_a_secret_is_sealed_and_a_configmap_is_not(backend, config_file):
    write_config(config_file, "k1")
    server = await start(backend, config_file)
    client = client_of(server)
    await client.create(SECRETS, secret(), "default")
    await client.create(CONFIGMAPS, {"metadata": {"name": "c"}, "data": {"word": "offen"}}, "default")
    assert (await stored(backend)).startswith(b"k8s:enc:secretbox:v1:k1:")
    assert b"offen" in await stored(backend, key_for(CONFIGMAPS, "default", "c"))
    assert word(await client.get(SECRETS, "s", "default")) == b"geheim"
    await client.patch(SECRETS, "s", "default", {"stringData": {"word": "neu"}})
    assert word(await client.get(SECRETS, "s", "default")) == b"neu"
    assert base64.b64encode(b"neu") not in await stored(backend)
    await server.close()


async def test_rotation_through_three_keys(backend, config_file):
    write_config(config_file)
    server = await start(backend, config_file)
    await client_of(server).create(SECRETS, secret(), "default")
    assert (await stored(backend)).startswith(b"{")
    await server.close()
    for names in (("k1",), ("k2", "k1"), ("k3", "k2")):
        write_config(config_file, *names)
        server = await start(backend, config_file)
        client = client_of(server)
        found = await client.get(SECRETS, "s", "default")
        assert word(found) == b"geheim"
        await client.update(SECRETS, found)
        assert (await stored(backend)).startswith(f"k8s:enc:secretbox:v1:{names[0]}:".encode())
        again = await client.get(SECRETS, "s", "default")
        await client.update(SECRETS, again)
        assert (await client.get(SECRETS, "s", "default"))["metadata"] == again["metadata"]
        await server.close()


async def test_a_lost_key_is_an_error_and_others_are_served(backend, config_file):
    write_config(config_file, "k1")
    server = await start(backend, config_file)
    await client_of(server).create(SECRETS, secret(), "default")
    await server.close()
    write_config(config_file, "k2")
    server = await start(backend, config_file)
    client = client_of(server)
    await client.create(SECRETS, {"metadata": {"name": "other"}}, "default")
    with pytest.raises(Exception, match='unable to transform key "/registry/core/secrets/default/s"'):
        await client.get(SECRETS, "s", "default")
    listed = await client.list(SECRETS, "default")
    assert [item["metadata"]["name"] for item in listed.items] == ["other"]
    with pytest.raises(Exception, match="unable to transform key"):
        await client.delete(SECRETS, "s", "default")
    await server.close()
    write_config(config_file, "k2", "k1")
    server = await start(backend, config_file)
    assert word(await client_of(server).get(SECRETS, "s", "default")) == b"geheim"
    await server.close()


async def test_a_changed_file_is_read_again(backend, config_file, monkeypatch):
    monkeypatch.setattr(load, "RELOAD_S", 0.01)
    write_config(config_file, "k1")
    server = await start(backend, config_file)
    client = client_of(server)
    config_file.write_text("nonsense")
    await asyncio.sleep(0.05)
    await client.create(SECRETS, secret(), "default")
    assert (await stored(backend)).startswith(b"k8s:enc:secretbox:v1:k1:")
    write_config(config_file, "k2", "k1")
    async with asyncio.timeout(5):
        while not (await stored(backend)).startswith(b"k8s:enc:secretbox:v1:k2:"):
            await asyncio.sleep(0.02)
            found = await client.get(SECRETS, "s", "default")
            await client.update(SECRETS, found)
    assert word(await client.get(SECRETS, "s", "default")) == b"geheim"
    await server.close()


async def test_a_damaged_object_does_not_stop_the_server(backend, config_file):
    write_config(config_file)
    server = await start(backend, config_file)
    client = client_of(server)
    await client.create(SECRETS, secret(), "default")
    revision = (await backend.get(AT)).revision
    await backend.update(AT, b'"not an object"', revision)
    await client.create(SECRETS, {"metadata": {"name": "other"}}, "default")
    listed = await client.list(SECRETS, "default")
    assert [item["metadata"]["name"] for item in listed.items] == ["other"]
    with pytest.raises(Exception, match="unable to decode the value"):
        await client.get(SECRETS, "s", "default")
    await server.close()
