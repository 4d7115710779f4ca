"""Volumes of pods: a real API server in this process over the memory store, real files and mounts."""

import base64
import os
import stat
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.resource import Obj
from api.types.core_v1 import (
    CONFIGMAPS,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    SECRETS,
    SERVICEACCOUNTS,
)
from apiserver.config import Config
from client.api import Client
from kit import clock, tls
from kit.tasks import Tasks
from nodeagent.pod.env import ConfigError
from nodeagent.pod.references import References
from nodeagent.volumes import mounts
from nodeagent.volumes.manager import VolumeManager
from nodeagent.volumes.plugin import VolumeError
from nodeagent.volumes.tokens import renewal_time
from tests.integration.in_process import serving


@pytest.fixture
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    key = tmp_path_factory.mktemp("pki") / "sa.key"
    key.write_bytes(tls.new_key())
    settings = Config(
        advertise_address="192.0.2.1",
        service_account_issuer="https://test",
        service_account_signing_key_file=key,
        service_account_key_file=(str(key),),
    )
    async with serving(settings) as client:
        yield client


class Node:
    """The part of an agent that these tests are about."""

    def __init__(self, client: Client, root: Path) -> None:
        self.client, self.root, self.tasks = client, root, Tasks()
        self.references = References(client, self.tasks)
        self.volumes = VolumeManager(root, client, self.references, self.tasks)

    def path(self, *parts: str) -> Path:
        return self.root.joinpath("pods", "uid-1", *parts)


@pytest.fixture
async def node(client: Client, tmp_path: Path) -> AsyncIterator[Node]:
    node = Node(client, tmp_path)
    try:
        yield node
    finally:
        await node.tasks.close()
        mounts.unmount_all(tmp_path)


def new_pod(*volumes: Obj, **spec: Any) -> Obj:
    named = [{"name": f"v{index}", **volume} for index, volume in enumerate(volumes)]
    metadata = {"name": "p", "namespace": "default", "uid": "uid-1", "labels": {"a": "1"}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c"}], "volumes": named, **spec}}


async def until(check: Callable[[], bool]) -> float:
    """Wait until the check holds; return how long that took."""
    began = clock.monotonic()
    while not check():
        assert clock.monotonic() - began < 10, "not in time"
        await clock.sleep(0.01)
    return clock.monotonic() - began


def config(name: str = "c", **data: str) -> Obj:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def secret(name: str = "s", **data: str) -> Obj:
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    return {"metadata": {"name": name, "namespace": "default"}, "data": encoded}


async def test_configmap_and_secret_follow_their_sources(node: Node) -> None:
    await node.client.create(CONFIGMAPS, config(k="1"))
    await node.client.create(SECRETS, secret(pw="x"))
    pod = new_pod({"configMap": {"name": "c"}}, {"secret": {"secretName": "s", "defaultMode": 0o400}})
    paths = await node.volumes.mount_pod(pod)
    key, password = paths["v0"] / "k", paths["v1"] / "pw"
    assert key.read_text() == "1"
    assert stat.S_IMODE(password.stat().st_mode) == 0o400
    assert mounts.is_mount_point(paths["v1"])
    await node.client.patch(CONFIGMAPS, "c", "default", {"data": {"k": "2", "l": "3"}})
    assert await until(lambda: key.read_text() == "2") < 1
    assert (paths["v0"] / "l").read_text() == "3"
    await node.client.patch(SECRETS, "s", "default", {"data": {"pw": "eQ=="}})
    assert await until(lambda: password.read_text() == "y") < 1


async def test_optional_sources_come_and_go(node: Node) -> None:
    pod = new_pod({"configMap": {"name": "c", "optional": True}})
    path = (await node.volumes.mount_pod(pod))["v0"]
    assert [entry for entry in os.listdir(path) if not entry.startswith("..")] == []
    await node.client.create(CONFIGMAPS, config(k="1"))
    await until(lambda: (path / "k").exists())
    await node.client.delete(CONFIGMAPS, "c", "default")
    await until(lambda: not os.path.lexists(path / "k"))


async def test_what_is_missing_is_said_and_set_up_when_it_comes(node: Node) -> None:
    pod = new_pod({"secret": {"secretName": "s"}}, {"emptyDir": {}})
    with pytest.raises(
        VolumeError, match=r'MountVolume\.SetUp failed for volume "v0" : secret "s" not found'
    ):
        await node.volumes.mount_pod(pod)
    await node.client.create(SECRETS, secret(pw="x"))
    await until(lambda: node.path("volumes", "kubernetes.io~secret", "v0", "pw").exists())
    assert set(await node.volumes.mount_pod(pod)) == {"v0", "v1"}


async def test_labels_in_files_follow_the_pod(node: Node) -> None:
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    pod = new_pod({"downwardAPI": {"items": items}})
    path = (await node.volumes.mount_pod(pod))["v0"] / "labels"
    assert path.read_text() == 'a="1"'
    newer = {**pod, "metadata": {**pod["metadata"], "labels": {"a": "2"}}}
    node.volumes.pod_changed(newer)
    await until(lambda: path.read_text() == 'a="2"')


async def test_service_account_token(node: Node) -> None:
    await node.client.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": "default"}})
    created = await node.client.create(
        PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}, "default"
    )
    sources = [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}]
    pod = new_pod({"projected": {"sources": sources}}, serviceAccountName="default")
    pod["metadata"]["uid"] = created["metadata"]["uid"]
    path = (await node.volumes.mount_pod(pod))["v0"] / "token"
    assert path.read_text().count(".") == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


