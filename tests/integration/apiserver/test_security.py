"""Who may do what, through the whole server over the memory store: no socket, every filter."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from apiserver.app import Server, build
from apiserver.authn.front_proxy import FrontProxy
from apiserver.config import Config
from apiserver.http.message import Request, Response
from kit import tls
from store.memory import MemoryBackend

AUTH, AUTHZ = "/apis/authentication.k8s.io/v1", "/apis/authorization.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


class World:
    """A server and the certificates of some users."""

    def __init__(self, server: Server, ca: tls.KeyPair) -> None:
        self.server = server
        self.ca = ca
        self.certs: dict[str, bytes] = {}

    def cert(self, user: str, *groups: str) -> bytes:
        if user not in self.certs:
            pem = tls.issue(self.ca, user, groups).cert
            self.certs[user] = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
        return self.certs[user]

    async def ask(self, who: bytes | str | None, method: str, path: str, body=None, **headers: str):
        """Return code and object; `who` is a certificate, a token, or nobody."""
        path, _, query = path.partition("?")
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(who, str):
            given["authorization"] = f"Bearer {who}"
        if body is not None:
            given.setdefault("content-type", "application/json")
        params = {
            key: [value] for key, _, value in (pair.partition("=") for pair in query.split("&") if pair)
        }
        raw = orjson.dumps(body) if body is not None else b""
        request = Request(method, path, params, given, raw, who if isinstance(who, bytes) else None)
        answer = await self.server.handle(request)
        assert isinstance(answer, Response)
        data = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
        return answer.status, orjson.loads(data) if data[:1] in b"{[" else data

    async def make(self, path: str, obj: dict) -> Any:
        status, made = await self.ask(self.cert("admin", "system:masters"), "POST", path, obj)
        assert status == 201, made
        return made


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    ca = tls.new_ca("ca")
    ca.save(tmp_path / "ca")
    (tmp_path / "sa.key").write_bytes(tls.new_key())
    (tmp_path / "tokens.csv").write_text('sesame,jane,1,"dev"\n')
    config = Config(
        advertise_address="10.1.2.3",
        client_ca_file=tmp_path / "ca.crt",
        service_account_signing_key_file=tmp_path / "sa.key",
        token_auth_file=tmp_path / "tokens.csv",
        audit_log_path=tmp_path / "audit.log",
    )
    server = await build(config, MemoryBackend())
    yield World(server, ca)
    await server.close()


def named(name: str, **fields) -> dict:
    return {"metadata": {"name": name}, **fields}


def pod(name: str, **spec) -> dict:
    return named(name, spec={"containers": [{"name": "a", "image": "i"}], **spec})


async def test_who_is_who(world: World) -> None:
    assert (await world.ask(None, "GET", "/api"))[0] == 401
    assert (await world.ask("wrong", "GET", "/api"))[0] == 401
    assert await world.ask(None, "GET", "/readyz") == (200, b"ok")
    status, review = await world.ask("sesame", "POST", f"{AUTH}/selfsubjectreviews", {})
    assert status == 201
    info = review["status"]["userInfo"]
    assert (info["username"], info["groups"]) == ("jane", ["dev", "system:authenticated"])
    status, refused = await world.ask("sesame", "GET", "/api/v1/namespaces/default/pods")
    assert status == 403
    assert refused["message"] == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" '
        'in the namespace "default"'
    )
    status, refused = await world.ask("sesame", "GET", "/metrics")
    assert refused["message"] == 'forbidden: User "jane" cannot get path "/metrics"'


async def test_bootstrap_objects(world: World) -> None:
    admin = world.cert("admin", "system:masters")
    for path in (
        "/api/v1/namespaces/kube-node-lease",
        f"{RBAC}/clusterroles/system:controller:job-controller",
        f"{RBAC}/namespaces/kube-public/roles/system:controller:bootstrap-signer",
        "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical",
        "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/global-default",
        "/apis/networking.k8s.io/v1/servicecidrs/kubernetes",
        "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
    ):
        assert (await world.ask(admin, "GET", path))[0] == 200, path
    _, service = await world.ask(admin, "GET", "/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIP"] == "10.96.0.1"
    _, endpoints = await world.ask(admin, "GET", "/api/v1/namespaces/default/endpoints/kubernetes")
    assert endpoints["subsets"][0]["addresses"] == [{"ip": "10.1.2.3"}]


async def test_a_second_start_changes_nothing(world: World) -> None:
    before = await world.server.backend.current_revision()
    await world.server.bootstrap.ensure()
    # Only the server's own lease is renewed.
    assert await world.server.backend.current_revision() == before + 1


async def test_rights_come_and_go_with_bindings(world: World) -> None:
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "dev"}
    binding = named("dev", roleRef=ref, subjects=[subject])
    await world.make(f"{RBAC}/namespaces/default/rolebindings", binding)
    await settled(world)
    assert (await world.ask("sesame", "GET", "/api/v1/namespaces/default/pods"))[0] == 200
    assert (await world.ask("sesame", "GET", "/api/v1/namespaces/kube-system/pods"))[0] == 403
    admin = world.cert("admin", "system:masters")
    await world.ask(admin, "DELETE", f"{RBAC}/namespaces/default/rolebindings/dev")
    await settled(world)
    assert (await world.ask("sesame", "GET", "/api/v1/namespaces/default/pods"))[0] == 403


async def settled(world: World) -> None:
    """Wait until the caches have seen the last write."""
    await world.server.hub.fresh()


async def test_escalation(world: World) -> None:
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}
    await world.make(f"{RBAC}/namespaces/default/rolebindings", named("a", roleRef=ref, subjects=[subject]))
    await settled(world)
    roles = f"{RBAC}/namespaces/default/roles"
    held = named("held", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])
    assert (await world.ask("sesame", "POST", roles, held))[0] == 201
    more = named("more", rules=[{"apiGroups": ["x.y"], "resources": ["z"], "verbs": ["get"]}])
    status, refused = await world.ask("sesame", "POST", roles, more)
    assert status == 403
    assert "is attempting to grant RBAC permissions not currently held" in refused["message"]
    assert '{APIGroups:["x.y"], Resources:["z"], Verbs:["get"]}' in refused["message"]
    for role, expected in (("view", 201), ("cluster-admin", 403)):
        binding = named(role, roleRef={**ref, "name": role}, subjects=[subject])
        status, _ = await world.ask("sesame", "POST", f"{RBAC}/namespaces/default/rolebindings", binding)
        assert status == expected, role


async def test_impersonation(world: World) -> None:
    admin = world.cert("admin", "system:masters")
    status, review = await world.ask(
        admin,
        "POST",
        f"{AUTH}/selfsubjectreviews",
        {},
        impersonate_user="system:serviceaccount:a:b",
        impersonate_uid="7",
    )
    assert status == 201
    assert review["status"]["userInfo"] == {
        "username": "system:serviceaccount:a:b",
        "uid": "7",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"],
    }
    status, refused = await world.ask("sesame", "GET", "/api", impersonate_user="root")
    assert status == 403
    assert refused["message"].startswith(
        'users "root" is forbidden: User "jane" cannot impersonate resource "users"'
    )
    assert (await world.ask(admin, "GET", "/api", impersonate_group="x"))[0] == 400


async def test_reviews_agree_with_reality(world: World) -> None:
    admin = world.cert("admin", "system:masters")
    asked = {"namespace": "default", "verb": "list", "resource": "pods"}
    for user, allowed in (("jane", False), ("system:kube-scheduler", True)):
        spec = {"user": user, "resourceAttributes": asked}
        status, review = await world.ask(admin, "POST", f"{AUTHZ}/subjectaccessreviews", {"spec": spec})
        assert (status, review["status"]["allowed"]) == (201, allowed)
        path = f"{AUTHZ}/namespaces/default/localsubjectaccessreviews"
        _, review = await world.ask(admin, "POST", path, {"spec": spec})
        assert review["status"]["allowed"] is allowed
    own = {"spec": {"resourceAttributes": asked}}
    _, review = await world.ask("sesame", "POST", f"{AUTHZ}/selfsubjectaccessreviews", own)
    assert review["status"]["allowed"] is False
    status, _ = await world.ask(admin, "POST", f"{AUTHZ}/subjectaccessreviews", {"spec": {"user": "x"}})
    assert status == 422
    only_table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    status, _ = await world.ask(admin, "POST", f"{AUTHZ}/selfsubjectaccessreviews", own, accept=only_table)
    assert status == 406
    rules = {"spec": {"namespace": "default"}}
    _, review = await world.ask("sesame", "POST", f"{AUTHZ}/selfsubjectrulesreviews", rules)
    assert any("/version" in item["nonResourceURLs"] for item in review["status"]["nonResourceRules"])


async def test_service_account_tokens(world: World) -> None:
    admin = world.cert("admin", "system:masters")
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await world.make(accounts, named("robot"))
    await world.make("/api/v1/nodes", named("n1"))
    made = await world.make(
        "/api/v1/namespaces/default/pods", pod("p", serviceAccountName="robot", nodeName="n1")
    )
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": made["metadata"]["uid"]}
    asked = {"spec": {"boundObjectRef": ref}}
    status, issued = await world.ask(admin, "POST", f"{accounts}/robot/token", asked)
    assert (status, issued["kind"]) == (201, "TokenRequest")
    token = issued["status"]["token"]
    _, review = await world.ask(admin, "POST", f"{AUTH}/tokenreviews", {"spec": {"token": token}})
    user = review["status"]["user"]
    assert review["status"]["authenticated"] is True
    assert user["username"] == "system:serviceaccount:default:robot"
    assert user["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]
    assert user["extra"]["authentication.kubernetes.io/node-name"] == ["n1"]
    assert user["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")
    assert (await world.ask(token, "GET", "/api"))[0] == 200
    await world.ask(admin, "DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0")
    await settled(world)
    assert (await world.ask(token, "GET", "/api"))[0] == 401
    assert (await world.ask(admin, "POST", f"{accounts}/gone/token", {"spec": {}}))[0] == 404
    assert (await world.ask(admin, "POST", f"{accounts}/robot/token", {"spec": {"expirationSeconds": 5}}))[
        0
    ] == 422
    wrong = {"spec": {"boundObjectRef": {**ref, "kind": "Node", "name": "n1"}}}
    assert (await world.ask(admin, "POST", f"{accounts}/robot/token", wrong))[0] == 409
    other = {"spec": {"audiences": ["vault"]}}
    _, issued = await world.ask(admin, "POST", f"{accounts}/robot/token", other)
    assert (await world.ask(issued["status"]["token"], "GET", "/api"))[0] == 401


async def test_token_of_a_new_account_of_the_same_name_is_another(world: World) -> None:
    admin = world.cert("admin", "system:masters")
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await world.make(accounts, named("robot"))
    _, issued = await world.ask(admin, "POST", f"{accounts}/robot/token", {"spec": {}})
    await world.ask(admin, "DELETE", f"{accounts}/robot")
    await world.make(accounts, named("robot"))
    await settled(world)
    assert (await world.ask(issued["status"]["token"], "GET", "/api"))[0] == 401


async def test_openid_metadata(world: World) -> None:
    admin = world.cert("admin", "system:masters")
    _, document = await world.ask(admin, "GET", "/.well-known/openid-configuration")
    assert document["issuer"] == "https://kubernetes.default.svc.cluster.local"
    assert document["jwks_uri"] == "https://kubernetes.default.svc.cluster.local/openid/v1/jwks"
    _, keys = await world.ask(admin, "GET", "/openid/v1/jwks")
    assert keys["keys"][0]["alg"] == "ES256"


async def test_nodes_see_what_their_pods_need(world: World) -> None:
    node = world.cert("system:node:n1", "system:nodes")
    secrets = "/api/v1/namespaces/default/secrets"
    for name in ("mine", "other"):
        await world.make(secrets, named(name))
    await world.make("/api/v1/namespaces/default/serviceaccounts", named("default"))
    volumes = [{"name": "v", "secret": {"secretName": "mine"}}]
    await world.make("/api/v1/namespaces/default/pods", pod("p", nodeName="n1", volumes=volumes))
    await world.make("/api/v1/namespaces/default/pods", pod("q", nodeName="n2"))
    await settled(world)
    for method, path, expected in (
        ("GET", f"{secrets}/mine", 200),
        ("GET", f"{secrets}/mine", 200),
        ("GET", f"{secrets}/other", 403),
        ("GET", secrets, 403),
        ("GET", "/api/v1/namespaces/default/pods/p", 200),
        ("GET", "/api/v1/namespaces/default/pods/q", 403),
        ("GET", "/api/v1/pods", 403),
        ("GET", "/api/v1/pods?fieldSelector=spec.nodeName=n1", 200),
        ("GET", "/api/v1/pods?fieldSelector=spec.nodeName=n2", 403),
        ("GET", "/api/v1/services", 200),
        ("GET", "/api/v1/nodes", 403),
        ("DELETE", "/api/v1/namespaces/default/pods/q", 403),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/n1", 403),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", 404),
    ):
        status, answer = await world.ask(node, method, path)
        assert status == expected, (method, path, answer)


async def test_nodes_write_only_themselves(world: World) -> None:
    node = world.cert("system:node:n1", "system:nodes")
    assert (await world.ask(node, "POST", "/api/v1/nodes", named("n2")))[0] == 403
    status, made = await world.ask(node, "POST", "/api/v1/nodes", named("n1"))
    assert status == 201
    assert made["spec"]["taints"][0]["key"] == "node.kubernetes.io/not-ready"
    await settled(world)
    merge = "application/merge-patch+json"
    for patch, expected in (
        ({"metadata": {"labels": {"kubernetes.io/hostname": "n1"}}}, 200),
        ({"metadata": {"labels": {"node-restriction.kubernetes.io/x": "y"}}}, 403),
        ({"metadata": {"labels": {"x.kubernetes.io/y": "z"}}}, 403),
        ({"spec": {"taints": None}}, 403),
    ):
        status, answer = await world.ask(node, "PATCH", "/api/v1/nodes/n1", patch, content_type=merge)
        assert status == expected, (patch, answer)
    plain = pod("m", nodeName="n1")
    assert (await world.ask(node, "POST", "/api/v1/namespaces/default/pods", plain))[0] == 403


async def test_namespaces_guard_their_content(world: World) -> None:
    admin = world.cert("admin", "system:masters")
    status, refused = await world.ask(admin, "POST", "/api/v1/namespaces/nope/configmaps", named("c"))
    assert (status, refused["message"]) == (404, 'namespaces "nope" not found')
    status, refused = await world.ask(admin, "DELETE", "/api/v1/namespaces/kube-system")
    assert (status, refused["message"]) == (
        403,
        'namespaces "kube-system" is forbidden: this namespace may not be deleted',
    )
    await world.make("/api/v1/namespaces", named("going"))
    await world.ask(admin, "DELETE", "/api/v1/namespaces/going")
    status, refused = await world.ask(admin, "POST", "/api/v1/namespaces/going/configmaps", named("c"))
    assert status == 403
    assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert refused["message"] == (
        'configmaps "c" is forbidden: unable to create new content in namespace going '
        "because it is being terminated"
    )


async def test_quota(world: World) -> None:
    admin = world.cert("admin", "system:masters")
    quotas = "/api/v1/namespaces/default/resourcequotas"
    await world.make(quotas, named("q", spec={"hard": {"configmaps": "1"}}))
    merge = "application/merge-patch+json"
    status = {"status": {"hard": {"configmaps": "1"}, "used": {"configmaps": "0"}}}
    await world.ask(admin, "PATCH", f"{quotas}/q/status", status, content_type=merge)
    await settled(world)
    configmaps = "/api/v1/namespaces/default/configmaps"
    both = await asyncio.gather(*(world.ask(admin, "POST", configmaps, named(name)) for name in ("a", "b")))
    assert sorted(code for code, _ in both) == [201, 403]
    refused = next(answer["message"] for code, answer in both if code == 403)
    assert "exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: configmaps=1" in refused


async def test_pods_are_completed(world: World) -> None:
    await world.make("/api/v1/namespaces/default/serviceaccounts", named("default"))
    limits = [{"type": "Container", "default": {"cpu": "300m"}, "defaultRequest": {"cpu": "100m"}}]
    await world.make("/api/v1/namespaces/default/limitranges", named("l", spec={"limits": limits}))
    await settled(world)
    made = await world.make("/api/v1/namespaces/default/pods", pod("p"))
    spec = made["spec"]
    assert spec["serviceAccountName"] == "default"
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert [item["tolerationSeconds"] for item in spec["tolerations"]] == [300, 300]
    assert spec["volumes"][0]["name"].startswith("kube-api-access-")
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "100m"}, "limits": {"cpu": "300m"}}
    assert made["status"]["qosClass"] == "Burstable"
    admin = world.cert("admin", "system:masters")
    for wrong, text in (
        (
            pod("x", serviceAccountName="no"),
            'error looking up service account default/no: serviceaccount "no" not found',
        ),
        (pod("x", priorityClassName="no"), "no PriorityClass with name no was found"),
        (pod("x", runtimeClassName="no"), 'pod rejected: RuntimeClass "no" not found'),
    ):
        status, refused = await world.ask(admin, "POST", "/api/v1/namespaces/default/pods", wrong)
        assert (status, refused["message"]) == (403, f'pods "x" is forbidden: {text}')


async def test_audit(world: World, tmp_path: Path) -> None:
    admin = world.cert("admin", "system:masters")
    await world.make("/api/v1/namespaces/default/secrets", named("s", stringData={"k": "hush-hush"}))
    await world.ask(admin, "GET", "/api/v1/namespaces/default/secrets/s", impersonate_user="joe")
    await world.ask(None, "GET", "/api")
    text = (tmp_path / "audit.log").read_text()
    assert "hush" not in text
    events = [orjson.loads(line) for line in text.splitlines()]
    made, refused, unknown = events[-3:]
    assert made["objectRef"]["resource"] == "secrets"
    assert (made["verb"], made["user"]["username"], made["responseStatus"]["code"]) == (
        "create",
        "admin",
        201,
    )
    assert (refused["user"]["username"], refused["impersonatedUser"]["username"]) == ("admin", "joe")
    assert refused["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert unknown["responseStatus"]["code"] == 401


async def test_certificate_requests(world: World) -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    def asked(name: str, signer: str, *groups: str) -> dict:
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, "joe")])
        csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        text = base64.b64encode(csr.public_bytes(Encoding.PEM)).decode()
        return named(name, spec={"request": text, "signerName": signer, "usages": ["client auth"]})

    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    signer = "kubernetes.io/kube-apiserver-client"
    admin = world.cert("admin", "system:masters")
    status, refused = await world.ask(admin, "POST", path, asked("m", signer, "system:masters"))
    assert (status, refused["message"]) == (
        403,
        'certificatesigningrequests.certificates.k8s.io "m" is forbidden: '
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
    )
    made = await world.make(path, asked("j", signer, "dev"))
    rules = [
        {
            "apiGroups": ["certificates.k8s.io"],
            "resources": ["certificatesigningrequests", "certificatesigningrequests/approval"],
            "verbs": ["*"],
        }
    ]
    await world.make(f"{RBAC}/clusterroles", named("approver", rules=rules))
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "approver"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}
    await world.make(f"{RBAC}/clusterrolebindings", named("approver", roleRef=ref, subjects=[subject]))
    await settled(world)
    condition = {"type": "Approved", "status": "True", "reason": "r", "message": "m"}
    approved = {**made, "status": {"conditions": [condition]}}
    status, refused = await world.ask("sesame", "PUT", f"{path}/j/approval", approved)
    assert status == 403
    assert f'user not permitted to approve requests with signerName "{signer}"' in refused["message"]
    assert (await world.ask(admin, "PUT", f"{path}/j/approval", approved))[0] == 200


async def test_front_proxy(world: World, tmp_path: Path) -> None:
    """Only the proxy's own authority makes its headers believed."""
    front = tls.new_ca("front")
    front.save(tmp_path / "front")
    proxy = FrontProxy(tmp_path / "front.crt", ("aggregator",))

    def asked(ca: tls.KeyPair, name: str) -> Request:
        pem = x509.load_pem_x509_certificate(tls.issue(ca, name).cert)
        headers = {"x-remote-user": "joe", "x-remote-group": "dev", "X-Remote-Extra-a%2Fb": "c"}
        return Request("GET", "/", {}, headers, b"", pem.public_bytes(Encoding.DER))

    user = proxy.authenticate(asked(front, "aggregator"))
    assert user is not None
    assert (user.name, user.groups) == ("joe", ("dev", "system:authenticated"))
    assert proxy.authenticate(asked(front, "other")) is None
    assert proxy.authenticate(asked(world.ca, "aggregator")) is None
