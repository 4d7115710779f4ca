"""Decisions asked for through the API server, which finds the scheduler by its Lease."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from api.errors import AlreadyExists, Forbidden, NotFound, ServiceUnavailable, from_status
from api.types.coordination_v1 import LEASES
from api.types.core_v1 import NAMESPACES, PODS, SERVICEACCOUNTS
from api.types.rbac_v1 import CLUSTERROLEBINDINGS, ROLEBINDINGS
from apiserver.app import Server, build
from apiserver.config import Config as ServerConfig
from apiserver.http.message import Request, User
from cli.verbs import why
from client.api import Client
from client.inprocess import InProcessTransport
from kit import chain, clock, tls
from kit.tasks import Tasks
from scheduler.app import run_with
from scheduler.config import Config
from store.memory import MemoryBackend
from tests.contract.stores import free_port
from tests.integration.scheduler.conftest import Cluster

KUBECONFIG = """
current-context: x
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
clusters:
- {{name: c, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: {folder}/ca.crt}}}}
users: [{{name: u, user: {{client-certificate: {folder}/root.crt, client-key: {folder}/root.key}}}}]
"""
ANNOTATION = "scheduling.pelamis.dev/decisions"
ADMIN = User("admin", ("system:masters", "system:authenticated"))
SCHEDULER = User("system:kube-scheduler", ("system:authenticated",))
VIEWER = User("vera", ("system:authenticated",))


def client_of(server: Server, user: User) -> Client:
    def new_request(method: str, path: str, query: Any, headers: Any, body: bytes) -> Request:
        request = Request(method, path, query, headers, body)
        request.user = user
        return request

    return Client(InProcessTransport(server.handle, new_request))


@dataclass
class Site:
    """A server, a cluster over it, and where the scheduler serves."""

    server: Server
    cluster: Cluster
    tasks: Tasks
    folder: Path
    port: int

    def start(self, **settings: Any) -> Any:
        config = Config(**{
            "kubeconfig": Path("unused"), "leader_elect": False,
            "bind_address": "127.0.0.1", "secure_port": self.port, **settings,
        })  # fmt: skip
        authority = (self.folder / "ca.crt").read_bytes()
        return self.tasks.spawn(run_with(client_of(self.server, SCHEDULER), config, authority), "scheduler")

    async def why(self, name: str, user: User = ADMIN, namespace: str = "default", **query: str) -> Any:
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/decision"
        answer = await client_of(self.server, user).request("GET", path, query=query)
        said = orjson.loads(answer.body)
        if answer.status != 200:
            raise from_status(answer.status, said)
        return said

    async def until_why(self, name: str, **query: str) -> Any:
        """Ask until the scheduler has been found."""
        return await self.cluster.until(lambda: self.why(name, ADMIN, **query))

    async def until_refused(self, name: str, text: str) -> None:
        """Ask until the answer is 503 with this text."""

        async def refused() -> bool:
            with pytest.raises(ServiceUnavailable) as caught:
                await self.why(name)
            return text in caught.value.message

        assert await self.cluster.until(refused)

    async def direct(self, path: str, cert: str = "", **headers: str) -> tuple[int, str]:
        """Ask the scheduler itself; return status and text."""
        lease: Any = await self.cluster.client.get(LEASES, "kube-scheduler", "kube-system")
        said = orjson.loads(lease["metadata"]["annotations"][ANNOTATION])
        context = chain.pinned_context(said["certificate"])
        if cert:
            context.load_cert_chain(self.folder / f"{cert}.crt", self.folder / f"{cert}.key")
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.get(f"https://{said['address']}{path}", headers=headers) as answer,
        ):
            return answer.status, await answer.text()


@asynccontextmanager
async def site(folder: Path, **settings: Any) -> AsyncIterator[Site]:
    config = {
        "client_ca_file": folder / "ca.crt",
        "requestheader_client_ca_file": folder / "front.crt",
        "requestheader_allowed_names": ("front-proxy-client",),
        "proxy_client_cert_file": folder / "proxy.crt",
        "proxy_client_key_file": folder / "proxy.key",
        "service_account_signing_key_file": folder / "ca.key",
        **settings,
    }
    backend = MemoryBackend()
    server = await build(ServerConfig(**config), backend)
    client, tasks = client_of(server, ADMIN), Tasks()
    for name in ("default", "other"):
        with suppress(AlreadyExists):
            await client.create(NAMESPACES, {"metadata": {"name": name}})
        await client.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": name}})
    yield Site(server, Cluster(client, tasks), tasks, folder, free_port())
    await tasks.close()
    await server.close()
    await backend.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Authorities of clients and of the front proxy, and certificates of both and of neither."""
    made = tmp_path_factory.mktemp("pki")
    ca, front, strange = tls.new_ca("cluster"), tls.new_ca("front"), tls.new_ca("cluster")
    ca.save(made / "ca")
    front.save(made / "front")
    tls.issue(front, "front-proxy-client").save(made / "proxy")
    tls.issue(front, "somebody-else").save(made / "other-proxy")
    tls.issue(ca, "vera").save(made / "vera")
    tls.issue(ca, "root", ["system:masters"]).save(made / "root")
    tls.issue(strange, "root", ["system:masters"]).save(made / "strange")
    return made