async def test_empty_dir(node: Node) -> None:
    pod = new_pod({"emptyDir": {}}, {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}})
    paths = await node.volumes.mount_pod(pod)
    assert stat.S_IMODE(paths["v0"].stat().st_mode) == 0o777
    assert stat.S_IMODE(paths["v1"].stat().st_mode) == 0o777
    filesystem = os.statvfs(paths["v1"])
    assert filesystem.f_blocks * filesystem.f_frsize == 1 << 20
    (paths["v0"] / "kept").touch()
    again = Node(node.client, node.root)
    assert await again.volumes.mount_pod(pod) == paths
    assert (paths["v0"] / "kept").exists()
    await again.tasks.close()


async def test_fs_group(node: Node) -> None:
    await node.client.create(CONFIGMAPS, config(k="1"))
    pod = new_pod(
        {"emptyDir": {}},
        {"configMap": {"name": "c", "defaultMode": 0o400}},
        securityContext={"fsGroup": 1001},
    )
    paths = await node.volumes.mount_pod(pod)
    assert (paths["v0"].stat().st_gid, stat.S_IMODE(paths["v0"].stat().st_mode)) == (1001, 0o2777)
    found = (paths["v1"] / "k").stat()
    assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (1001, 0o440)


async def test_host_path_types(node: Node) -> None:
    made, missing = node.root / "made", node.root / "missing"
    volume = {"hostPath": {"path": str(made), "type": "DirectoryOrCreate"}}
    assert (await node.volumes.mount_pod(new_pod(volume)))["v0"] == made
    assert made.is_dir()
    with pytest.raises(VolumeError, match=f"hostPath type check failed: {missing} is not a file"):
        await node.volumes.mount_pod(new_pod({"hostPath": {"path": str(missing), "type": "File"}}))


