"""Where the parts of the API server meet: `run` for the process, `build` for tests and for one process with
others.

Listener -> Server.handle: router -> filters -> paths outside the API | Dispatch -> verbs -> caches and store
"""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from api.catalog import ALL
from api.errors import ServiceUnavailable, StatusError, Timeout
from api.resource import Resource
from api.types.admissionregistration_v1 import VALIDATINGADMISSIONPOLICIES
from api.types.core_v1 import BINDINGS, SERVICES
from api.types.flowcontrol_v1 import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS
from apiserver import features, metrics
from apiserver.admission.policies.status import PolicyStatus
from apiserver.aggregation.aggregator import Aggregator
from apiserver.allocators.claims import AddressClaims, Claims, NumbersOf, Patient, PortClaims
from apiserver.allocators.cluster_ip import ClusterIPs
from apiserver.allocators.node_port import NodePorts
from apiserver.allocators.repair import maintain as maintain_claims
from apiserver.bootstrap.objects import Settings
from apiserver.bootstrap.reconcile import Bootstrap
from apiserver.config import Config
from apiserver.customresources.definitions import Definitions
from apiserver.customresources.serving import CustomResources
from apiserver.discovery import build_discovery
from apiserver.encryption import load as encryption
from apiserver.encryption.backend import EncryptedBackend
from apiserver.filters.chain import compose
from apiserver.filters.fairness import fairness
from apiserver.filters.limits import deadline, in_flight
from apiserver.flowcontrol import dump
from apiserver.flowcontrol import metrics as flow_metrics
from apiserver.flowcontrol.control import FlowControl
from apiserver.guard import build_guard
from apiserver.health import Health
from apiserver.http import router
from apiserver.http.message import Answer, Filter, Request, Response
from apiserver.http.server import Listener, error_response
from apiserver.openapi.serve import OpenAPI
from apiserver.paths import Paths
from apiserver.resources.catalog import VIEWS, strategy_of
from apiserver.resources.core.service import ServiceStrategy
from apiserver.resources.core.service_shape import addresses_of, ports_of
from apiserver.resources.events.event import EventStrategy, NewEventStrategy
from apiserver.rest.dispatch import Dispatch, Sub, not_served
from apiserver.rest.hub import Collection, Hub
from apiserver.rest.registry import HubRegistry
from apiserver.rest.versions import Versions
from apiserver.reviews import Reviews
from apiserver.served import Served
from apiserver.services import ServiceResolver
from apiserver.subresources.binding import bind
from apiserver.subresources.catalog import SUBRESOURCES
from apiserver.subresources.decision import Decisions
from apiserver.subresources.exec import Exec
from apiserver.subresources.kubelet import Kubelets
from apiserver.subresources.log import Log
from apiserver.subresources.portforward import PortForward
from apiserver.subresources.proxy import Proxy
from apiserver.subresources.token import TokenRequests
from apiserver.version import version_info
from apiserver.watchcache.cache import Cache
from apiserver.watchcache.feed import Feed
from apiserver.watchcache.gate import Gate
from apiserver.watchcache.layout import Layout
from apiserver.watchcache.translation import View
from apiserver.webhooks.client import WebhookClient
from kit import clock, log, tls
from kit.address import reachable
from kit.metrics import REGISTRY
from kit.tasks import Tasks, retry
from kit.watchdog import Watchdog
from store.backend import Backend, StoreError, Unavailable
from store.open import open_backend

_log = log.get("apiserver.app")


# Told to clients when any free port was asked for.
DEFAULT_PORT = 6443
# How long a server that is ending tries to say so.
WITHDRAW_S = 2.0


