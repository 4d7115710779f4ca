"""Services under REST: what follows from the type, and the addresses and ports that the server hands out.

    shape:    `service_shape.py`
    reserve:  cluster address, node ports, health check port from the pools, claimed in the store;
              given back if the write fails

Source: pkg/registry/core/service/{strategy.go,storage/alloc.go} (1.36).
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from api import errors, field
from api.core.service_spec import needs_health_check
from api.errors import InternalError, Invalid, Timeout
from api.field import FieldError, Path
from api.kinds import KindRules
from api.resource import Key, Obj, Resource
from apiserver.allocators.claims import Claims
from apiserver.allocators.cluster_ip import ClusterIPs
from apiserver.allocators.node_port import NodePorts
from apiserver.allocators.pool import Exhausted, OutOfRange, Taken
from apiserver.resources.core.service_shape import (
    HEADLESS,
    WITH_PORTS,
    addresses_of,
    ports_of,
    shaped,
)
from apiserver.rest.strategy import Guard, Strategy
from apiserver.watchcache.entry import Entry
from apiserver.watchcache.layout import decode
from store.backend import StoreError

# Runs a coroutine that nobody waits for.
Later: TypeAlias = Callable[[Coroutine[Any, Any, None], str], object]

# Stands for the services of other servers that this one has not heard of.
_OTHERS = Key("", "")


class ServiceStrategy(Strategy):
    """`pools` is called with the pools before the first request."""

    returns_deleted = True
    selectable = ("spec.clusterIP", "spec.type")
    counts_generation = False

    def __init__(self, resource: Resource[Any], rules: KindRules) -> None:
        super().__init__(resource, rules)
        self._addresses = ClusterIPs("10.96.0.0/16")
        self._ports = NodePorts("30000-32767")
        # Of addresses and of ports; none: this server is the only one.
        self._claims: tuple[Claims, ...] = ()
        self._later: Later = _never
        # What each stored service has: addresses and ports, as text.
        self._known: dict[Key, tuple[Sequence[str], Sequence[str]]] = {}

    def pools(self, addresses: ClusterIPs, ports: NodePorts) -> None:
        """Hand out from these pools."""
        self._addresses, self._ports = addresses, ports

    def claim_with(self, addresses: Claims, ports: Claims, later: Later) -> None:
        """Claim what is handed out, so that other servers know; `later` runs what need not be waited for."""
        self._claims, self._later = (addresses, ports), later

    def learn(self, key: Key, entry: Entry | None) -> None:
        """Take in what a stored service has; None when it is gone. For the watch cache."""
        service = decode(entry.data) if entry is not None else {}
        found = (addresses_of(service), ports_of(service))
        before = self._known.pop(key, ((), ()))
        if any(found):
            self._known[key] = found
        self._addresses.learn(key, found[0])
        self._ports.learn(key, [int(port) for port in found[1]])
        for claims, old, new in zip(self._claims, before, found, strict=False):
            for number in set(old) - set(new):
                self._give(claims, number, key)

    def prepare_for_create(self, obj: Obj) -> Obj:
        return super().prepare_for_create({**obj, "spec": shaped(obj.get("spec") or {}, None)})

    def prepare_for_update(self, new: Obj, old: Obj) -> Obj:
        spec = shaped(new.get("spec") or {}, old.get("spec") or {})
        return super().prepare_for_update({**new, "spec": spec}, old)

    def warnings(self, obj: Obj) -> list[str]:
        """Spec: pkg/api/service/warnings.go GetWarningsForService (1.36)."""
        spec = obj["spec"]
        if spec.get("clusterIP") != HEADLESS:
            return []
        ignored = [
            f'spec.{name} is ignored when spec.clusterIP is "None"'
            for name in ("loadBalancerIP", "externalIPs")
            if spec.get(name)
        ]
        odd = spec.get("sessionAffinity", "None") != "None"
        return ignored + ["spec.SessionAffinity is ignored for headless services"] * odd

    async def reserve(self, obj: Obj, old: Obj | None, dry_run: bool) -> tuple[Obj, Guard | None]:
        """Return the service with addresses and ports. Raises `Invalid`, `InternalError` (nothing is
        free)."""
        key = Key(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        avoided = _Held(_OTHERS)
        try:
            while True:
                made, held = self._picked(obj, old, key)
                if dry_run:
                    held.release()
                    return made, held
                lost = await self._claim(made, old or {}, held)
                if not lost:
                    return made, held
                held.release()
                if lost in (*addresses_of(obj), *ports_of(obj)):
                    raise _taken(obj, lost)
                self._avoid(lost, avoided)
        finally:
            avoided.release()

    def _avoid(self, lost: str, avoided: "_Held") -> None:
        """Hold what another server has given out, until its event comes, so that it is not picked again."""
        with suppress(Taken):
            if lost.isdigit():
                self._ports.reserve(int(lost), _OTHERS)
                avoided.add(partial(self._ports.release, int(lost), _OTHERS))
            else:
                self._addresses.reserve(lost, _OTHERS)
                avoided.add(partial(self._addresses.release, lost, _OTHERS))

    def _picked(self, obj: Obj, old: Obj | None, key: Key) -> tuple[Obj, "_Held"]:
        """Return the service with what it gets from this server's pools."""
        held = _Held(key)
        try:
            spec = self._address(obj["spec"], (old or {}).get("spec") or {}, held)
            spec = self._node_ports(spec, held)
        except _Refused as refusal:
            held.release()
            raise errors.invalid("", "Service", key.name, [refusal.fault]) from refusal
        except Exhausted as error:
            held.release()
            raise InternalError("failed to allocate for the service: range is full") from error
        return {**obj, "spec": spec}, held

    async def _claim(self, made: Obj, old: Obj, held: "_Held") -> str:
        """Claim what the service did not have before; return the number that another server gave out, if
        one."""
        for claims, numbers_of in zip(self._claims, (addresses_of, ports_of), strict=False):
            for number in set(numbers_of(made)) - set(numbers_of(old)):
                try:
                    await claims.take(number, held.key)
                except Taken:
                    return number
                except StoreError as error:
                    held.release()
                    raise Timeout(f"the store is not available: {error}") from error
                held.add(partial(self._give, claims, number, held.key))
        return ""

    def _give(self, claims: Claims, number: str, key: Key) -> None:
        self._later(claims.give(number, key), "give up a claim")

    def _address(self, spec: Obj, old: Obj, held: "_Held") -> Obj:
        if spec["type"] == "ExternalName":
            return spec
        families = {
            "ipFamilies": spec.get("ipFamilies") or [self._addresses.family],
            "ipFamilyPolicy": _policy(spec),
        }
        given = spec.get("clusterIP") or (spec.get("clusterIPs") or [""])[0]
        if given == HEADLESS:
            if not spec.get("selector"):
                families = self._any_families(spec)
            else:
                self._check_families(families)
            return {**spec, "clusterIP": HEADLESS, "clusterIPs": [HEADLESS], **families}
        self._check_families(families)
        if not given:
            given = self._addresses.allocate(held.key)
            held.add(lambda: self._addresses.release(given, held.key))
        elif given != old.get("clusterIP"):
            self._take_address(given, held)
        return {**spec, "clusterIP": given, "clusterIPs": spec.get("clusterIPs") or [given], **families}

    def _any_families(self, spec: Obj) -> Obj:
        """Who has neither address nor selector says himself where his endpoints are: of any family.

        Spec: defaultOnRead, initIPFamilyFields (1.36).
        """
        policy = spec.get("ipFamilyPolicy") or "RequireDualStack"
        families = list(spec.get("ipFamilies") or [self._addresses.family])
        if policy != "SingleStack" and len(families) == 1:
            families.append("IPv6" if families[0] == "IPv4" else "IPv4")
        return {"ipFamilies": families, "ipFamilyPolicy": policy}

    def _check_families(self, wanted: Obj) -> None:
        """Refuse what one pool of one family cannot give."""
        path = Path("spec")
        if wanted["ipFamilyPolicy"] == "RequireDualStack":
            text = "this cluster is not configured for dual-stack services"
            raise _Refused(field.invalid(path.child("ipFamilyPolicy"), "RequireDualStack", text))
        for number, family in enumerate(wanted["ipFamilies"]):
            if family in ("IPv4", "IPv6") and family != self._addresses.family:
                at = path.child("ipFamilies").index(number)
                raise _Refused(field.invalid(at, family, "not configured on this cluster"))

    def _take_address(self, given: str, held: "_Held") -> None:
        path = Path("spec").child("clusterIPs")
        try:
            self._addresses.reserve(given, held.key)
        except OutOfRange as error:
            text = (
                f"failed to allocate IP {given}: the provided IP ({given}) is not in the valid range. "
                f"The range of valid IPs is {self._addresses.network}"
            )
            raise _Refused(field.invalid(path, [given], text)) from error
        except Taken as error:
            text = f"failed to allocate IP {given}: provided IP is already allocated"
            raise _Refused(field.invalid(path, [given], text)) from error
        held.add(lambda: self._addresses.release(given, held.key))

    def _node_ports(self, spec: Obj, held: "_Held") -> Obj:
        wanted = spec["type"] == "NodePort" or (
            spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True)
        )
        ports: list[Obj] = []
        for number, port in enumerate(spec.get("ports") or ()):
            given = port.get("nodePort") or 0
            if given and spec["type"] in WITH_PORTS:
                self._take_port(given, Path("spec").child("ports").index(number).child("nodePort"), held)
            elif wanted:
                port = {**port, "nodePort": self._any_port(held)}
            ports.append(port)
        made = {**spec, "ports": ports} if "ports" in spec else spec
        if needs_health_check(spec):
            check = spec.get("healthCheckNodePort") or 0
            if check:
                self._take_port(check, Path("spec").child("healthCheckNodePort"), held)
            made = {**made, "healthCheckNodePort": check or self._any_port(held)}
        return made

    def _any_port(self, held: "_Held") -> int:
        port = self._ports.allocate(held.key)
        held.add(lambda: self._ports.release(port, held.key))
        return port

    def _take_port(self, port: int, path: Path, held: "_Held") -> None:
        try:
            self._ports.reserve(port, held.key)
        except OutOfRange as error:
            text = f"provided port is not in the valid range. The range of valid ports is {self._ports.text}"
            raise _Refused(field.invalid(path, port, text)) from error
        except Taken as error:
            raise _Refused(field.invalid(path, port, "provided port is already allocated")) from error
        held.add(lambda: self._ports.release(port, held.key))


