"""What every CRI runtime must do for the node agent: the hollow one over its socket, and real containerd.

containerd runs privately, with folders, socket and cgroups of its own; where it cannot (no root, no binaries)
the hollow runtime alone stands for the contract.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from cli.images.base import BUSYBOX, PAUSE, build_base
from kit import clock
from kit.tasks import Tasks
from nodeagent.cgroups import Cgroups
from nodeagent.cri import convert, observe
from nodeagent.cri.client import Runtime
from nodeagent.cri.convert import ContainerSettings, SandboxSettings
from nodeagent.cri.errors import CRIError
from nodeagent.hollow.server import HollowServer
from nodeagent.hollow.service import HollowService, HollowSettings
from nodeagent.pod.observed import State
from nodeagent.resources import Limits
from proto.gen.cri import runtime_v1_pb2 as cri

IMAGE = BUSYBOX[1]
CONFIG = """version = 2
root = "{0}/root"
state = "{0}/state"
[grpc]
  address = "{0}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{1}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{0}/cni"
"""


def has_containerd():
    return os.geteuid() == 0 and all(shutil.which(name) for name in ("containerd", "ctr", "runc"))


RUNTIMES = ["hollow", *(["containerd"] if has_containerd() else [])]


@contextlib.contextmanager
def containerd(folder):
    (folder / "cni").mkdir(parents=True)
    config = folder / "config.toml"
    config.write_text(CONFIG.format(folder, PAUSE))
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen(
            ["containerd", "--config", config], stdout=out, stderr=out, start_new_session=True
        )
    try:
        archive = folder / "images.tar"
        archive.write_bytes(build_base())
        ctr = ["ctr", "--address", f"{folder}/containerd.sock", "--namespace", "k8s.io"]
        for _ in range(100):
            if subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode == 0:
                break
            clock.block(0.1)
        subprocess.run([*ctr, "images", "import", str(archive)], check=True, capture_output=True)
        yield f"{folder}/containerd.sock"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        unmount_below(folder)


def unmount_below(folder):
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in sorted((path for path in mounts if path.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "-l", path], check=False)


@pytest.fixture(scope="module")
def containerd_socket(tmp_path_factory):
    if not has_containerd():
        yield ""
        return
    with containerd(tmp_path_factory.mktemp("cri")) as socket:
        yield socket


@pytest.fixture(params=RUNTIMES)
async def runtime(request, tmp_path, containerd_socket):
    if request.param == "containerd":
        client = Runtime(containerd_socket)
        yield client
        for sandbox in await client.list_pod_sandbox():
            await client.stop_pod_sandbox(sandbox.id)
            await client.remove_pod_sandbox(sandbox.id)
        await client.close()
        Cgroups.detect().remove("/pelamis-contract-cri")
        return
    tasks = Tasks()
    server = HollowServer(HollowService(HollowSettings(), tasks), tmp_path / "cri.sock")
    await server.start()
    client = Runtime(str(tmp_path / "cri.sock"))
    await client.update_runtime_config("10.9.0.0/24")
    yield client
    await client.close()
    await server.close()
    await tasks.close()


def new_pod(uid="uid-1"):
    return {
        "metadata": {"name": "p", "namespace": "d", "uid": uid, "labels": {"app": "x"}},
        # On the node's network, so that no CNI is needed.
        "spec": {"hostNetwork": True, "containers": [{"name": "a", "image": IMAGE}]},
    }


def sandbox_of(pod, tmp_path, attempt=0):
    cgroup = f"/pelamis-contract-cri/pod{pod['metadata']['uid']}"
    return convert.sandbox_config(pod, SandboxSettings(attempt, "p", str(tmp_path / "logs"), cgroup))


def container_of(pod, *command, attempt=0):
    settings = ContainerSettings(attempt, IMAGE, command, (), (("A", "b"),), (), Limits(shares=2))
    return convert.container_config(pod, pod["spec"]["containers"][0], settings)


async def started(runtime, tmp_path, *command):
    pod = new_pod()
    config = sandbox_of(pod, tmp_path)
    (tmp_path / "logs").mkdir(exist_ok=True)
    sandbox = await runtime.run_pod_sandbox(config)
    container = await runtime.create_container(sandbox, container_of(pod, *command), config)
    await runtime.start_container(container)
    return sandbox, container


async def observed(runtime, container, sandbox=""):
    return observe.container_observed((await runtime.container_status(container)).status, sandbox)


async def test_version_and_status(runtime):
    assert (await runtime.version()).runtime_name in ("containerd", "hollow")
    conditions = {one.type: one.status for one in (await runtime.status()).status.conditions}
    assert conditions["RuntimeReady"]
    assert "NetworkReady" in conditions


async def test_a_sandbox_has_state_labels_and_attempt(runtime, tmp_path):
    sandbox = await runtime.run_pod_sandbox(sandbox_of(new_pod(), tmp_path, attempt=3))
    seen = observe.sandbox_observed((await runtime.pod_sandbox_status(sandbox)).status)
    assert (seen.id, seen.ready, seen.attempt) == (sandbox, True, 3)
    listed = await runtime.list_pod_sandbox({convert.POD_UID: "uid-1"})
    assert [(one.id, one.labels["app"]) for one in listed] == [(sandbox, "x")]
    assert await runtime.list_pod_sandbox({convert.POD_UID: "other"}) == []


async def test_a_container_runs_and_tells_what_it_is(runtime, tmp_path):
    sandbox, container = await started(runtime, tmp_path, "sleep", "100")
    seen = await observed(runtime, container, sandbox)
    assert (seen.name, seen.state, seen.restarts) == ("a", State.RUNNING, 0)
    assert seen.started_at is not None
    assert seen.spec_hash
    (listed,) = await runtime.list_containers({convert.POD_UID: "uid-1"})
    assert (listed.id, listed.pod_sandbox_id) == (container, sandbox)
    assert listed.state == cri.CONTAINER_RUNNING


async def test_a_stopped_container_has_ended(runtime, tmp_path):
    _, container = await started(runtime, tmp_path, "sleep", "100")
    await runtime.stop_container(container, 0)
    seen = await observed(runtime, container)
    assert seen.exited
    assert seen.exit_code == 137
    assert seen.finished_at is not None
    await runtime.stop_container(container, 0)


async def test_stopping_a_sandbox_ends_its_containers_and_may_be_repeated(runtime, tmp_path):
    sandbox, container = await started(runtime, tmp_path, "sleep", "100")
    for _ in range(2):
        await runtime.stop_pod_sandbox(sandbox)
    assert (await observed(runtime, container)).exited
    assert not observe.sandbox_observed((await runtime.pod_sandbox_status(sandbox)).status).ready


async def test_removal_is_complete_and_may_be_repeated(runtime, tmp_path):
    sandbox, container = await started(runtime, tmp_path, "sleep", "100")
    await runtime.stop_pod_sandbox(sandbox)
    for _ in range(2):
        await runtime.remove_pod_sandbox(sandbox)
    assert await runtime.list_containers() == []
    with pytest.raises(CRIError) as error:
        await runtime.container_status(container)
    assert error.value.not_found
    with pytest.raises(CRIError) as error:
        await runtime.pod_sandbox_status(sandbox)
    assert error.value.not_found


async def test_a_second_attempt_stands_beside_the_first(runtime, tmp_path):
    sandbox, first = await started(runtime, tmp_path, "sleep", "100")
    await runtime.stop_container(first, 0)
    pod = new_pod()
    second = await runtime.create_container(
        sandbox, container_of(pod, "sleep", "100", attempt=1), sandbox_of(pod, tmp_path)
    )
    await runtime.start_container(second)
    assert (await observed(runtime, second)).restarts == 1
    assert len(await runtime.list_containers()) == 2
    await runtime.remove_container(first)
    assert [one.id for one in await runtime.list_containers()] == [second]


async def test_a_command_in_a_container(runtime, tmp_path):
    _, container = await started(runtime, tmp_path, "sleep", "100")
    assert (await runtime.exec_sync(container, ["true"], 5)).exit_code == 0


async def test_images(runtime):
    assert await runtime.image_status(IMAGE) is not None


async def test_resources_can_be_changed(runtime, tmp_path):
    _, container = await started(runtime, tmp_path, "sleep", "100")
    await runtime.update_container_resources(container, convert.linux_resources(Limits(shares=512)))


async def test_unknown_ids_are_not_found(runtime):
    with pytest.raises(CRIError) as error:
        await runtime.start_container("nothing")
    assert error.value.not_found


async def test_a_runtime_that_is_away_is_a_retryable_error(tmp_path):
    client = Runtime(str(tmp_path / "nobody.sock"))
    with pytest.raises(CRIError) as error:
        await client.version()
    assert error.value.retryable
    await client.close()


async def test_hollow_events_tell_of_starts_and_ends(tmp_path):
    tasks = Tasks()
    server = HollowServer(HollowService(HollowSettings(), tasks), tmp_path / "cri.sock")
    await server.start()
    client = Runtime(str(tmp_path / "cri.sock"))
    events = []

    async def follow():
        async for event in client.container_events():
            events.append((event.container_id, event.container_event_type))  # noqa: PERF401 - it never ends

    tasks.spawn(follow(), "follow")
    await client.version()
    await asyncio.sleep(0.1)
    _, container = await started(client, tmp_path, "x")
    await client.stop_container(container, 0)
    await asyncio.sleep(0.1)
    assert events == [(container, cri.CONTAINER_STARTED_EVENT), (container, cri.CONTAINER_STOPPED_EVENT)]
    await tasks.close()
    await client.close()
    await server.close()