async def test_claims(node: Node) -> None:
    folder = node.root / "disk"
    folder.mkdir()
    claim: Obj = {
        "metadata": {"name": "claim", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    pod = new_pod({"persistentVolumeClaim": {"claimName": "claim"}})
    with pytest.raises(VolumeError, match="error processing PVC default/claim"):
        await node.volumes.mount_pod(pod)
    await node.client.create(PERSISTENTVOLUMECLAIMS, claim)
    with pytest.raises(VolumeError, match="PVC is not bound"):
        await node.volumes.mount_pod(pod)
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": str(folder)},
    }
    await node.client.create(PERSISTENTVOLUMES, {"metadata": {"name": "pv"}, "spec": spec})
    await node.client.patch(PERSISTENTVOLUMECLAIMS, "claim", "default", {"spec": {"volumeName": "pv"}})
    status = {"status": {"phase": "Bound"}}
    await node.client.patch(PERSISTENTVOLUMECLAIMS, "claim", "default", status, subresource="status")
    assert (await node.volumes.mount_pod(pod))["v0"] == folder


def container(**mount: Any) -> Obj:
    return {"name": "c", "volumeMounts": [{"name": "v0", "mountPath": "/m", **mount}]}


async def test_mounts(node: Node) -> None:
    await node.client.create(CONFIGMAPS, config(k="1"))
    pod = new_pod({"emptyDir": {}}, {"configMap": {"name": "c"}})
    paths = await node.volumes.mount_pod(pod)
    plain, read_only = node.volumes.mounts_for(pod, container(), {}), container()
    assert [(one.host_path, one.container_path, one.readonly) for one in plain] == [
        (str(paths["v0"]), "/m", False)
    ]
    read_only["volumeMounts"][0] |= {"name": "v1", "mountPropagation": "HostToContainer"}
    (found,) = node.volumes.mounts_for(pod, read_only, {})
    assert (found.readonly, found.propagation) == (True, "HostToContainer")


def write(folder: str, name: str) -> None:
    Path(folder, name).touch()


def read(path: str) -> str:
    return Path(path).read_text()


async def test_sub_paths(node: Node) -> None:
    await node.client.create(CONFIGMAPS, config(k="1"))
    pod = new_pod({"emptyDir": {}}, {"configMap": {"name": "c"}})
    paths = await node.volumes.mount_pod(pod)
    (folder,) = node.volumes.mounts_for(pod, container(subPathExpr="d/$(X)"), [("X", "e")])
    write(folder.host_path, "f")
    assert (paths["v0"] / "d" / "e" / "f").exists()
    (key,) = node.volumes.mounts_for(pod, {"name": "k", **container(name="v1", subPath="k")}, {})
    await node.client.patch(CONFIGMAPS, "c", "default", {"data": {"k": "2"}})
    await until(lambda: (paths["v1"] / "k").read_text() == "2")
    assert read(key.host_path) == "1"
    assert node.volumes.mounts_for(pod, container(subPathExpr="d/$(X)"), [("X", "e")]) == [folder]
    for bad, message in (
        ({"subPath": "/etc"}, "must not be an absolute path"),
        ({"subPath": "../x"}, "must not contain '..'"),
        ({"subPathExpr": "$(NO)"}, "missing value for NO"),
    ):
        with pytest.raises(ConfigError, match=message):
            node.volumes.mounts_for(pod, container(**bad), {})


async def test_a_link_cannot_lead_out_of_the_volume(node: Node) -> None:
    pod = new_pod({"emptyDir": {}})
    path = (await node.volumes.mount_pod(pod))["v0"]
    (path / "link").symlink_to("/etc")
    with pytest.raises(ConfigError, match="leads out of the volume"):
        node.volumes.mounts_for(pod, container(subPath="link"), {})


async def test_everything_is_taken_down(node: Node) -> None:
    await node.client.create(SECRETS, secret(pw="x"))
    pod = new_pod({"secret": {"secretName": "s"}}, {"emptyDir": {"medium": "Memory"}})
    await node.volumes.mount_pod(pod)
    mounts_of = {**container(name="v1", subPath="d")}
    node.volumes.mounts_for(pod, mounts_of, {})
    assert len(mounts.mount_points(node.root)) == 3
    await node.volumes.remove_pod("uid-1")
    assert mounts.mount_points(node.root) == []
    assert not node.path().exists()
    await node.volumes.remove_pod("uid-1")


async def test_orphans_of_an_earlier_agent(node: Node) -> None:
    pod = new_pod({"emptyDir": {"medium": "Memory"}})
    await node.volumes.mount_pod(pod)
    later = Node(node.client, node.root)
    await later.volumes.clean_orphans({"uid-1"})
    assert node.path().exists()
    await later.volumes.clean_orphans(set())
    assert not node.path().exists()
    assert mounts.mount_points(node.root) == []


async def test_a_pod_that_comes_while_orphans_are_looked_for_is_none(node: Node) -> None:
    await node.volumes.mount_pod(new_pod({"emptyDir": {}}))
    await node.volumes.clean_orphans(set())
    assert node.path().exists()
    await node.volumes.remove_pod("uid-1")


def test_tokens_are_renewed_at_four_fifths_of_their_life() -> None:
    issued = datetime(2026, 1, 1, tzinfo=UTC)
    assert renewal_time(issued, issued + timedelta(hours=1)) == issued + timedelta(minutes=48)
    assert renewal_time(issued, issued + timedelta(days=300)) == issued + timedelta(days=1)
