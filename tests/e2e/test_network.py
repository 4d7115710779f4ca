"""Pods reach each other, services find their pods, names resolve: on every node and from the host."""

import shlex
import socket
import urllib.request
from functools import partial

import pytest

from tests.e2e.harness import Failed, eventually
from tests.e2e.space import PYTHON, conditions, container, pod, web, with_python

NODES = ("node-1", "node-2", "node-3")


def _fetch(space, source, url, timeout_s=3):
    """Return what a pod gets at a URL, without the end of line. Raises `Failed`.

    Debian's static busybox crashes on `wget -T`, hence `timeout`.
    """
    return space.exec(source, f"timeout {timeout_s} wget -q -O - http://{url}/").strip()


def _from_host(url):
    with urllib.request.urlopen(f"http://{url}/", timeout=3) as answer:
        return answer.read().decode().strip()


def _answers(space, source, url, names, tries=40):
    """Ask until every one of `names` has answered."""
    seen: set[str] = set()

    def look():
        seen.update(_fetch(space, source, url) for _ in range(4))
        return seen == set(names)

    eventually(look, f"{names} all answer at {url} (seen: {seen})", tries)


def _node_address(space, name):
    status = space.cluster.call("GET", f"/api/v1/nodes/{name}")["status"]
    return next(a["address"] for a in status["addresses"] if a["type"] == "InternalIP")


@pytest.fixture
def trio(space):
    """A web pod on every node, behind the service `web`."""
    pods = space.run(*(web(f"web-{i}", {"app": "web"}, nodeName=f"node-{i}") for i in (1, 2, 3)))
    return {p["metadata"]["name"]: p["status"]["podIP"] for p in pods}


def test_pods_reach_each_other_on_every_node(space, trio):
    for source in trio:
        for target, address in trio.items():
            assert _fetch(space, source, f"{address}:8080") == target
    assert len(set(trio.values())) == 3
    assert _from_host(f"{trio['web-2']}:8080") == "web-2"


def test_a_pod_sees_the_address_of_the_other(space, trio):
    """No translation between pods: the server sees the client's own address."""
    space.exec("web-2", "nc -ll -p 9001 -e cat > /dev/null 2>&1 &")
    space.exec("web-1", f"(sleep 20 | nc {trio['web-2']} 9001) > /dev/null 2>&1 < /dev/null &")
    eventually(
        lambda: trio["web-1"] in space.exec("web-2", "netstat -tn"), "the client's address is seen", 15
    )


def test_a_cluster_ip_spreads_over_all_pods(space, trio):
    address = space.service("web", {"app": "web"})["spec"]["clusterIP"]
    _answers(space, "web-1", address, trio)
    for source in trio:
        assert _fetch(space, source, "web") in trio
    assert eventually(lambda: _from_host(address), "the host reaches the service") in trio


def test_a_pod_reaches_itself_through_its_service(space):
    space.run(web("pod-alone", {"app": "alone"}, nodeName="node-1"))
    space.service("alone", {"app": "alone"})
    assert eventually(lambda: _fetch(space, "pod-alone", "alone"), "the pod reaches itself") == "pod-alone"


