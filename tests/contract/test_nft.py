"""The service table in a real kernel, with real packets between namespaces."""

import ctypes
import os
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager

import pytest

from serviceproxy.libnft import Nft, NftError
from serviceproxy.nft import Settings, from_scratch
from serviceproxy.rules import NOTHING, Backend, ServiceRules, Target, Vip

SETTINGS = Settings("pelamis-test", "10.77.0.0/16")
VIP = Vip("10.66.0.1", "tcp", 80)
NODE_PORT = Vip("", "tcp", 30080)
CLIENT, ONE, TWO = "10.77.0.2", Backend("10.77.1.2", 8080), Backend("10.77.2.2", 8080)


def _sh(command: str, check: bool = True) -> str:
    done = subprocess.run(command, shell=True, text=True, capture_output=True, check=check)
    return done.stdout


@pytest.fixture(scope="module")
def network():
    """Namespaces pxt-node (a router), pxt-c (client), pxt-1 and pxt-2 (backends), each on a link."""
    names = {"c": "10.77.0", "1": "10.77.1", "2": "10.77.2"}
    _sh("ip netns add pxt-node && ip -n pxt-node link set lo up")
    _sh("nsenter --net=/run/netns/pxt-node sysctl -qw net.ipv4.ip_forward=1")
    for name, prefix in names.items():
        _sh(f"ip netns add pxt-{name} && ip -n pxt-{name} link set lo up")
        _sh(f"ip -n pxt-node link add v{name} type veth peer name eth0 netns pxt-{name}")
        _sh(f"ip -n pxt-node addr add {prefix}.1/24 dev v{name} && ip -n pxt-node link set v{name} up")
        _sh(f"ip -n pxt-{name} addr add {prefix}.2/24 dev eth0 && ip -n pxt-{name} link set eth0 up")
        _sh(f"ip -n pxt-{name} route add default via {prefix}.1")
    # A node has a way out; without any route, packets are refused before a rule sees them.
    _sh("ip -n pxt-node route add default via 10.77.0.2")
    servers = [_serve(name) for name in "12"]
    yield
    for server in servers:
        server.kill()
        server.wait()
    for name in ("node", *names):
        _sh(f"ip netns del pxt-{name}", check=False)


_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[1].encode())
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler)
print("ready", flush=True)
server.serve_forever()
"""


def _serve(name: str) -> subprocess.Popen:
    command = ["nsenter", f"--net=/run/netns/pxt-{name}", sys.executable, "-c", _SERVER, name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdout.close()
    return process


def _get(where: str, address: str, port: int = 80) -> str:
    """Return the name of the backend that answered, `refused` or `silent`."""
    command = ["nsenter", f"--net=/run/netns/{where}", "curl", "-sS", "-m", "1", f"http://{address}:{port}/"]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode == 0:
        return done.stdout.split()[0]
    return "refused" if done.returncode == 7 else "silent"


def _enter() -> None:
    """Put the calling thread, and no other, into the node's namespace."""
    fd = os.open("/run/netns/pxt-node", os.O_RDONLY)
    assert ctypes.CDLL(None).setns(fd, 0x40000000) == 0
    os.close(fd)


@contextmanager
def _kernel():
    """Transactions in the node's namespace: the threads that open the library and run it are both there."""
    opened: list[Nft] = []

    def start() -> None:
        _enter()
        opened.append(Nft())

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    nft = opened[0]
    nft._thread.submit(_enter).result()
    try:
        yield nft
    finally:
        nft.close()


def _rules(backends: dict[int, Backend], **more) -> ServiceRules:
    outer = Target(backends, masquerade=True)
    return ServiceRules({VIP: Target(backends, **more), NODE_PORT: outer}, frozenset({VIP.address}))


