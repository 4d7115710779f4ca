"""The Pod Security Standards, enforced, audited and warned of by a whole server."""

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.app import Server, build
from apiserver.config import Config
from apiserver.http.message import Request, Response
from store.memory import MemoryBackend
from tests.integration.apiserver.kubectl import Kubectl

P = "pod-security.kubernetes.io/"
CONTAINER = {"name": "c", "image": "x"}
HOST = {"containers": [CONTAINER], "hostNetwork": True}
WHY = "host namespaces (hostNetwork=true)"


def namespace(name: str, **labels: str) -> dict:
    made = {f"{P}{key.replace('_', '-')}": value for key, value in labels.items()}
    return {"metadata": {"name": name, "labels": made}}


def pod(name: str, **spec) -> dict:
    return {"metadata": {"name": name}, "spec": {"containers": [CONTAINER], **spec}}


def warnings(answer) -> list[str]:
    """Return the texts of the Warning headers."""
    return [orjson.loads(value.partition("299 - ")[2]) for value in answer.headers.getall("Warning", [])]


async def test_enforced(api) -> None:
    await api.ok("POST", "/api/v1/namespaces", namespace("ns", enforce="baseline", enforce_version="v1.30"))
    refused = await api.ask("POST", "/api/v1/namespaces/ns/pods", pod("p", hostNetwork=True))
    assert refused.status == 403
    assert refused.json["message"] == (f'pods "p" is forbidden: violates PodSecurity "baseline:v1.30": {WHY}')
    assert refused.json["reason"] == "Forbidden"
    assert refused.json["details"] == {"name": "p", "kind": "pods"}
    assert warnings(refused) == []
    made = await api.ask("POST", "/api/v1/namespaces/ns/pods", pod("p"))
    assert (made.status, warnings(made)) == (201, [])


async def test_kubectl_shows_the_warnings(api, kubeconfig) -> None:
    kubectl = Kubectl(kubeconfig)
    await kubectl.ok("create", "namespace", "ns")
    await kubectl.ok("label", "namespace", "ns", f"{P}warn=restricted", f"{P}enforce=baseline")
    printed = await kubectl("create", "deployment", "web", "--image=nginx", "-n", "ns")
    assert printed.code == 0
    assert printed.err.startswith(
        'Warning: would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false '
        '(container "nginx" '
        "must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities"
    )
    refused = await kubectl("run", "p", "--image=nginx", "-n", "ns", "--privileged")
    assert refused.code == 1
    assert refused.err.startswith(
        'Error from server (Forbidden): pods "p" is forbidden: violates PodSecurity "baseline:latest": '
        "privileged "
        '(container "p" must not set securityContext.privileged=true)'
    )


async def test_metrics(api) -> None:
    await api.ok("POST", "/api/v1/namespaces", namespace("ns", enforce="baseline", enforce_version="v1.99"))
    await api.ask("POST", "/api/v1/namespaces/ns/pods", pod("p", hostNetwork=True))
    told = (await api.ask("GET", "/metrics")).body.decode()
    labels = 'decision="deny",policy_level="baseline",policy_version="future",mode="enforce"'
    about = 'request_operation="create",resource="pod",subresource=""'
    assert f"pod_security_evaluations_total{{{labels},{about}}}" in told


async def test_dry_run_is_judged_as_well(api) -> None:
    await api.ok("POST", "/api/v1/namespaces", namespace("ns", enforce="baseline"))
    path = "/api/v1/namespaces/ns/pods"
    assert (await api.ask("POST", path, pod("p", hostPID=True), dryRun="All")).status == 403


async def test_warned_of(api) -> None:
    await api.ok("POST", "/api/v1/namespaces", namespace("ns", warn="baseline"))
    made = await api.ask("POST", "/api/v1/namespaces/ns/pods", pod("p", hostNetwork=True))
    assert made.status == 201
    assert warnings(made) == [f'would violate PodSecurity "baseline:latest": {WHY}']


