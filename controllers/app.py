"""The controllers process: where the parts meet. Called by the command line with a `Config`."""

import asyncio
import os
from dataclasses import replace
from functools import partial

from client import kubeconfig
from client.accounts import Accounts
from client.api import Client
from client.discovery import serves
from client.events import Recorder
from client.http import HTTPTransport
from client.informer import Informers
from client.leases import run_as_leader
from controllers.catalog import ACCOUNTS, catalog, chosen, is_optional
from controllers.config import Config
from controllers.framework.apply import FIELD_MANAGER, PARALLEL, Applier
from controllers.framework.controller import Controller
from controllers.framework.engine import Engine
from controllers.framework.process import Context
from kit import log
from kit.health import listening
from kit.tasks import Tasks

_log = log.get("controllers.app")


async def run(config: Config) -> None:
    """Work until cancelled. Raises `LeadershipLost` when another process may have taken over."""
    endpoint = kubeconfig.load(config.kubeconfig)
    client = Client(HTTPTransport(endpoint), FIELD_MANAGER)
    anonymous = HTTPTransport(kubeconfig.without_identity(endpoint))
    accounts = Accounts(client, anonymous, field_manager=FIELD_MANAGER)
    try:
        async with listening(config.bind_address, config.secure_port):
            await run_with(client, config, accounts if config.use_service_account_credentials else None)
    finally:
        await anonymous.close()
        await client.close()


async def run_with(client: Client, config: Config, accounts: Accounts | None = None) -> None:
    """Work over a given client (for a cluster in one process, too); with `accounts`, write as those."""
    await run_as_leader(client, config, partial(_lead, client, config, accounts))


async def _lead(client: Client, config: Config, accounts: Accounts | None) -> None:
    tasks = Tasks()
    informers, slots = Informers(client), asyncio.Semaphore(PARALLEL)
    try:
        for entry in chosen(catalog(config), config.controllers):
            if isinstance(entry, Controller) and is_optional(entry) and not await serves(client, entry.of):
                continue
            own = accounts.client(ACCOUNTS.get(entry.id, entry.id)) if accounts else client
            recorder = Recorder(own, entry.id, tasks)
            if isinstance(entry, Controller):
                tuned = replace(entry, workers=max(entry.workers, config.concurrent_syncs))
                engine = Engine(tuned, informers, Applier(own, slots), recorder)
                engine.attach()
                tasks.spawn(engine.run(tasks), entry.id, fatal=True)
            else:
                context = Context(own, informers, recorder, tasks)
                entry.attach(context)
                tasks.spawn(entry.run(context), entry.id, fatal=True)
        await informers.start(tasks)
        _log.info("controllers started", identity=os.getpid())
        await tasks.wait()
    finally:
        await tasks.close()
