"""Admission plugins that are off by default, on a server that has them all; labels of topology, on any."""

from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.admission.chain import OFF_BY_DEFAULT
from apiserver.app import build
from apiserver.config import Config
from apiserver.http.message import Request, Response
from store.memory import MemoryBackend

CONFIGURATION = """
kind: AdmissionConfiguration
plugins:
- name: PodNodeSelector
  configuration:
    podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: "pool=any", fenced: "pool=any,a=b"}
- name: EventRateLimit
  path: events.yaml
"""
ON = OFF_BY_DEFAULT - {"OwnerReferencesPermissionEnforcement", "AlwaysDeny"}


@pytest.fixture
async def ask(pki, tmp_path):
    (tmp_path / "admission.yaml").write_text(CONFIGURATION)
    (tmp_path / "events.yaml").write_text("limits: [{type: Namespace, qps: 1, burst: 2}]")
    config = Config(
        client_ca_file=pki / "ca.crt",
        admission_control_config_file=tmp_path / "admission.yaml",
        enable_admission_plugins=tuple(ON),
        disable_admission_plugins=("ServiceAccount",),
    )
    backend = MemoryBackend()
    server = await build(config, backend)
    certificate = x509.load_pem_x509_certificate((pki / "admin.crt").read_bytes())
    admin = certificate.public_bytes(Encoding.DER)

    async def run(method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        headers = {"content-type": "application/json"}
        given = {key: [value] for key, value in query.items()}
        request = Request(method, path, given, headers, orjson.dumps(body), admin)
        answer = await server.handle(request)
        assert isinstance(answer, Response)
        data = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
        return answer.status, orjson.loads(data)

    yield run
    await server.close()
    await backend.close()


def pod(name: str, **spec: Any) -> dict:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "x:1"}], **spec}}


async def test_namespaces_are_made_when_they_are_needed(ask) -> None:
    code, made = await ask("POST", "/api/v1/namespaces/new/pods", pod("p"))
    assert code == 201
    assert (await ask("GET", "/api/v1/namespaces/new"))[0] == 200
    # The other plugins of pods, in passing.
    assert made["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert made["spec"]["nodeSelector"] == {"pool": "any"}


async def test_a_dry_run_makes_no_namespace(ask) -> None:
    assert (await ask("POST", "/api/v1/namespaces/new/pods", pod("p"), dryRun="All"))[0] == 404
    assert (await ask("GET", "/api/v1/namespaces/new"))[0] == 404


async def test_external_addresses(ask) -> None:
    path, spec = (
        "/api/v1/namespaces/default/services",
        {"ports": [{"port": 80}], "externalIPs": ["192.0.2.1"]},
    )
    code, answer = await ask("POST", path, {"metadata": {"name": "s"}, "spec": spec})
    assert code == 403
    assert answer["message"] == (
        'services "s" is forbidden: Use of external IPs is denied by admission control'
    )


async def test_node_selectors(ask) -> None:
    notes = {"scheduler.alpha.kubernetes.io/node-selector": "zone=z"}
    await ask("POST", "/api/v1/namespaces", {"metadata": {"name": "zoned", "annotations": notes}})
    code, made = await ask("POST", "/api/v1/namespaces/zoned/pods", pod("p", nodeSelector={"a": "b"}))
    assert (code, made["spec"]["nodeSelector"]) == (201, {"zone": "z", "a": "b"})
    code, answer = await ask("POST", "/api/v1/namespaces/zoned/pods", pod("q", nodeSelector={"zone": "y"}))
    assert code == 403
    assert answer["message"].endswith(
        "pod node label selector conflicts with its namespace node label selector"
    )
    code, answer = await ask("POST", "/api/v1/namespaces/fenced/pods", pod("q", nodeSelector={"c": "d"}))
    assert answer["message"].endswith("pod node label selector labels conflict with its namespace whitelist")


async def test_tolerations(ask) -> None:
    notes = {
        "scheduler.alpha.kubernetes.io/defaultTolerations": '[{"key": "a", "operator": "Exists"}]',
        "scheduler.alpha.kubernetes.io/tolerationsWhitelist": (
            '[{"key": "a", "operator": "Exists"}, {"key": "node.kubernetes.io/not-ready", "operator": '
            '"Exists"}, '
            '{"key": "node.kubernetes.io/unreachable", "operator": "Exists"}]'
        ),
    }
    await ask("POST", "/api/v1/namespaces", {"metadata": {"name": "ns", "annotations": notes}})
    code, made = await ask("POST", "/api/v1/namespaces/ns/pods", pod("p"))
    assert code == 201
    assert {"key": "a", "operator": "Exists"} in made["spec"]["tolerations"]
    other = [{"key": "b", "operator": "Exists"}]
    code, answer = await ask("POST", "/api/v1/namespaces/ns/pods", pod("q", tolerations=other))
    assert code == 403
    assert answer["message"].endswith("conflict with its namespace whitelist")


async def test_anti_affinity(ask) -> None:
    term = {"topologyKey": "topology.kubernetes.io/zone", "labelSelector": {}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    code, answer = await ask("POST", "/api/v1/namespaces/default/pods", pod("p", affinity=affinity))
    assert code == 403
    assert answer["message"].endswith(
        "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey topology.kubernetes.io/zone but "
        "only "
        "key kubernetes.io/hostname is allowed"
    )


async def test_events_are_limited(ask) -> None:
    path = "/api/v1/namespaces/default/events"
    codes = []
    for number in range(4):
        about = {"kind": "Pod", "name": "p", "namespace": "default"}
        code, answer = await ask("POST", path, {"metadata": {"name": f"e{number}"}, "involvedObject": about})
        codes.append(code)
    assert codes == [201, 201, 429, 429]
    assert answer["message"] == "limit reached on type Namespace for key default"


async def test_nothing_may_be_written(pki) -> None:
    admin = x509.load_pem_x509_certificate((pki / "admin.crt").read_bytes()).public_bytes(Encoding.DER)
    backend = MemoryBackend()
    config = Config(client_ca_file=pki / "ca.crt", enable_admission_plugins=("AlwaysDeny",))
    server = await build(config, backend)
    try:
        body = orjson.dumps({"metadata": {"name": "m"}})
        headers = {"content-type": "application/json"}
        request = Request("POST", "/api/v1/namespaces/default/configmaps", {}, headers, body, admin)
        answer = await server.handle(request)
        assert isinstance(answer, Response)
        assert answer.status == 403
        assert isinstance(answer.body, bytes)
        assert orjson.loads(answer.body)["message"] == (
            'configmaps "m" is forbidden: admission control is denying all modifications'
        )
    finally:
        await server.close()
        await backend.close()


async def test_pods_bear_their_nodes_topology(api) -> None:
    labels = {"topology.kubernetes.io/zone": "z1", "topology.kubernetes.io/region": "r1", "x": "y"}
    await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n", "labels": labels}})
    path = "/api/v1/namespaces/default/pods"
    await api.ok("POST", path, pod("p"))
    target = {"kind": "Node", "name": "n"}
    await api.ok("POST", f"{path}/p/binding", {"metadata": {"name": "p"}, "target": target})
    expected = {key: labels[key] for key in labels if key != "x"}
    assert (await api.ok("GET", f"{path}/p"))["metadata"]["labels"] == expected
    placed = await api.ok("POST", path, pod("q", nodeName="n"))
    assert placed["metadata"]["labels"] == expected