def test_a_node_port_answers_on_every_node(space, trio):
    made = space.service("web", {"app": "web"}, type="NodePort")
    port = made["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    for node in NODES:
        url = f"{_node_address(space, node)}:{port}"
        assert eventually(partial(_fetch, space, "web-1", url), f"a pod reaches {url}") in trio

        def ask(url=url):
            try:
                return _from_host(url)
            except OSError as error:
                raise Failed(str(error)) from error

        assert eventually(ask, f"the host reaches {url}") in trio


def test_a_local_node_port_keeps_the_traffic_on_its_node(space):
    space.run(web("local", nodeName="node-1"), web("client", nodeName="node-3"))
    made = space.service("local", {"app": "local"}, type="NodePort", externalTrafficPolicy="Local")
    port = made["spec"]["ports"][0]["nodePort"]

    def ask():
        try:
            return _from_host(f"{_node_address(space, 'node-1')}:{port}")
        except OSError as error:
            raise Failed(str(error)) from error

    assert eventually(ask, "the node with the pod answers") == "local"
    with pytest.raises(OSError, match=r"timed out|refused"):
        _from_host(f"{_node_address(space, 'node-2')}:{port}")


def test_session_affinity(space, trio):
    address = space.service("web", {"app": "web"}, sessionAffinity="ClientIP")["spec"]["clusterIP"]
    first = {source: eventually(partial(_fetch, space, source, address), "an answer") for source in trio}
    loop = f"for i in $(seq 12); do timeout 3 wget -q -O - http://{address}/; done"
    for source, answer in first.items():
        assert set(space.exec(source, loop).split()) == {answer}


def test_headless_and_srv_records(space, trio):
    space.service("heads", {"app": "web"}, clusterIP="None")
    domain = f"heads.{space.name}.svc.cluster.local"

    def addresses():
        text = space.exec("web-1", f"nslookup {domain}")
        return {a for a in trio.values() if f"Address: {a}" in text} == set(trio.values())

    eventually(addresses, "the name has all addresses", 15)
    srv = eventually(lambda: space.exec("web-1", f"nslookup -type=srv _http._tcp.{domain}"), "SRV records")
    assert srv.count(" 8080 ") == 3, srv
    assert _fetch(space, "web-1", "heads:8080") in trio


def test_pods_with_host_names_have_their_own(space):
    space.service("db", {"app": "db"}, clusterIP="None")
    pods = [web(f"db-{i}", {"app": "db"}, hostname=f"db-{i}", subdomain="db") for i in (0, 1)]
    space.run(*pods)
    for name in ("db-0", "db-1"):
        found = eventually(partial(_fetch, space, "db-0", f"{name}.db:8080"), f"{name}.db resolves", 15)
        assert found == name
    assert space.exec("db-0", "hostname -f").strip() == f"db-0.db.{space.name}.svc.cluster.local"


def test_names_are_searched_for(space):
    space.run(web("pod-here", {"app": "here"}))
    address = space.service("here", {"app": "here"})["spec"]["clusterIP"]
    names = ("here", f"here.{space.name}", f"here.{space.name}.svc", f"here.{space.name}.svc.cluster.local")
    for name in names:
        assert eventually(partial(_fetch, space, "pod-here", name), f"{name} resolves", 15) == "pod-here"
    lines = space.exec("pod-here", "cat /etc/resolv.conf").splitlines()
    search = next(line for line in lines if line.startswith("search"))
    assert search.split()[1:4] == [f"{space.name}.svc.cluster.local", "svc.cluster.local", "cluster.local"]
    assert "ndots:5" in "".join(lines)
    back = space.exec("pod-here", f"nslookup {address}")
    assert f"here.{space.name}.svc.cluster.local" in back


def test_external_names(space):
    space.run(web("real"))
    space.service("real", {"app": "real"})
    space.create(
        "services",
        {
            "metadata": {"name": "alias"},
            "spec": {"type": "ExternalName", "externalName": f"real.{space.name}.svc.cluster.local"},
        },
    )
    assert eventually(lambda: _fetch(space, "real", "alias"), "the alias resolves", 15) == "real"


def test_a_service_without_endpoints_refuses(space):
    space.run(web("client"))
    address = space.service("nobody", {"app": "nobody"})["spec"]["clusterIP"]
    eventually(
        lambda: "refused" in space.exec("client", f"timeout 3 wget -O - http://{address}/ 2>&1; true"),
        "the connection is refused at once",
        15,
    )


def test_what_is_not_ready_gets_no_traffic(space, trio):
    address = space.service("web", {"app": "web"})["spec"]["clusterIP"]
    _answers(space, "web-1", address, trio)
    space.exec("web-3", "rm /www/index.html")
    space.wait("web-3", lambda p: conditions(p)["Ready"] == "False", "is not ready")
    loop = f"for i in $(seq 12); do timeout 3 wget -q -O - http://{address}/ || echo failed; done"
    eventually(
        lambda: set(space.exec("web-1", loop).split()) == {"web-1", "web-2"}, "only ready pods answer", 20
    )
    assert f"{trio['web-3']}:" not in space.cluster.kubectl("get", "endpoints", "web", "-n", space.name)
    space.exec("web-3", "hostname > /www/index.html")
    _answers(space, "web-1", address, trio)


def test_what_is_deleted_gets_no_traffic(space, trio):
    address = space.service("web", {"app": "web"})["spec"]["clusterIP"]
    _answers(space, "web-1", address, trio)
    space.delete("pods", "web-2")
    eventually(lambda: space.is_gone("pods", "web-2"), "the pod is gone", 20)
    loop = f"for i in $(seq 12); do timeout 3 wget -q -O - http://{address}/ || echo failed; done"
    assert set(space.exec("web-1", loop).split()) <= {"web-1", "web-3"}


ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 5000))
while True:
    data, peer = server.recvfrom(100)
    server.sendto(data.upper(), peer)
