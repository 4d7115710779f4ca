"""From a question to an answer. Pure: `answer` reads the view and says what to send, or that another server
must be asked.

Names of the zone, `d` being the cluster's domain:

    <service>.<ns>.svc.d                    A, AAAA; CNAME of an ExternalName
    _<port>._<protocol>.<service>.<ns>.svc.d   SRV
    <endpoint>.<service>.<ns>.svc.d         A, AAAA of one endpoint of a headless service
    <dashed-address>.<ns>.pod.d             A, AAAA
    dns-version.d                           TXT
    <reversed>.in-addr.arpa                 PTR, of addresses the cluster gave out

A name that exists without records of the type asked for is answered empty, never NXDOMAIN: resolvers ask for
AAAA first.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from clusterdns import records
from clusterdns.records import Address, Target, View

SCHEMA_VERSION = "1.1.0"
# Longer chains of aliases are somebody's mistake or a loop.
_MAX_ALIASES = 8


@dataclass(frozen=True)
class Zone:
    """What this server is authoritative for: the domain, and reverse names within `networks`."""

    domain: str
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()


@dataclass(frozen=True)
class Alias:
    """A CNAME record."""

    name: str
    target: str


@dataclass(frozen=True)
class Pointer:
    """A PTR record."""

    name: str
    target: str


@dataclass(frozen=True)
class Text:
    """A TXT record."""

    name: str
    text: str


Record: TypeAlias = Address | Target | Alias | Pointer | Text


class Outcome(Enum):
    FOUND = "found"  # NOERROR, perhaps empty
    MISSING = "missing"  # NXDOMAIN
    ELSEWHERE = "elsewhere"  # not ours: forward it


@dataclass(frozen=True)
class Answer:
    outcome: Outcome
    records: tuple[Record, ...] = ()


_ELSEWHERE = Answer(Outcome.ELSEWHERE)
_MISSING = Answer(Outcome.MISSING)
_EMPTY = Answer(Outcome.FOUND)


def answer(view: View, zone: Zone, name: str, kind: str) -> Answer:
    """Return what to say about `name` (any case, no trailing dot) and record type `kind` (`A`, `SRV`,
    ...).
    """
    lower = name.lower()
    if lower == zone.domain:
        return _EMPTY
    if lower.endswith("." + zone.domain):
        labels = lower[: -len(zone.domain) - 1].split(".")
        return _typed(_in_zone(view, zone, labels, name), kind)
    if lower.endswith((".in-addr.arpa", ".ip6.arpa")):
        return _reverse(view, zone, lower, name, kind)
    return _ELSEWHERE


def resolve(view: View, zone: Zone, name: str, kind: str) -> Answer:
    """As `answer`, and follow aliases within the zone, as a resolver expects of a server that recurses."""
    found = answer(view, zone, name, kind)
    records_so_far = list(found.records)
    for _ in range(_MAX_ALIASES):
        last = records_so_far[-1] if records_so_far else None
        if not isinstance(last, Alias) or kind in ("CNAME", "ANY"):
            break
        further = answer(view, zone, last.target.rstrip("."), kind)
        if further.outcome is Outcome.ELSEWHERE or not further.records:
            break
        records_so_far += further.records
    return Answer(found.outcome, tuple(records_so_far))


def _typed(found: Answer, kind: str) -> Answer:
    """Keep the records that a question of type `kind` gets."""
    if kind == "ANY" or not found.records:
        return found
    kept = tuple(record for record in found.records if kind_of(record) in (kind, "CNAME"))
    return Answer(found.outcome, kept)


def kind_of(record: Record) -> str:
    match record:
        case Address():
            return "AAAA" if record.is_ipv6 else "A"
        case Target():
            return "SRV"
        case Alias():
            return "CNAME"
        case Pointer():
            return "PTR"
        case Text():
            return "TXT"


def _in_zone(view: View, zone: Zone, labels: Sequence[str], name: str) -> Answer:
    match list(labels):
        case ["dns-version"]:
            return Answer(Outcome.FOUND, (Text(name, SCHEMA_VERSION),))
        case ["svc"] | ["pod"]:
            return _EMPTY
        case [namespace, "svc" | "pod"]:
            return _EMPTY if view.has_namespace(namespace) else _MISSING
        case [label, namespace, "pod"]:
            return _pod(view, label, namespace, name)
        case [*rest, service, namespace, "svc"] if len(rest) <= 2:
            return _service(view, zone, rest, service, namespace, name)
    return _MISSING


def _pod(view: View, label: str, namespace: str, name: str) -> Answer:
    address = records.pod_address(label)
    if not address or not view.has_namespace(namespace):
        return _MISSING
    return Answer(Outcome.FOUND, (Address(name, address),))


def _service(view: View, zone: Zone, rest: Sequence[str], service: str, namespace: str, name: str) -> Answer:
    found = view.service(namespace, service)
    if found is None:
        return _MISSING
    base = f"{service}.{namespace}.svc.{zone.domain}"
    if found["spec"].get("type") == "ExternalName":
        return Answer(Outcome.FOUND, (Alias(name, found["spec"]["externalName"]),)) if not rest else _MISSING
    match list(rest):
        case []:
            # A service without endpoints exists all the same.
            targets = records.service_targets(view, found, "", "", base, name)
            return Answer(Outcome.FOUND, (*records.service_addresses(view, found, name), *targets))
        case [port, protocol] if port.startswith("_") and protocol.startswith("_"):
            return _found_or_missing(records.service_targets(view, found, port[1:], protocol[1:], base, name))
        case [label] if records.is_headless(found):
            return _found_or_missing(records.endpoint_addresses(view, found, label, name))
    return _MISSING


def _found_or_missing(found: Sequence[Record]) -> Answer:
    return Answer(Outcome.FOUND, tuple(found)) if found else _MISSING


def _reverse(view: View, zone: Zone, lower: str, name: str, kind: str) -> Answer:
    address = _reversed_address(lower)
    if address is None or not any(address in network for network in zone.networks):
        return _ELSEWHERE
    names = records.names_of_address(view, str(address), zone.domain)
    if not names:
        return _MISSING
    return _typed(Answer(Outcome.FOUND, tuple(Pointer(name, target) for target in names)), kind)


def _reversed_address(lower: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    labels = lower.split(".")[:-2][::-1]
    text = ".".join(labels)
    if lower.endswith(".ip6.arpa"):
        digits = "".join(labels)
        text = ":".join(digits[at : at + 4] for at in range(0, len(digits), 4))
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