@pytest.fixture
async def place(folder: Path) -> AsyncIterator[Site]:
    async with site(folder) as made:
        yield made


async def test_a_bound_pod_and_a_pending_one(place: Site) -> None:
    place.start()
    await place.cluster.add_node("n1")
    await place.cluster.add_node("n2", cpu="2")
    await place.cluster.add_pod("web", cpu="3")
    await place.cluster.placed("web")
    doc = await place.until_why("web", node="n2")
    assert (doc["kind"], doc["outcome"], doc["node"]) == ("Decision", "Scheduled", "n1")
    assert doc["onNode"]["then"]["refused"][0]["reason"] == "Insufficient cpu"
    assert doc["onNode"]["now"]["refused"][0]["fact"] == "cpu: 3 wanted, 2 of 2 free"
    await place.cluster.add_pod("big", cpu="3")
    await place.cluster.condition("big", "PodScheduled", "False")
    doc = await place.why("big")
    assert (doc["outcome"], doc["queue"]) == ("Unschedulable", "unschedulable")
    assert doc["advice"][0]["text"] == "lower the cpu request of container main from 3 to 2"
    # What is advised does let it run: the pod is made anew, as its template would make it.
    changed = doc["advice"][0]["patch"][0]["value"]
    await place.cluster.add_pod("less", cpu=changed)
    assert await place.cluster.placed("less") == {"less": "n2"}


async def test_pods_that_are_gone_and_those_nobody_knows(place: Site) -> None:
    place.start()
    await place.cluster.add_node("n1")
    pod = await place.cluster.add_pod("web")
    await place.cluster.placed("web")
    await place.cluster.client.delete(PODS, "web", "default", grace_period_s=0)
    doc = await place.until_why("web", all="true")
    assert (doc["gone"], doc["metadata"]["uid"], doc["earlier"]) == (True, pod["metadata"]["uid"], [])
    with pytest.raises(NotFound, match='pods "never" not found, and the scheduler keeps no decision'):
        await place.why("never")
    await place.cluster.add_pod("else", schedulerName="another")
    with pytest.raises(NotFound, match="it waits for the scheduler another, which is another one"):
        await place.why("else")
    await place.cluster.add_pod("static", nodeName="n1")
    doc = await place.why("static")
    assert (doc["outcome"], doc["node"]) == ("Unknown", "n1")


async def test_who_may_ask(place: Site) -> None:
    place.start()
    await place.cluster.add_node("n1")
    await place.cluster.add_pod("web", cpu="3")
    await place.cluster.placed("web")
    container = {"name": "main", "image": "app:1", "resources": {"requests": {"cpu": "2"}}}
    pod = {"metadata": {"name": "big", "namespace": "other"}, "spec": {"containers": [container]}}
    await place.cluster.client.create(PODS, pod)
    await place.until_why("web")
    with pytest.raises(Forbidden, match='"vera" cannot get resource "pods/decision"'):
        await place.why("web", VIEWER)
    subject = {"kind": "User", "name": "vera", "apiGroup": "rbac.authorization.k8s.io"}
    role = {"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": "vera", "namespace": "other"}, "subjects": [subject], "roleRef": role}
    await place.cluster.client.create(ROLEBINDINGS, binding)

    async def advised(user: User) -> Any:
        doc = await place.why("big", user, "other")
        return [each["delete"] for each in doc.get("advice", ()) if each["kind"] == "FreeRoom"]

    assert await place.cluster.until(lambda: advised(VIEWER)) == [{"pods": [], "others": 1}]
    assert await advised(ADMIN) == [{"pods": ["default/web"]}]
    with pytest.raises(Forbidden):
        await place.why("web", VIEWER)