@pytest.mark.parametrize(
    ("path", "kind", "spec"),
    [
        pytest.param("/apis/apps/v1/namespaces/ns/deployments", "Deployment", {}, id="deployment"),
        pytest.param("/apis/apps/v1/namespaces/ns/replicasets", "ReplicaSet", {}, id="replicaset"),
        pytest.param("/apis/batch/v1/namespaces/ns/jobs", "Job", {}, id="job"),
        pytest.param(
            "/apis/batch/v1/namespaces/ns/cronjobs", "CronJob", {"schedule": "* * * * *"}, id="cronjob"
        ),
        pytest.param("/api/v1/namespaces/ns/podtemplates", "PodTemplate", {}, id="podtemplate"),
        pytest.param("/api/v1/namespaces/ns/replicationcontrollers", "ReplicationController", {}, id="rc"),
    ],
)
async def test_templates_are_only_warned_of(api, path: str, kind: str, spec: dict) -> None:
    await api.ok("POST", "/api/v1/namespaces", namespace("ns", enforce="baseline"))
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": HOST}
    if kind in ("Job", "CronJob"):
        template = {"spec": {**HOST, "restartPolicy": "Never"}}
    body: dict = {"metadata": {"name": "d"}, "spec": {"template": template, **spec}}
    if kind in ("Deployment", "ReplicaSet"):
        body["spec"]["selector"] = {"matchLabels": labels}
    if kind == "CronJob":
        body["spec"] = {**spec, "jobTemplate": {"spec": {"template": template}}}
    if kind == "PodTemplate":
        body = {"metadata": {"name": "d"}, "template": template}
    made = await api.ask("POST", path, body)
    assert made.status == 201, made.body
    assert warnings(made) == [f'would violate PodSecurity "baseline:latest": {WHY}']


async def test_bad_labels_are_refused(api) -> None:
    refused = await api.ask("POST", "/api/v1/namespaces", namespace("ns", enforce="most"))
    text = (
        f'Namespace "ns" is invalid: metadata.labels[{P}enforce]: Invalid value: "most": '
        "must be one of privileged, baseline, restricted"
    )
    assert (refused.status, refused.json["message"]) == (422, text)
    await api.ok("POST", "/api/v1/namespaces", namespace("ns"))
    change = {"metadata": {"labels": {f"{P}warn-version": "1.30"}}}
    assert (await api.patch("/api/v1/namespaces/ns", change)).status == 422


async def test_raising_the_level_tells_of_pods_that_are_there(api) -> None:
    await api.ok("POST", "/api/v1/namespaces", namespace("ns"))
    for name in ("b", "a", "fine"):
        spec = {} if name == "fine" else {"hostNetwork": True}
        await api.ok("POST", "/api/v1/namespaces/ns/pods", pod(name, **spec))
    change = {"metadata": {"labels": {f"{P}enforce": "baseline"}}}
    raised = await api.patch("/api/v1/namespaces/ns", change, dryRun="All")
    expected = [
        'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 1 other pod): host namespaces",
    ]
    assert (raised.status, warnings(raised)) == (200, expected)
    assert warnings(await api.patch("/api/v1/namespaces/ns", change)) == expected
    lowered = await api.patch(
        "/api/v1/namespaces/ns", {"metadata": {"labels": {f"{P}enforce": "privileged"}}}
    )
    assert (lowered.status, warnings(lowered)) == (200, [])


async def test_updates_of_other_fields_pass(api) -> None:
    await api.ok("POST", "/api/v1/namespaces", namespace("ns"))
    await api.ok("POST", "/api/v1/namespaces/ns/pods", pod("p", hostNetwork=True))
    await api.patch("/api/v1/namespaces/ns", {"metadata": {"labels": {f"{P}enforce": "baseline"}}})
    path = "/api/v1/namespaces/ns/pods/p"
    assert (await api.patch(path, {"metadata": {"labels": {"a": "b"}}})).status == 200
    assert (await api.patch(f"{path}/status", {"status": {"message": "m"}})).status == 200
    image = {"spec": {"containers": [{"name": "c", "image": "y"}]}}
    refused = await api.patch(path, image, "strategic")
    assert (refused.status, refused.json["reason"]) == (403, "Forbidden")


async def test_ephemeral_containers_are_judged(api) -> None:
    await api.ok("POST", "/api/v1/namespaces", namespace("ns", enforce="baseline"))
    await api.ok("POST", "/api/v1/namespaces/ns/pods", pod("p"))
    path = "/api/v1/namespaces/ns/pods/p/ephemeralcontainers"
    debug = {"name": "debug", "image": "x", "securityContext": {"privileged": True}}
    refused = await api.patch(path, {"spec": {"ephemeralContainers": [debug]}}, "strategic")
    assert refused.status == 403
    assert (
        'privileged (container "debug" must not set securityContext.privileged=true)'
        in refused.json["message"]
    )
    fine = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "x"}]}}
    assert (await api.patch(path, fine, "strategic")).status == 200


CONFIGURATION = """
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: baseline, audit: restricted}
    exemptions: {namespaces: [exempt], usernames: [], runtimeClasses: [kata]}
"""