async def test_traffic_follows_the_rules_through_their_life(network):
    with _kernel() as nft:
        both = _rules({1: ONE, 2: TWO})
        elements, text = from_scratch(SETTINGS, [both])
        await nft.run(text)
        seen = Counter(_get("pxt-c", VIP.address) for _ in range(30))
        assert set(seen) == {"1", "2"}
        assert _get("pxt-node", VIP.address) in "12", "the node itself uses services too"
        assert _get("pxt-c", "10.77.0.1", 30080) in "12", "a node port on the node's own address"
        assert _get("pxt-c", VIP.address, 81) == "refused", "a port that the service does not have"
        assert {_get("pxt-1", VIP.address) for _ in range(12)} == {"1", "2"}, "a backend reaches itself"

        one = _rules({1: ONE})
        await nft.run("\n".join(elements.change(both, one)))
        assert {_get("pxt-c", VIP.address) for _ in range(8)} == {"1"}

        sticky = _rules({1: ONE, 2: TWO}, affinity_s=60)
        await nft.run("\n".join(elements.change(one, sticky)))
        chosen = {_get("pxt-c", VIP.address) for _ in range(16)}
        assert len(chosen) == 1
        lost = {1: TWO} if chosen == {"1"} else {1: ONE}
        moved = _rules(lost, affinity_s=60)
        await nft.run("\n".join(elements.change(sticky, moved)))
        assert {_get("pxt-c", VIP.address) for _ in range(4)} == {"2" if chosen == {"1"} else "1"}

        empty = _rules({})
        await nft.run("\n".join(elements.change(moved, empty)))
        assert _get("pxt-c", VIP.address) == "refused"
        silent = ServiceRules({VIP: Target(refuse=False)}, frozenset({VIP.address}))
        await nft.run("\n".join(elements.change(empty, silent)))
        assert _get("pxt-c", VIP.address) == "silent"
        await nft.run("\n".join(elements.change(silent, NOTHING)))
        left = _sh("nsenter --net=/run/netns/pxt-node nft -j list map ip pelamis-test services")
        assert '"elem"' not in left


async def test_a_refused_transaction_changes_nothing_and_says_why(network):
    with _kernel() as nft:
        _, text = from_scratch(SETTINGS, [_rules({1: ONE})])
        await nft.run(text)
        gone = f"delete element ip {SETTINGS.table} addresses {{ 10.66.0.1 }}"
        with pytest.raises(NftError, match="No such file"):
            await nft.run(f"{gone}\ndelete chain ip {SETTINGS.table} none")
        assert _get("pxt-c", VIP.address) == "1"


async def test_the_table_is_made_anew_over_whatever_is_there(network):
    with _kernel() as nft:
        for backends in ({1: ONE}, {1: TWO}):
            _, text = from_scratch(SETTINGS, [_rules(backends)])
            await nft.run(text)
        assert _get("pxt-c", VIP.address) == "2"


_TALK = """
import socket, sys
held = socket.create_connection((sys.argv[1], 80), 2)
print("connected", flush=True)
made = refused = 0
while made < 150:
    try:
        socket.create_connection((sys.argv[1], 80), 2).close()
        made += 1
    except ConnectionRefusedError:
        refused += 1
held.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
held.settimeout(2)
print(made, refused, held.makefile("rb").read()[-1:].decode(), flush=True)
"""


def _start(command: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def test_connections_survive_and_come_about_while_the_table_is_made_anew(network):
    """A proxy that is started again makes its table anew: in one transaction, which packets hardly see.

    A packet that is between two rules when the kernel changes generations looks into maps that are no longer
    in force: of thousands, one may be refused.
    """
    command = ["nsenter", "--net=/run/netns/pxt-c", sys.executable, "-c", _TALK, VIP.address]
    with _kernel() as nft:
        _, text = from_scratch(SETTINGS, [_rules({1: ONE, 2: TWO})])
        await nft.run(text)
        talk = _start(command)
        assert talk.stdout is not None
        assert talk.stdout.readline() == "connected\n"
        while talk.poll() is None:
            await nft.run(text)
        made, refused, backend = talk.stdout.read().split()
        talk.stdout.close()
        assert made == "150"
        assert int(refused) <= 1
        assert backend in "12"
