"""The service proxy as a process: watches services, slices and nodes; keeps nftables and routes as they
say.
"""

import asyncio

from api.resource import Key, key_of
from api.slices import by_service, service_of
from api.types.core_v1 import NODES, SERVICES, Service
from api.types.discovery_v1 import ENDPOINTSLICES, EndpointSlice
from client.api import Client
from client.http import HTTPTransport
from client.informer import Informers
from client.kubeconfig import load
from kit import clock, log, metrics
from kit.health import listening
from kit.tasks import Tasks
from serviceproxy import conntrack, routes
from serviceproxy.config import Config
from serviceproxy.libnft import Nft, NftError
from serviceproxy.nft import Elements, Settings, from_scratch
from serviceproxy.rules import NOTHING, ServiceRules, compute_rules, removed_udp

_log = log.get("proxy")
_APPLY_SECONDS = metrics.REGISTRY.histogram(
    "proxy_apply_duration_seconds", "Time of one nftables transaction."
)
# How long after a refused transaction the whole table is made anew.
_RETRY_S = 1.0
_ROUTES_CHECK_S = 30.0


class Proxy:
    """Owns the table. Changed services are collected while a transaction runs and go into the next one
    together.
    """

    def __init__(self, config: Config, informers: Informers, nft: Nft) -> None:
        self._config = config
        self._nft = nft
        self._settings = Settings(config.table, config.cluster_cidr)
        self._elements = Elements(self._settings)
        self._rules: dict[Key, ServiceRules] = {}
        self._dirty: set[Key] = set()
        self._wake = asyncio.Event()
        self._services = informers.of(SERVICES)
        self._slices = informers.of(ENDPOINTSLICES)
        self._slices.index("service", by_service)
        self._services.subscribe(self._service_changed)
        self._slices.subscribe(self._slice_changed)

    def _changed(self, key: Key) -> None:
        self._dirty.add(key)
        self._wake.set()

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        if service := new or old:
            self._changed(key_of(service))

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for slice_ in (old, new):
            if slice_ and (key := service_of(slice_)):
                self._changed(key)

    async def run(self) -> None:
        """Make the table, then follow changes until cancelled."""
        anew = True
        while True:
            try:
                await (self._start_anew() if anew else self._apply_changes())
                anew = False
                await self._wake.wait()
            except NftError as error:
                _log.error("transaction refused; making the table anew", error=str(error))
                anew = True
                await clock.sleep(_RETRY_S)

    async def _start_anew(self) -> None:
        self._wake.clear()
        self._dirty.clear()
        rules = {key: self._compute(key) for key in map(key_of, self._services.list())}
        elements, text = from_scratch(self._settings, list(rules.values()))
        await self._nft.run(text)
        self._elements, self._rules = elements, rules
        await conntrack.reconcile(rules.values())
        _log.info("table made", services=len(rules))

    async def _apply_changes(self) -> None:
        self._wake.clear()
        keys, self._dirty = self._dirty, set()
        commands: list[str] = []
        stale = []
        for key in keys:
            before, after = self._rules.get(key, NOTHING), self._compute(key)
            if after != before:
                commands += self._elements.change(before, after)
                stale += removed_udp(before, after)
            self._remember(key, after)
        if commands:
            began = clock.monotonic()
            await self._nft.run("\n".join(commands) + "\n")
            _APPLY_SECONDS.observe(clock.monotonic() - began)
        await conntrack.flush(stale)

    def _remember(self, key: Key, rules: ServiceRules) -> None:
        if rules == NOTHING:
            self._rules.pop(key, None)
        else:
            self._rules[key] = rules

    def _compute(self, key: Key) -> ServiceRules:
        service = self._services.get(*key)
        if service is None:
            return NOTHING
        slices = self._slices.by("service", str(key))
        return compute_rules(service, slices, self._config.hostname_override, self._rules.get(key, NOTHING))


class Router:
    """Keeps the routes to other nodes' pods."""

    def __init__(self, config: Config, informers: Informers) -> None:
        self._config = config
        self._nodes = informers.of(NODES)
        self._wake = asyncio.Event()
        self._nodes.subscribe(lambda old, new: self._wake.set())

    async def run(self) -> None:
        """Follow the nodes; look now and then whether somebody else has changed the table."""
        applied: dict[str, str] | None = None
        while True:
            self._wake.clear()
            wanted = routes.compute_routes(self._nodes.list(), self._config.hostname_override)
            if wanted != applied:
                applied = wanted if await self._apply(wanted) else None
            try:
                async with asyncio.timeout(_RETRY_S if applied is None else _ROUTES_CHECK_S):
                    await self._wake.wait()
            except TimeoutError:
                applied = None

    async def _apply(self, wanted: dict[str, str]) -> bool:
        """Bring the kernel's table to `wanted`; return whether it is there."""
        present = await asyncio.to_thread(routes.read_routes, self._config.cluster_cidr)
        commands = routes.route_commands(present, wanted)
        trouble = await routes.apply(commands) if commands else ""
        if trouble:
            _log.warning("routes", error=trouble)
        return not trouble


async def run(config: Config) -> None:
    """Serve until cancelled. The table stays: traffic flows on while the proxy is restarted."""
    tasks = Tasks()
    transport = HTTPTransport(load(config.kubeconfig), user_agent="pelamis-proxy")
    informers = Informers(Client(transport))
    nft = Nft()
    try:
        proxy = Proxy(config, informers, nft)
        router = Router(config, informers) if config.routes else None
        await informers.start(tasks)
        await informers.synced()
        tasks.spawn(proxy.run(), "proxy", fatal=True)
        if router is not None:
            tasks.spawn(router.run(), "routes", fatal=True)
        async with listening("127.0.0.1", config.healthz_port):
            await tasks.wait()
    finally:
        await tasks.close()
        await transport.close()
        nft.close()