class Server:
    """A whole API server over a store. `handle` is the in-process entry; `listen` adds HTTPS."""

    def __init__(self, config: Config, backend: Backend) -> None:
        self.config = config
        self.features = features.read(config.feature_gates, config.runtime_config)
        # Where it listens, once it does.
        self.port = config.secure_port
        self.tasks = Tasks()
        self.health = Health()
        self._store(backend)
        self._protect()
        self._serve_all()
        self._describe()
        self._answer()
        self._observe()

    def _store(self, backend: Backend) -> None:
        """The store, the caches that follow it, and what the server's own parts see of them."""
        self.sealing = _sealing(self.config, backend)
        self.backend = self.sealing or backend
        self.feed = Feed(self.backend)
        self.gate = Gate(self.backend.current_revision)
        self.hub = Hub(self.backend, self.feed, self.gate)
        self.hub.is_stale = self.sealing.is_stale if self.sealing is not None else None
        self.registry = HubRegistry(self.hub)
        self.health.add("etcd", self._store_health, live=True)

    def _protect(self) -> None:
        """Who asks, may they, and what admission makes of it."""
        self.webhooks = WebhookClient(ServiceResolver(self.registry))
        versions = Versions(self.hub)
        self.guard = build_guard(self.config, self.registry, versions, self.webhooks, self.features)
        self.hub.admission = self.guard.chain
        self.policy_status = PolicyStatus(self.registry, versions)

    def _serve_all(self) -> None:
        """The built-in resources, stored or not."""
        for resource in ALL:
            stored = "list" in resource.verbs and "create" in resource.verbs
            if stored and self.features.serves(resource):
                self.serve(resource)
        self.hub.of(VALIDATINGADMISSIONPOLICIES).cache.listeners.append(self.policy_status.notice)
        self._claims: dict[NumbersOf, Claims] = {
            addresses_of: Patient(AddressClaims(self.registry, addresses_of)),
            ports_of: Patient(PortClaims(self.backend, self.registry, ports_of)),
        }
        self._serve_services()
        self.hub.add_virtual(BINDINGS, lambda request: bind(self.hub, request))
        self._serve_reviews()
        self.bootstrap = Bootstrap(self.registry, self._settings())
        self.flow_control = self._flow_control()

    def _describe(self) -> None:
        """What is served, told to clients; what others define and serve."""
        config = self.config
        served = [item for item in ALL if self._is_served(item)]
        self.discovery = build_discovery(f"{self._address()}:{config.secure_port}", lambda: served)
        self.openapi = OpenAPI(served)
        self.served = Served(served, self.discovery, self.openapi)
        self.custom_resources = CustomResources(self.hub, self.served, self.webhooks)
        self.definitions = Definitions(self.hub, self.registry, self.custom_resources)
        self.aggregator = Aggregator(
            self.hub,
            self.served,
            self.openapi,
            config.proxy_client_cert_file,
            config.proxy_client_key_file,
        )

    def _answer(self) -> None:
        """From the listener through the filters to the verbs."""
        config = self.config
        self.kubelets = Kubelets(
            self.registry,
            config.kubelet_preferred_address_types,
            config.kubelet_client_certificate,
            config.kubelet_client_key,
            config.kubelet_certificate_authority,
            (self._address(), lambda: self.port),
        )
        self.decisions = Decisions(
            self.registry,
            self.guard.authorizer,
            config.proxy_client_cert_file,
            config.proxy_client_key_file,
            (self._address(), lambda: self.port),
        )
        self._paths = Paths(self.discovery, self.aggregator.openapi, self.guard.openid)
        self._dispatch = Dispatch(self.hub, {**SUBRESOURCES, **self._connects()})
        filters: list[Filter] = [
            metrics.count,
            *self.guard.outermost,
            deadline(config.request_timeout_s),
            *self.guard.filters[:-1],
            self._limit(),
            self.guard.filters[-1],
        ]
        self._handler = compose(filters, self._inner)
        self.listener = Listener(self.handle, lambda path: self.aggregator.route(path) is not None)

    def _observe(self) -> None:
        self._collects = [metrics.observe(lambda: self.feed.caches)]
        if (control := self.flow_control) is not None:
            self._collects.append(
                flow_metrics.observe(control.levels.values, lambda: control.schemas.values())
            )
        REGISTRY.collect += self._collects

    def serve(self, resource: Resource[Any]) -> Collection:
        """Serve a resource: its strategy, its cache, its routes."""
        strategy = strategy_of(resource)
        if isinstance(strategy, EventStrategy | NewEventStrategy):
            strategy.ttl_s = int(self.config.event_ttl_s)
        strategy.drop = self.features.drop_of(resource)
        cache = Cache(resource, strategy.fields, strategy.indexed_fields, self.feed.pump, self.feed.progress)
        stored, conversion = VIEWS.get(resource, (resource, None))
        view = View(conversion, cache.layout, Layout(stored)) if conversion is not None else None
        collection = Collection(strategy, cache, stored, view)
        self.feed.add(cache, (stored.group, stored.plural), view)
        self.hub.add(collection)
        if strategy.configures:
            cache.listeners.append(lambda key, entry: self.hub.admission.forget())
        return collection

    def _flow_control(self) -> FlowControl | None:
        config = self.config
        seats = config.max_requests_inflight + config.max_mutating_requests_inflight
        if not config.enable_priority_and_fairness or not seats:
            return None
        # Spec: a request waits for a quarter of its time at most (pkg/server/config.go, 1.36).
        control = FlowControl(self.registry, seats, config.request_timeout_s / 4)
        for resource in (FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS):
            self.hub.of(resource).cache.listeners.append(lambda key, entry: control.mark())
        return control

    def _limit(self) -> Filter:
        if self.flow_control is not None:
            return fairness(self.flow_control, self.hub)
        return in_flight(self.config.max_requests_inflight, self.config.max_mutating_requests_inflight)

    def _connects(self) -> dict[tuple[str, str], Sub]:
        registry, kubelets = self.registry, self.kubelets
        execute, proxy = Exec(registry, kubelets), Proxy(registry, kubelets)
        return {
            ("serviceaccounts", "token"): TokenRequests(registry, self.guard.issuer),
            ("pods", "decision"): self.decisions,
            ("pods", "log"): Log(registry, kubelets),
            ("pods", "exec"): execute,
            ("pods", "attach"): execute,
            ("pods", "portforward"): PortForward(registry, kubelets),
            ("pods", "proxy"): proxy,
            ("services", "proxy"): proxy,
            ("nodes", "proxy"): proxy,
        }

    def _is_served(self, resource: Resource[Any]) -> bool:
        return self.hub.lookup(resource.group, resource.version, resource.plural) is not None

    def _serve_reviews(self) -> None:
        guard = self.guard
        reviews = Reviews(guard.authenticators, guard.authorizer, guard.rbac, guard.audiences, guard.chain)
        for resource in reviews.resources():
            self.hub.add_virtual(resource, reviews.handler(resource))

    def _serve_services(self) -> None:
        config, collection = self.config, self.hub.of(SERVICES)
        strategy = collection.strategy
        if isinstance(strategy, ServiceStrategy):
            strategy.pools(
                ClusterIPs(config.service_cluster_ip_range), NodePorts(config.service_node_port_range)
            )
            strategy.claim_with(self._claims[addresses_of], self._claims[ports_of], self.tasks.spawn)
            collection.cache.listeners.append(strategy.learn)

    def _address(self) -> str:
        config = self.config
        return config.advertise_address or reachable(config.bind_address)

    def _settings(self) -> Settings:
        config = self.config
        return Settings(
            config.service_cluster_ip_range,
            self._address(),
            config.secure_port or DEFAULT_PORT,
            _text(config.client_ca_file),
            _text(config.requestheader_client_ca_file),
            config.requestheader_allowed_names,
            self.features,
        )

    async def start(self) -> None:
        """Fill the caches and begin to follow the store."""
        await retry(self.feed.fill, on=(Unavailable,), name="fill the caches")
        self.tasks.spawn(self.feed.run(), "feed", fatal=True)
        self.tasks.spawn(self.gate.run(), "gate", fatal=True)
        self.tasks.spawn(Watchdog().watch(), "watchdog")
        path = self.config.encryption_provider_config
        if self.sealing is not None and path and self.config.encryption_provider_config_automatic_reload:
            self.tasks.spawn(encryption.follow(path, self.sealing), "encryption configuration")
        if self.config.etcd_compaction_interval_s:
            self.tasks.spawn(self._compact(), "compaction")
        await self.definitions.start()
        await retry(self.bootstrap.ensure, on=(Timeout, ServiceUnavailable), name="bootstrap objects")
        self.tasks.spawn(self.bootstrap.maintain(), "bootstrap")
        self.tasks.spawn(maintain_claims(self.registry, self._claims), "claims of services")
        self.tasks.spawn(self.aggregator.run(), "aggregation")
        if self.flow_control is not None:
            self.tasks.spawn(self.flow_control.maintain(), "flow control")
        self.tasks.spawn(self.policy_status.run(), "policy status")

    async def listen(self) -> int:
        """Serve HTTPS as the configuration says; return the port."""
        config = self.config
        if config.tls_cert_file is None or config.tls_private_key_file is None:
            raise ValueError("--tls-cert-file and --tls-private-key-file are required")
        context = tls.server_context(
            config.tls_cert_file,
            config.tls_private_key_file,
            config.client_ca_file,
            config.requestheader_client_ca_file,
        )
        self.port = await self.listener.start(
            config.bind_address, config.secure_port, context, config.reuse_port
        )
        return self.port

    async def withdraw(self) -> None:
        """Take this server's address off the `kubernetes` Service before it goes, if the store answers."""
        try:
            async with asyncio.timeout(WITHDRAW_S):
                await self.bootstrap.stop()
        except (StatusError, TimeoutError) as error:
            _log.info("address not withdrawn; its lease will run out", error=str(error))

    async def close(self) -> None:
        """Stop serving; the store stays open. A second call does nothing more."""
        await self.listener.close()
        await self.definitions.close()
        await self.custom_resources.close()
        await self.tasks.close()
        await self.kubelets.close()
        await self.decisions.close()
        await self.webhooks.close()
        await self.aggregator.close()
        self.guard.close()
        while self._collects:
            REGISTRY.collect.remove(self._collects.pop())

    async def handle(self, request: Request) -> Answer:
        """Answer one request; API errors become Status answers."""
        try:
            request.info = router.parse(request.method, request.path, request.query, self.hub.lookup)
            return await self._handler(request)
        except StatusError as error:
            return error_response(error)

    async def _inner(self, request: Request) -> Answer:
        remote = self.aggregator.route(request.path)
        if remote is not None:
            return await self.aggregator.relay(remote, request)
        if request.info.is_resource:
            return await self._dispatch(request)
        if request.path == "/version" or request.path == "/version/":
            return Response(200, orjson.dumps(version_info(), option=orjson.OPT_INDENT_2))
        if request.path == "/metrics":
            return metrics.render()
        if self.flow_control is not None and (shown := dump.answer(self.flow_control, request)):
            return shown
        found = await self.health.answer(request) or await self._paths.answer(request)
        return found or not_served()

    async def _store_health(self) -> str:
        try:
            await self.gate.current()
        except StoreError as error:
            return f"reason withheld: {error}"
        return ""

    async def _compact(self) -> None:
        """Drop what was old one interval ago. Spec: storage/etcd3 compactor (1.36)."""
        mark = self.feed.revision
        while True:
            await clock.sleep(self.config.etcd_compaction_interval_s)
            target, mark = mark, self.feed.revision
            try:
                await self.backend.compact(target)
                self.hub.compacted = max(self.hub.compacted, target)
            except StoreError as error:
                _log.warning("compaction failed", error=str(error))


def _sealing(config: Config, backend: Backend) -> EncryptedBackend | None:
    path = config.encryption_provider_config
    return EncryptedBackend(backend, encryption.load(path)) if path is not None else None


def _text(path: Path | None) -> str:
    return path.read_text() if path is not None else ""


async def build(config: Config, backend: Backend) -> Server:
    """Return a started server over `backend`, not yet listening."""
    server = Server(config, backend)
    await server.start()
    return server


async def run(config: Config) -> None:
    """Run the API server until cancelled."""
    backend = await open_backend(
        config.etcd_servers, ca=config.etcd_cafile, cert=config.etcd_certfile, key=config.etcd_keyfile
    )
    server = await build(config, backend)
    try:
        port = await server.listen()
        _log.info("serving", port=port)
        await server.tasks.wait()
    finally:
        await server.withdraw()
        await server.close()
        await backend.close()