def _never(work: Coroutine[Any, Any, None], name: str) -> None:
    work.close()


def _taken(obj: Obj, number: str) -> Invalid:
    """Return the refusal of a number that the client asked for and another server has given out."""
    spec, name = Path("spec"), obj["metadata"]["name"]
    if number in addresses_of(obj):
        text = f"failed to allocate IP {number}: provided IP is already allocated"
        return errors.invalid("", "Service", name, [field.invalid(spec.child("clusterIPs"), [number], text)])
    at = next(
        (
            spec.child("ports").index(place).child("nodePort")
            for place, port in enumerate(obj["spec"].get("ports") or ())
            if str(port.get("nodePort")) == number
        ),
        spec.child("healthCheckNodePort"),
    )
    fault = field.invalid(at, int(number), "provided port is already allocated")
    return errors.invalid("", "Service", name, [fault])


class _Refused(Exception):
    def __init__(self, fault: FieldError) -> None:
        super().__init__(str(fault))
        self.fault = fault


class _Held:
    """What a write has reserved."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self._releases: list[Callable[[], None]] = []

    def add(self, release: Callable[[], None]) -> None:
        self._releases.append(release)

    def release(self) -> None:
        for release in self._releases:
            release()
        self._releases.clear()


def _policy(spec: Obj) -> str:
    given = spec.get("ipFamilyPolicy") or "SingleStack"
    # One pool, one family: two families can be preferred, but not given.
    return str(given)
