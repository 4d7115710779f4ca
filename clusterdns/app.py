"""The DNS server as a process."""

import asyncio
import ipaddress
import subprocess

from client.api import Client
from client.http import HTTPTransport
from client.informer import Informers
from client.kubeconfig import load
from clusterdns.answer import Zone
from clusterdns.config import Config
from clusterdns.forward import read_servers
from clusterdns.server import Server
from clusterdns.view import InformerView
from kit import log
from kit.health import listening
from kit.tasks import Tasks

_log = log.get("dns")


async def run(config: Config) -> None:
    """Serve until cancelled."""
    tasks = Tasks()
    transport = HTTPTransport(load(config.kubeconfig), user_agent="pelamis-dns")
    informers = Informers(Client(transport))
    view = InformerView(informers)
    try:
        if config.claim_address:
            await _claim(config.bind_address)
        await informers.start(tasks)
        # An empty picture would answer NXDOMAIN for what exists; resolvers retry a silent server.
        await informers.synced()
        networks = tuple(ipaddress.ip_network(c) for c in (config.cluster_cidr, config.service_cidr) if c)
        servers = read_servers(config.resolv_conf, config.bind_address)
        server = Server(view, Zone(config.cluster_domain, networks), lambda: view.changes, servers, tasks)
        port = await server.start(config.bind_address, config.port)
        _log.info("serving", address=config.bind_address, port=port, upstream=servers)
        try:
            async with listening("127.0.0.1", config.metrics_port):
                await tasks.wait()
        finally:
            await server.close()
    finally:
        await tasks.close()
        await transport.close()


async def _claim(address: str) -> None:
    """Give `address` to the loopback device: every node answers its own pods, without a hop to another
    node.
    """
    await asyncio.to_thread(
        subprocess.run,
        ["ip", "address", "replace", f"{address}/32", "dev", "lo"],
        check=True,
        capture_output=True,
    )