class Audited:
    """A server without listener, whose audit log is read after each request."""

    def __init__(self, server: Server, log: Path, admin: bytes) -> None:
        self._server, self._log, self._admin = server, log, admin

    async def post(self, path: str, body: dict) -> tuple[int, dict, list[str]]:
        """Return the code, the notes on pod security, and the warnings."""
        headers = {"content-type": "application/json"}
        request = Request("POST", path, {}, headers, orjson.dumps(body), self._admin)
        answer = await self._server.handle(request)
        assert isinstance(answer, Response)
        notes = orjson.loads(self._log.read_text().splitlines()[-1]).get("annotations", {})
        short = {key.removeprefix(P): value for key, value in notes.items() if key.startswith(P)}
        return answer.status, short, request.audit.get("warnings", [])


@asynccontextmanager
async def audited(pki, folder: Path, backend: MemoryBackend, configuration: str = "", **config: Any):
    file = folder / "admission.yaml"
    file.write_text(configuration)
    made = Config(
        admission_control_config_file=file if configuration else None,
        audit_log_path=folder / "audit.log",
        client_ca_file=pki / "ca.crt",
        **{"disable_admission_plugins": ("ServiceAccount",), **config},
    )
    certificate = x509.load_pem_x509_certificate((pki / "admin.crt").read_bytes())
    server = await build(made, backend)
    try:
        yield Audited(server, folder / "audit.log", certificate.public_bytes(Encoding.DER))
    finally:
        await server.close()


async def test_configuration_and_audit_log(pki, tmp_path, backend) -> None:
    async with audited(pki, tmp_path, backend, CONFIGURATION) as server:
        post = server.post
        assert (await post("/api/v1/namespaces", namespace("ns")))[0] == 201
        exempt = await post("/api/v1/namespaces", namespace("exempt", enforce="restricted"))
        text = "is exempt from Pod Security, and the policy (enforce=restricted:latest) will be ignored"
        assert exempt[2] == [f'namespace "exempt" {text}']
        code, notes, _ = await post("/api/v1/namespaces/ns/pods", pod("p", hostNetwork=True))
        assert (code, notes["enforce-policy"]) == (403, "baseline:latest")
        code, notes, _ = await post("/api/v1/namespaces/ns/pods", pod("p"))
        assert code == 201
        assert notes["audit-violations"].startswith(
            'would violate PodSecurity "restricted:latest": allowPrivilegeEscalation'
        )
        made = await post("/api/v1/namespaces/exempt/pods", pod("p", hostNetwork=True))
        assert made[:2] == (201, {"exempt": "namespace"})
        await post("/apis/node.k8s.io/v1/runtimeclasses", {"metadata": {"name": "kata"}, "handler": "kata"})
        made = await post("/api/v1/namespaces/ns/pods", pod("k", hostNetwork=True, runtimeClassName="kata"))
        assert made[:2] == (201, {"exempt": "runtimeClass"})


async def test_users_may_be_exempt(pki, tmp_path, backend) -> None:
    configuration = CONFIGURATION.replace("usernames: []", "usernames: [admin]")
    async with audited(pki, tmp_path, backend, configuration) as server:
        assert (await server.post("/api/v1/namespaces", namespace("ns")))[0] == 201
        made = await server.post("/api/v1/namespaces/ns/pods", pod("p", hostNetwork=True))
        assert made[:2] == (201, {"exempt": "user"})


async def test_labels_that_are_bad_already_mean_the_strictest_level(pki, tmp_path, backend) -> None:
    lax = ("ServiceAccount", "PodSecurity")
    async with audited(pki, tmp_path, backend, disable_admission_plugins=lax) as server:
        assert (await server.post("/api/v1/namespaces", namespace("ns", enforce="most")))[0] == 201
    async with audited(pki, tmp_path, backend) as server:
        code, notes, _ = await server.post("/api/v1/namespaces/ns/pods", pod("p"))
        assert (code, notes["enforce-policy"]) == (403, "restricted:latest")
        assert notes["error"] == (
            f'Failed to parse policy: metadata.labels[{P}enforce]: Invalid value: "most": must be one of '
            "privileged, baseline, restricted"
        )


async def test_a_privileged_namespace_is_noted(pki, tmp_path, backend) -> None:
    async with audited(pki, tmp_path, backend) as server:
        made = await server.post("/api/v1/namespaces/default/pods", pod("p", hostNetwork=True))
        assert made == (201, {"enforce-policy": "privileged:latest"}, [])


async def test_a_configuration_that_is_none(pki, tmp_path, backend) -> None:
    for text, why in (("kind: Other", "not an AdmissionConfiguration"), ("[1]", "object"), ("a: [", "yaml")):
        with pytest.raises(ValueError, match=why):
            async with audited(pki, tmp_path, backend, text):
                raise AssertionError("started")
