"""An extension API server beside a real cluster: it believes the front proxy that `pelamis up` has made."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from kit import tls
from tests.e2e.harness import Cluster, eventually
from tests.integration.apiserver import wardle
from tests.integration.apiserver.hooks import own_address
from tests.integration.apiserver.wardle import GROUP, NAME, NAMESPACE, SERVICE, VERSION, Wardle

API_SERVICE = f"/apis/apiregistration.k8s.io/v1/apiservices/{NAME}"
FLUNDER = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"name": "one"}}


@pytest.fixture
def extension(cluster: Cluster, tmp_path: Path) -> Iterator[Wardle]:
    """The server, in a thread, trusting whom the cluster's ConfigMap says."""
    told = cluster.get("configmap", "extension-apiserver-authentication", "-n", "kube-system")["data"]
    (tmp_path / "front.crt").write_text(told["requestheader-client-ca-file"])
    assert json.loads(told["requestheader-allowed-names"]) == ["front-proxy-client"]
    ca = tls.new_ca("wardle-ca")
    ca.save(tmp_path / "own")
    tls.issue(ca, "wardle", server_names=[wardle.HOST], client=False).save(tmp_path / "wardle")
    context = tls.server_context(tmp_path / "wardle.crt", tmp_path / "wardle.key", tmp_path / "front.crt")
    started: Future[Wardle] = Future()
    stop = asyncio.Event()

    async def serve() -> None:
        made = await wardle.start(context)
        started.set_result(made)
        await stop.wait()
        await made.runner.cleanup()
        # TLS connections need a moment to close.
        await asyncio.sleep(0.2)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield started.result(10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def _address(cluster: Cluster) -> str:
    """Return an address of this machine that is not loopback: the API server's, if there is no other."""
    slice_ = cluster.get("endpointslice", "kubernetes", "-n", "default")
    return own_address() or str(slice_["endpoints"][0]["addresses"][0])


@pytest.fixture
def registered(cluster: Cluster, extension: Wardle, tmp_path: Path) -> Iterator[Wardle]:
    """The server behind a Service, an EndpointSlice and an APIService."""
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
    services = f"/api/v1/namespaces/{NAMESPACE}/services"
    ports = [{"name": "https", "port": wardle.PORT, "targetPort": 443, "protocol": "TCP"}]
    cluster.call("POST", services, {"metadata": {"name": SERVICE}, "spec": {"ports": ports}})
    metadata = {"name": SERVICE, "labels": {"kubernetes.io/service-name": SERVICE}}
    endpoints = {
        "metadata": metadata,
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": extension.port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [_address(cluster)], "conditions": {"ready": True}}],
    }
    cluster.call("POST", slices, endpoints)
    spec = {
        "group": GROUP,
        "version": VERSION,
        "groupPriorityMinimum": 2000,
        "versionPriority": 200,
        "caBundle": base64.b64encode((tmp_path / "own.crt").read_bytes()).decode(),
        "service": {"namespace": NAMESPACE, "name": SERVICE, "port": wardle.PORT},
    }
    try:
        cluster.call("POST", API_SERVICE.rpartition("/")[0], {"metadata": {"name": NAME}, "spec": spec})
        yield extension
    finally:
        for path in (API_SERVICE, f"{slices}/{SERVICE}", f"{services}/{SERVICE}"):
            cluster.request("DELETE", path)


def test_kubectl_speaks_to_an_extension_server(cluster: Cluster, registered: Wardle) -> None:
    cluster.kubectl("wait", f"apiservice/{NAME}", "--for=condition=Available", "--timeout=60s")
    eventually(lambda: "flunders" in cluster.kubectl("api-resources", "--api-group", GROUP), "discovery")
    cluster.kubectl("create", "--validate=false", "-f", "-", text=json.dumps(FLUNDER))
    assert cluster.kubectl("get", "flunders", "-o", "name").strip() == f"flunder.{GROUP}/one"
    assert registered.users[-1] == "kubernetes-admin"
    cluster.kubectl("delete", "flunder", "one", "--wait=false")
    assert cluster.kubectl("get", "flunders", "-o", "name") == ""


def test_an_extension_server_that_is_away(cluster: Cluster, registered: Wardle) -> None:
    """Its group is unavailable, and everything else goes on."""
    cluster.kubectl("wait", f"apiservice/{NAME}", "--for=condition=Available", "--timeout=60s")
    registered.down = True
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices/{SERVICE}"
    patch = {"metadata": {"labels": {"touched": "yes"}}}
    cluster.call("PATCH", slices, patch, "application/merge-patch+json")
    cluster.kubectl("wait", f"apiservice/{NAME}", "--for=condition=Available=false", "--timeout=60s")
    error = cluster.kubectl_error("get", "flunders")
    assert "the server is currently unable to handle the request" in error
    assert "kube-system" in cluster.kubectl("get", "namespaces", "-o", "name")