async def test_nobody_answers(place: Site) -> None:
    await place.cluster.add_pod("web")
    with pytest.raises(ServiceUnavailable, match="There is no Lease kube-system/kube-scheduler"):
        await place.why("web")
    task = place.start()
    await place.until_why("web")
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await place.until_refused("web", f"The scheduler at https://127.0.0.1:{place.port} does not answer: ")


async def test_the_leader_is_asked_and_no_other(place: Site) -> None:
    """A follower serves, too, but is not the one that the Lease names; a new leader is found."""
    await place.cluster.add_node("n1")
    timing = {"leader_elect": True, "leader_elect_retry_period_s": 0.1}
    first = place.start(**timing)
    await place.cluster.add_pod("web")
    await place.cluster.placed("web")
    await place.until_why("web")
    lease: Any = await place.cluster.client.get(LEASES, "kube-scheduler", "kube-system")
    said = orjson.loads(lease["metadata"]["annotations"][ANNOTATION])
    assert said["holder"] == lease["spec"]["holderIdentity"] != ""
    place.port = free_port()
    place.start(**timing)
    first.cancel()
    await place.cluster.add_pod("next")
    await place.cluster.placed("next")
    assert (await place.until_why("next"))["outcome"] == "Scheduled"
    assert (await place.why("web"))["outcome"] == "Unknown"


async def test_a_lease_that_another_scheduler_holds(place: Site) -> None:
    """Upstream's scheduler takes the Lease over, and leaves the annotation as it is."""
    place.start().cancel()
    lease: Any = {"metadata": {"name": "kube-scheduler", "namespace": "kube-system"}, "spec": {}}
    await place.cluster.add_pod("web")
    client = place.cluster.client
    await client.create(LEASES, {**lease, "spec": {"holderIdentity": "upstream"}})
    await place.until_refused("web", "which upstream holds, does not say where")
    said = {"address": "127.0.0.1:1", "certificate": "x", "holder": "upstream"}
    for value, expected in (
        (orjson.dumps({**said, "holder": "ours"}), "no longer leads: .* is held by upstream"),
        (b"{", "something malformed"),
        (b'{"address": "evil.example:1", "certificate": ""}', "something malformed"),
        (orjson.dumps(said), "No connection can be made"),
        (orjson.dumps({**said, "address": "169.254.169.254:80"}), "not allowed"),
    ):
        body = {"metadata": {"annotations": {ANNOTATION: value.decode()}}}
        await client.patch(LEASES, "kube-scheduler", "kube-system", body, kind="merge")
        await clock.sleep(0.05)
        with pytest.raises((ServiceUnavailable, Forbidden), match=expected):
            await place.why("web")


async def test_without_a_certificate_to_show(folder: Path) -> None:
    async with site(folder, proxy_client_cert_file=None, proxy_client_key_file=None) as place:
        place.start()
        await place.cluster.add_pod("web")
        await place.until_refused("web", "no certificate to show")


async def test_a_server_that_is_no_front_proxy(folder: Path) -> None:
    settings = {"proxy_client_cert_file": folder / "vera.crt", "proxy_client_key_file": folder / "vera.key"}
    async with site(folder, **settings) as place:
        place.start()
        await place.cluster.add_pod("web")
        await place.until_refused("web", "does not accept this API server's certificate")


