"""`pelamis` itself: stop and start, images, hollow nodes, clusters side by side, and what it refuses."""

import socket
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli.images.oci import File, Image, build_archive
from tests.e2e.harness import PELAMIS, Cluster, eventually, make_cluster
from tests.e2e.space import Space, deployment, pod, web


def _pelamis(*words, timeout_s=120):
    return subprocess.run([*PELAMIS, *words], capture_output=True, text=True, timeout=timeout_s, check=False)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A cluster of one node of its own, to be stopped and started."""
    folder = tmp_path_factory.mktemp("small")
    try:
        yield make_cluster(folder, "--nodes=1", f"--port={_free_port()}")
    finally:
        _pelamis("down", "--purge", "--dir", str(folder))


@pytest.fixture
def own(small, request):
    with small.namespace(request.node.name.removeprefix("test_").replace("_", "-")[:60]) as name:
        yield Space(small, name)


def test_stop_and_start_keep_everything(own):
    own.create("deployments", deployment("kept"))
    own.run(web("single"))
    own.service("single", {"app": "single"})
    own.create("configmaps", {"metadata": {"name": "kept"}, "data": {"a": "b"}})
    eventually(lambda: own.get("deployments", "kept")["status"].get("readyReplicas") == 2, "ready")
    before = {p["metadata"]["uid"] for p in own.items("pods")}
    revision = int(own.get("configmaps", "kept")["metadata"]["resourceVersion"])
    own.cluster.pelamis("stop")
    stopped = _pelamis("status", "--dir", str(own.cluster.dir))
    assert stopped.returncode == 1
    assert "no cluster is running in" in stopped.stderr
    own.cluster.pelamis("start")
    assert _pelamis("status", "--dir", str(own.cluster.dir)).returncode == 0
    kept = own.get("configmaps", "kept")
    assert kept["data"] == {"a": "b"}
    assert int(kept["metadata"]["resourceVersion"]) == revision
    # Until the agent has looked, the API shows what was true before the stop.
    eventually(lambda: all(_restarted_and_ready(p) for p in own.items("pods")), "every container runs again")
    assert before == {p["metadata"]["uid"] for p in own.items("pods")}, "the pods are the same objects"
    eventually(lambda: own.get("deployments", "kept")["status"].get("readyReplicas") == 2, "ready again")
    address = own.get("services", "single")["spec"]["clusterIP"]
    found = eventually(
        lambda: own.exec("single", f"timeout 3 wget -q -O - http://{address}/"), "the service answers"
    )
    assert found == "single\n"


def _restarted_and_ready(pod: Any) -> bool:
    status = pod["status"]["containerStatuses"][0]
    return bool(status["ready"]) and status["restartCount"] >= 1


def test_starting_what_runs_changes_nothing(small):
    again = _pelamis("up", "--dir", str(small.dir))
    assert again.returncode == 0
    assert "already running" in again.stdout
    assert again.stdout.splitlines()[-1] == str(small.kubeconfig)


def test_a_loaded_image_runs_without_a_registry(own, tmp_path):
    busybox = File("bin/busybox", Path("/bin/busybox").read_bytes())
    reference = "registry.example/mine/app:v1"
    files = (File("bin"), busybox, File("hello", b"#!/bin/busybox sh\necho from the image\n"))
    archive = tmp_path / "app.tar"
    archive.write_bytes(build_archive([Image((reference,), files, entrypoint=("/hello",))]))
    printed = own.cluster.pelamis("image", "load", str(archive))
    assert f"node-1: {reference}" in printed
    main = {"name": "main", "image": reference, "imagePullPolicy": "Never"}
    own.create("pods", pod("loaded", main, restartPolicy="Never"))
    own.phase("loaded", "Succeeded")
    assert own.logs("loaded") == "from the image\n"
    (node,) = own.cluster.items("nodes")
    eventually(
        lambda: any(
            reference in i["names"] for i in own.cluster.items("nodes")[0]["status"].get("images", [])
        ),
        "the node lists the image",
        90,
    )
    assert node["metadata"]["name"] == "node-1"


def test_an_archive_that_is_none(small, tmp_path):
    bad = tmp_path / "bad.tar"
    bad.write_text("nonsense")
    assert _pelamis("image", "load", str(bad), "--dir", str(small.dir)).returncode == 1
    missing = _pelamis("image", "load", str(tmp_path / "no.tar"), "--dir", str(small.dir))
    assert missing.returncode == 1
    assert "does not exist" in missing.stderr


def test_a_cluster_beside_another(cluster, small):
    """Same names, same addresses inside: nothing of one is seen in the other."""
    for one in (cluster, small):
        with one.namespace("side-by-side") as name:
            space = Space(one, name)
            space.run(web("here"))
            address = space.service("svc", {"app": "here"})["spec"]["clusterIP"]
            ask = f"timeout 3 wget -q -O - http://{address}/"
            assert eventually(partial(space.exec, "here", ask), "the service answers") == "here\n"
    assert len(cluster.items("nodes")) == 3
    assert len(small.items("nodes")) == 1


def test_the_kubeconfig_of_one_is_refused_by_the_other(cluster, small, tmp_path):
    text = small.kubeconfig.read_text().replace(small.server, cluster.server)
    stranger = tmp_path / "kubeconfig"
    stranger.write_text(text)
    done = subprocess.run(
        [*cluster.command, "--kubeconfig", str(stranger), "get", "nodes"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "certificate" in done.stderr


def test_hollow_nodes(tmp_path):
    folder = tmp_path / "hollow"
    try:
        hollow = make_cluster(folder, "--runtime=hollow", "--nodes=3", f"--port={_free_port()}")
        assert len(hollow.items("nodes")) == 3
        space = Space(hollow, "default")
        space.create("deployments", deployment("many", 30))
        eventually(
            lambda: space.get("deployments", "many")["status"].get("readyReplicas") == 30, "30 are ready"
        )
        nodes = [p["spec"]["nodeName"] for p in space.items("pods")]
        assert sorted(nodes.count(node) for node in set(nodes)) == [10, 10, 10]
        space.delete("deployments", "many")
        eventually(lambda: not space.items("pods"), "all are gone")
    finally:
        down = _pelamis("down", "--purge", "--dir", str(folder))
    assert down.returncode == 0, down.stderr
    assert not folder.exists()


def test_a_control_plane_alone_on_sqlite(tmp_path):
    folder = tmp_path / "alone"
    words = ("up", "--dir", str(folder), "--nodes=0", "--store=sqlite", "--components=apiserver")
    try:
        up = _pelamis(*words, f"--port={_free_port()}")
        assert up.returncode == 0, up.stderr
        alone = Cluster(folder)
        assert list(alone.processes()) == ["apiserver"]
        alone.call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}})
        assert alone.items("nodes") == []
    finally:
        _pelamis("down", "--purge", "--dir", str(folder))


def test_a_taken_port_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _pelamis("up", "--dir", str(tmp_path / "x"), "--nodes=0", f"--port={port}")
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert "--port" in done.stderr
    _pelamis("down", "--purge", "--dir", str(tmp_path / "x"))


def test_a_folder_without_a_cluster(tmp_path):
    for verb in ("status", "stop", "start", "down"):
        done = _pelamis(verb, "--dir", str(tmp_path))
        assert done.returncode == 1, verb
        assert "there is no cluster in" in done.stderr
        assert "Traceback" not in done.stderr


def test_status_tells_every_process(small):
    rows = small.processes()
    expected = {"etcd", "apiserver", "scheduler", "controllers", "node-1-containerd", "node-1-agent"}
    assert expected <= set(rows)
    assert {row["state"] for row in rows.values()} == {"running"}
    text = _pelamis("status", "--dir", str(small.dir)).stdout
    assert text.splitlines()[-1] == f"kubeconfig: {small.kubeconfig}"
