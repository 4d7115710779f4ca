"""Conformance cases that run kubectl: a real one, as a subprocess, against the server in this process."""

import asyncio
import json
import re

import pytest

from tests.integration.apiserver.kubectl import Kubectl

CASES = "[sig-cli] Kubectl client "
IMAGE, OTHER = (
    "registry.k8s.io/e2e-test-images/agnhost:2.55",
    "registry.k8s.io/e2e-test-images/busybox:1.36.1-1",
)


@pytest.fixture
def kubectl(kubeconfig):
    return Kubectl(kubeconfig)


@pytest.mark.case(
    CASES + "Kubectl api-versions should check if v1 is in available api versions [Conformance]"
)
async def test_versions(kubectl):
    assert "v1" in (await kubectl.ok("api-versions")).splitlines()


@pytest.mark.case(
    CASES
    + "Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info "
    "[Conformance]"
)
async def test_cluster_info(kubectl):
    plain = re.sub(r"\x1b\[[0-9;]*m", "", await kubectl.ok("cluster-info"))
    assert "Kubernetes control plane is running at https://127.0.0.1:" in plain


@pytest.mark.case(CASES + "Kubectl version should check is all data is printed [Conformance]")
async def test_version(kubectl):
    printed = await kubectl.ok("version")
    for what in ("Client Version", "Server Version"):
        assert re.search(rf"{what}: v[0-9]+\.[0-9]+", printed)


def deployment(image):
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": pod}
    return json.dumps(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    )


@pytest.mark.case(
    CASES + "Kubectl diff should check if kubectl diff finds a difference for Deployments [Conformance]"
)
async def test_diff(kubectl):
    await kubectl.ok("create", "-f", "-", text=deployment(IMAGE))
    printed = await kubectl("diff", "-f", "-", text=deployment(OTHER))
    assert printed.code == 1
    assert IMAGE in printed.out
    assert OTHER in printed.out


@pytest.mark.case(
    CASES + "Kubectl run pod should create a pod from an image when restart is Never [Conformance]"
)
async def test_run(api, kubectl):
    await kubectl.ok("run", "web", "--restart=Never", f"--image={IMAGE}")
    spec = (await api.ok("GET", "/api/v1/namespaces/default/pods/web"))["spec"]
    assert [container["image"] for container in spec["containers"]] == [IMAGE]
    assert spec["restartPolicy"] == "Never"
    await kubectl.ok("delete", "pods", "web")
    assert (await api.ask("GET", "/api/v1/namespaces/default/pods/web")).status == 404


@pytest.mark.case(
    CASES + "Kubectl server-side dry-run should check if kubectl can dry-run update Pods [Conformance]"
)
async def test_dry_run(api, kubectl):
    await kubectl.ok("run", "web", f"--image={IMAGE}", "--labels=run=web")
    patch = json.dumps({"spec": {"containers": [{"name": "web", "image": OTHER}]}})
    await kubectl.ok("patch", "pod", "web", "-p", patch, "--dry-run=server")
    spec = (await api.ok("GET", "/api/v1/namespaces/default/pods/web"))["spec"]
    assert spec["containers"][0]["image"] == IMAGE


@pytest.mark.case(CASES + "Proxy server should support proxy with --port 0 [Conformance]")
async def test_proxy(api, kubectl):
    process = await kubectl.start("proxy", "-p", "0", "--disable-filter")
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        found = re.fullmatch(r"Starting to serve on 127\.0\.0\.1:([0-9]+)\n", line)
        assert found
        reader, writer = await asyncio.open_connection("127.0.0.1", int(found[1]))
        assert "v1" in await versions_through(reader, writer)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.case(CASES + "Proxy server should support --unix-socket=/path [Conformance]")
async def test_proxy_on_a_socket(api, kubectl, tmp_path):
    socket = tmp_path / "test"
    process = await kubectl.start("proxy", f"--unix-socket={socket}")
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        assert "Starting to serve on" in line
        reader, writer = await asyncio.open_unix_connection(str(socket))
        assert "v1" in await versions_through(reader, writer)
    finally:
        process.kill()
        await process.wait()


async def versions_through(reader, writer):
    """Return the versions that `/api/` lists, asked over a plain connection."""
    writer.write(b"GET /api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    start, end = answer.index(b"{"), answer.rindex(b"}")
    return json.loads(answer[start : end + 1])["versions"]