async def test_what_the_scheduler_itself_shows(place: Site) -> None:
    place.start()
    await place.cluster.add_node("n1")
    await place.cluster.add_pod("web")
    await place.cluster.placed("web")
    await place.until_why("web")
    for path in ("/healthz", "/livez", "/readyz"):
        assert await place.direct(path) == (200, "ok")
    decision = "/decisions/default/web"
    for path in ("/metrics", decision):
        assert (await place.direct(path))[0] == 403
        assert (await place.direct(path, "vera"))[0] == 403
        assert (await place.direct(path, "other-proxy"))[0] == 401
        assert (await place.direct(path, "root"))[0] == 200
        assert (await place.direct(path, Authorization="Bearer nonsense"))[0] == 401
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await place.direct(path, "strange")
    assert (await place.direct("/metrics", "proxy"))[0] == 403
    assert (await place.direct(decision, "proxy"))[0] == 200
    assert (await place.direct("/decisions/default/never", "proxy"))[0] == 404
    assert (await place.direct("/other", "root"))[0] == 404
    assert "scheduler_pending_pods" in (await place.direct("/metrics", "root"))[1]
    role = {"kind": "ClusterRole", "name": "system:monitoring", "apiGroup": "rbac.authorization.k8s.io"}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
    binding = {"metadata": {"name": "monitoring"}, "subjects": [subject], "roleRef": role}
    await place.cluster.client.create(CLUSTERROLEBINDINGS, binding)
    made: Any = await place.cluster.client.create(
        SERVICEACCOUNTS, {"spec": {}}, "default", subresource="token", name="default"
    )
    bearer = f"Bearer {made['status']['token']}"
    assert (await place.direct("/metrics", Authorization=bearer))[0] == 200
    assert (await place.direct(decision, Authorization=bearer))[0] == 403


async def test_a_given_serving_certificate(place: Site, tmp_path: Path) -> None:
    """It need not bear the address, nor be known to anybody but by the announcement."""
    tls.issue(tls.new_ca("other"), "scheduler", server_names=("scheduler.example",)).save(tmp_path / "own")
    cert = tmp_path / "own.crt"
    with pytest.raises(ValueError, match="--tls-cert-file and --tls-private-key-file go together"):
        await place.start(tls_cert_file=cert)
    place.start(tls_cert_file=cert, tls_private_key_file=tmp_path / "own.key")
    await place.cluster.add_pod("web")
    assert (await place.until_why("web"))["outcome"] in ("Unschedulable", "Waiting")
    lease: Any = await place.cluster.client.get(LEASES, "kube-scheduler", "kube-system")
    assert orjson.loads(lease["metadata"]["annotations"][ANNOTATION])["certificate"] == cert.read_text()


async def test_columns(place: Site) -> None:
    place.start()
    for number in range(3):
        await place.cluster.add_node(f"n{number}")
    await place.cluster.add_pod("web")
    await place.cluster.placed("web")
    columns = (await place.until_why("web", columns="true"))["columns"]
    assert [name for name in columns["nodes"] if name] == ["n0", "n1", "n2"]
    assert columns["feasible"] == [True, True, True]
    assert {len(row) for row in columns["scores"].values()} == {3}


async def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`pelamis why` and `why-not` over HTTPS, from a kubeconfig."""
    tls.issue(tls.KeyPair.load(folder / "ca"), "server", server_names=("127.0.0.1",)).save(
        tmp_path / "server"
    )
    files = {"tls_cert_file": tmp_path / "server.crt", "tls_private_key_file": tmp_path / "server.key"}
    async with site(folder, bind_address="127.0.0.1", secure_port=free_port(), **files) as place:
        config = tmp_path / "kubeconfig"
        config.write_text(KUBECONFIG.format(port=await place.server.listen(), folder=folder))

        async def run(verb: str, *words: str) -> tuple[int, str]:
            code = await asyncio.to_thread(why.main, verb, [*words, f"--kubeconfig={config}"])
            said = capsys.readouterr()
            return code, said.out + said.err

        await place.cluster.add_node("n1")
        await place.cluster.add_pod("web", cpu="3")
        code, text = await run("why", "pod/web")
        assert (code, "There is no Lease" in text) == (1, True)
        place.start()
        await place.cluster.placed("web")
        await place.cluster.add_pod("big", cpu="3")
        await place.cluster.condition("big", "PodScheduled", "False")
        await place.until_why("web")
        code, text = await run("why", "web")
        assert (code, text.split(" (at ")[0]) == (0, "pod default/web: placed on n1")
        code, text = await run("why", "pod/big")
        lower = "lower the cpu request of container main from 3 to 1"
        assert (code, f"  1. {lower} (n1 would take it)" in text) == (0, True)
        code, text = await run("why-not", "pods/big", "node/n1", "-n", "default")
        assert (code, f"  - {lower}" in text) == (0, True)
        code, text = await run("why", "big", "-o", "json")
        assert (code, orjson.loads(text)["kind"]) == (0, "Decision")
        code, text = await run("why", "never")
        assert (code, text.startswith('pelamis why: pods "never" not found')) == (1, True)
