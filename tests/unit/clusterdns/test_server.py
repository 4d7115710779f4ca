"""The server over real sockets, with a view of its own."""

import asyncio

import pytest
from dnslib import EDNS0, QTYPE, RCODE, RR, DNSRecord

from clusterdns import forward, wire
from clusterdns.answer import Zone
from clusterdns.server import Server
from kit.tasks import Tasks


class Crowd:
    """One headless service with many endpoints, and whatever the test puts beside it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.changes = 0

    def service(self, namespace, name):
        spec = (
            {"clusterIP": "None"}
            if name == "many"
            else {"type": "ExternalName", "externalName": "far.example"}
        )
        return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}

    def slices(self, namespace, service):
        addresses = [f"10.0.{n // 250}.{n % 250 + 1}" for n in range(self.size)]
        return [{"metadata": {}, "endpoints": [{"addresses": [a]} for a in addresses]}]

    def services_at(self, address):
        return []

    def slices_at(self, address):
        return []

    def has_namespace(self, namespace):
        return True


@pytest.fixture
async def serve():
    tasks = Tasks()
    servers = []

    async def start(view, upstream=()):
        servers.append(Server(view, Zone("cluster.local"), lambda: view.changes, list(upstream), tasks))
        return await servers[-1].start("127.0.0.1", 0)

    yield start
    for server in servers:
        await server.close()
    await tasks.close()
    await asyncio.sleep(0.01)


def _question(name: str, kind: str = "A", size: int = 0) -> DNSRecord:
    message = DNSRecord.question(name, kind)
    if size:
        message.add_ar(EDNS0(udp_len=size))
    return message


async def _ask(port: int, message: DNSRecord, over_udp: bool = True) -> DNSRecord:
    return DNSRecord.parse(await forward.forward(message.pack(), ["127.0.0.1"], over_udp, port))


async def test_a_long_answer_is_cut_over_udp_and_whole_over_tcp(serve):
    port = await serve(Crowd(200))
    cut = await _ask(port, _question("many.a.svc.cluster.local"))
    whole = await _ask(port, _question("many.a.svc.cluster.local"), over_udp=False)
    roomy = await _ask(port, _question("many.a.svc.cluster.local", size=4096))
    assert cut.header.tc == 1
    assert len(cut.pack()) <= 512
    assert len(whole.rr) == 200
    assert whole.header.tc == 0
    assert len(cut.rr) < len(roomy.rr) <= 200


async def test_a_change_is_answered_at_once(serve):
    view = Crowd(1)
    port = await serve(view)
    assert len((await _ask(port, _question("many.a.svc.cluster.local"))).rr) == 1
    view.size, view.changes = 3, 1
    assert len((await _ask(port, _question("many.a.svc.cluster.local"))).rr) == 3


async def test_foreign_names_fail_quickly_without_a_server_to_ask(serve):
    port = await serve(Crowd(1))
    reply = await _ask(port, _question("example.com"))
    assert reply.header.rcode == RCODE.SERVFAIL


async def test_an_alias_that_leads_outside_is_given_even_if_nobody_knows_its_target(serve):
    port = await serve(Crowd(1))
    reply = await _ask(port, _question("outside.a.svc.cluster.local"))
    assert reply.header.rcode == RCODE.NOERROR
    assert [QTYPE[r.rtype] for r in reply.rr] == ["CNAME"]


async def test_junk_is_ignored_and_the_server_lives_on(serve):
    port = await serve(Crowd(1))
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("127.0.0.1", port)
    )
    for junk in (b"", b"\x00", b"\xff" * 600, bytes(12)):
        transport.sendto(junk)
    transport.close()
    assert (await _ask(port, _question("many.a.svc.cluster.local"))).rr


def test_name_servers_of_a_resolv_conf_without_ourselves():
    text = "# comment\nnameserver 10.96.0.10\nsearch x\nnameserver 1.1.1.1\nnameserver\n"
    assert forward.parse_servers(text, "10.96.0.10") == ["1.1.1.1"]


def test_behind_a_stub_on_loopback_are_the_servers_that_count(tmp_path):
    stub, behind, plain = tmp_path / "stub", tmp_path / "behind", tmp_path / "plain"
    stub.write_text("nameserver 127.0.0.53\n")
    behind.write_text("nameserver 192.0.2.1\n")
    plain.write_text("nameserver 192.0.2.7\n")
    assert forward.read_servers(stub, "10.96.0.10", behind) == ["192.0.2.1"]
    assert forward.read_servers(plain, "10.96.0.10", behind) == ["192.0.2.7"]
    assert forward.read_servers(stub, "10.96.0.10", tmp_path / "none") == ["127.0.0.53"]


async def test_padded_questions_fill_no_memory(serve):
    tasks = Tasks()
    view = Crowd(1)
    server = Server(view, Zone("cluster.local"), lambda: view.changes, [], tasks)
    question = bytes(_question("many.a.svc.cluster.local").pack())
    padded = question + bytes(600)
    assert server.reply_now(padded, False)
    assert not server._cache
    assert server.reply_now(question, False)
    assert len(server._cache) == 1


def test_a_completed_alias_that_does_not_fit_is_marked_as_cut():
    own = _question("far.a.svc.cluster.local").reply().pack()
    other = DNSRecord.parse(_question("far.example").pack()).reply()
    for number in range(60):
        other.add_answer(*RR.fromZone(f"far.example. 5 A 192.0.2.{number}"))
    whole = DNSRecord.parse(wire.append_answers(own, other.pack()))
    cut = wire.append_answers(own, other.pack(), 512)
    assert len(whole.rr) == 60
    assert DNSRecord.parse(cut).header.tc == 1
    assert len(cut) <= 512
