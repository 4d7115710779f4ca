"""The controllers process: where the parts meet. Called by the command line with a `Config`."""

import os
import socket
from dataclasses import replace

from client import kubeconfig
from client.api import Client
from client.events import Recorder
from client.http import HTTPTransport
from client.informer import Informers
from client.leases import LeaderElector, Timing
from controllers.catalog import catalog, chosen
from controllers.config import Config
from controllers.framework.apply import FIELD_MANAGER, Applier
from controllers.framework.controller import Controller
from controllers.framework.engine import Engine
from controllers.framework.process import Context
from controllers.health import listening
from kit import log, rand
from kit.tasks import Tasks

_log = log.get("controllers.app")


async def run(config: Config) -> None:
    """Work until cancelled. Raises `LeadershipLost` when another process may have taken over."""
    client = Client(HTTPTransport(kubeconfig.load(config.kubeconfig)), FIELD_MANAGER)
    try:
        async with listening(config.bind_address, config.secure_port):
            await run_with(client, config)
    finally:
        await client.close()


async def run_with(client: Client, config: Config) -> None:
    """Work over a given client: for `run` and for a cluster in one process."""

    async def work() -> None:
        await _lead(client, config)

    if not config.leader_elect:
        await work()
        return
    timing = Timing(
        config.leader_elect_lease_duration_s,
        config.leader_elect_renew_deadline_s,
        config.leader_elect_retry_period_s,
    )
    identity = f"{socket.gethostname()}_{os.getpid()}_{rand.suffix()}"
    await LeaderElector(client, timing).run(
        work, identity, config.leader_elect_resource_name, config.leader_elect_resource_namespace
    )


async def _lead(client: Client, config: Config) -> None:
    tasks = Tasks()
    informers, applier = Informers(client), Applier(client)
    try:
        for entry in chosen(catalog(config), config.controllers):
            recorder = Recorder(client, entry.id, tasks)
            if isinstance(entry, Controller):
                tuned = replace(entry, workers=config.concurrent_syncs)
                engine = Engine(tuned, informers, applier, recorder)
                engine.attach()
                tasks.spawn(engine.run(tasks), entry.id, fatal=True)
            else:
                context = Context(client, informers, applier, recorder, tasks)
                entry.attach(context)
                tasks.spawn(entry.run(context), entry.id, fatal=True)
        await informers.start(tasks)
        _log.info("controllers started", identity=os.getpid())
        await tasks.wait()
    finally:
        await tasks.close()