"""
ASK = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(2)
client.sendto(b"hello", ("udp", 5353))
print(client.recv(100).decode())
"""


def test_services_of_udp(space):
    server = with_python(pod("server", container("exec " + shlex.join([PYTHON, "-c", ECHO]))))
    space.run(server, with_python(pod("client")))
    ports = [{"name": "echo", "port": 5353, "targetPort": 5000, "protocol": "UDP"}]
    space.service("udp", {"app": "server"}, ports)
    ask = shlex.join([PYTHON, "-c", ASK])
    assert eventually(lambda: space.exec("client", ask), "the datagram comes back", 20) == "HELLO\n"


def test_host_ports(space):
    one = web("hosted", nodeName="node-2")
    one["spec"]["containers"][0]["ports"] = [{"containerPort": 8080, "hostPort": 18080}]
    space.run(one, web("client", nodeName="node-1"))
    address = _node_address(space, "node-2")
    url = f"{address}:18080"
    assert eventually(lambda: _fetch(space, "client", url), "the port of the node answers", 15) == "hosted"
    second = web("second")
    second["spec"]["containers"][0]["ports"] = [{"containerPort": 8080, "hostPort": 18080}]
    second["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "node-2"}
    space.create("pods", second)
    waiting = space.wait("second", lambda p: conditions(p).get("PodScheduled") == "False", "does not fit")
    (condition,) = [c for c in waiting["status"]["conditions"] if c["type"] == "PodScheduled"]
    assert "free ports" in condition["message"]


def test_host_network(space):
    space.run(web("client"))
    one = web("onhost", nodeName="node-3", hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    one["spec"]["containers"][0]["command"][2] = one["spec"]["containers"][0]["command"][2].replace(
        "8080", "18081"
    )
    one["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": 18081}]
    one["spec"]["containers"][0].pop("readinessProbe")
    (made,) = space.run(one)
    assert made["status"]["podIP"] == _node_address(space, "node-3") == made["status"]["hostIP"]
    assert eventually(lambda: _fetch(space, "client", f"{made['status']['podIP']}:18081"), "it answers")


def test_pods_reach_what_is_outside_of_the_cluster(space):
    """A server on this machine, on the network of the nodes."""
    space.run(web("client", nodeName="node-1"))
    gateway = _node_address(space, "node-1").rpartition(".")[0] + ".1"
    with socket.socket() as server:
        server.bind((gateway, 0))
        server.listen()
        server.settimeout(20)
        space.exec("client", f"echo hello | nc -w 2 {gateway} {server.getsockname()[1]} > /dev/null 2>&1 &")
        connection, _ = server.accept()
        with connection:
            assert connection.recv(10) == b"hello\n"
