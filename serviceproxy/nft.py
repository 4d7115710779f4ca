"""The nftables table of a node: its fixed skeleton, and commands that bring its elements from one state to
the next.

Pure: text out. `Elements` counts what is in force, so that a command is exact: nothing is added twice,
nothing that is still needed is deleted. Each list of commands is one transaction.
"""

from collections import Counter
from dataclasses import dataclass

from serviceproxy.rules import NOTHING, ServiceRules, Target, Vip

# Bit of the connection's mark: source address must be replaced on the way out.
_MASQUERADE = "0x4000"


@dataclass(frozen=True)
class Settings:
    table: str
    cluster_cidr: str


def skeleton(settings: Settings) -> str:
    """Return the transaction that makes the table anew, empty of services.

    Prerouting and output pick an endpoint for the first packet of a connection; the kernel repeats it for
    the rest.
    """
    table = settings.table
    return f"""table ip {table}
delete table ip {table}
table ip {table} {{
  map services {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map endpoints {{ type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service; }}
  map node_ports {{ type inet_proto . inet_service : verdict; }}
  map node_port_endpoints {{ type inet_proto . inet_service . mark : ipv4_addr . inet_service; }}
  map affinity {{
    type ipv4_addr . ipv4_addr . inet_proto . inet_service : mark
    flags dynamic,timeout
    size 262144
  }}
  map unserved {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map unserved_node_ports {{ type inet_proto . inet_service : verdict; }}
  set masqueraded {{ type ipv4_addr . inet_proto . inet_service; }}
  set masqueraded_node_ports {{ type inet_proto . inet_service; }}
  set addresses {{ type ipv4_addr; }}
  set hairpins {{ type ipv4_addr . ipv4_addr; }}
  chain refuse {{
    meta l4proto tcp reject with tcp reset
    reject with icmp type port-unreachable
  }}
  chain silence {{ drop; }}
  chain masquerade_later {{ ct mark set ct mark or {_MASQUERADE}; }}
  chain dispatch {{
    ip daddr . meta l4proto . th dport @masqueraded jump masquerade_later
    ip saddr != {settings.cluster_cidr} fib saddr type != local ip daddr @addresses jump masquerade_later
    ip daddr . meta l4proto . th dport vmap @services
    fib daddr type != local return
    ip daddr 127.0.0.0/8 return
    meta l4proto . th dport @masqueraded_node_ports jump masquerade_later
    meta l4proto . th dport vmap @node_ports
  }}
  chain refusals {{
    ip daddr . meta l4proto . th dport vmap @unserved
    ip daddr @addresses goto refuse
    fib daddr type local meta l4proto . th dport vmap @unserved_node_ports
  }}
  chain prerouting {{ type nat hook prerouting priority dstnat; jump dispatch; }}
  chain output {{ type nat hook output priority -100; jump dispatch; }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ct mark and {_MASQUERADE} == {_MASQUERADE} masquerade fully-random
    ct status dnat ip saddr . ip daddr @hairpins masquerade fully-random
    ip saddr {settings.cluster_cidr} ip daddr != {settings.cluster_cidr} fib saddr type != local masquerade
  }}
  chain filter_input {{ type filter hook input priority filter; ct state new jump refusals; }}
  chain filter_forward {{ type filter hook forward priority filter; ct state new jump refusals; }}
  chain filter_output {{ type filter hook output priority filter; ct state new jump refusals; }}
}}
"""


class Elements:
    """The elements in force. `change` returns the commands for one service; apply them, in order, or start
    anew.
    """

    def __init__(self, settings: Settings) -> None:
        self._table = settings.table
        self._chains: set[str] = set()
        self._hairpins: Counter[str] = Counter()

    def change(self, before: ServiceRules, after: ServiceRules) -> list[str]:
        """Return nft commands that turn `before` of a service into `after`."""
        old, new = _elements(before), _elements(after)
        commands = [*self._new_chains(after)]
        commands += [f"delete element ip {self._table} {where} {{ {key} }}" for where, key in _gone(old, new)]
        commands += [f"add element ip {self._table} {where} {{ {text} }}" for where, text in _come(old, new)]
        return commands + self._hairpin_changes(before, after)

    def _new_chains(self, rules: ServiceRules) -> list[str]:
        commands: list[str] = []
        for vip, target in rules.targets.items():
            name = chain_name(vip, target)
            if target.backends and name not in self._chains:
                self._chains.add(name)
                commands.append(f"add chain ip {self._table} {name}")
                commands += [f"add rule ip {self._table} {name} {rule}" for rule in _chain_rules(vip, target)]
        return commands

    def _hairpin_changes(self, before: ServiceRules, after: ServiceRules) -> list[str]:
        commands: list[str] = []
        for address in _backend_addresses(after):
            self._hairpins[address] += 1
            if self._hairpins[address] == 1:
                commands.append(f"add element ip {self._table} hairpins {{ {address} . {address} }}")
        for address in _backend_addresses(before):
            self._hairpins[address] -= 1
            if not self._hairpins[address]:
                del self._hairpins[address]
                commands.append(f"delete element ip {self._table} hairpins {{ {address} . {address} }}")
        return commands


def chain_name(vip: Vip, target: Target) -> str:
    kind = "service" if vip.address else "port"
    sticky = f"_sticky_{target.affinity_s}" if target.affinity_s else ""
    return f"{kind}_{len(target.backends)}{sticky}"


def _chain_rules(vip: Vip, target: Target) -> list[str]:
    key = "meta l4proto . th dport . meta mark map @node_port_endpoints"
    if vip.address:
        key = "ip daddr . meta l4proto . th dport . meta mark map @endpoints"
    draw = f"meta mark set numgen random mod {len(target.backends)} offset 1"
    if not target.affinity_s:
        return [draw, f"dnat ip to {key}"]
    client = "ip saddr . ip daddr . meta l4proto . th dport"
    remember = f"update @affinity {{ {client} timeout {target.affinity_s}s : meta mark }}"
    recall = [
        "meta mark set 0",
        f"meta mark set {client} map @affinity",
        f"meta mark != 0 {remember}",
        f"dnat ip to {key}",
    ]
    return [*recall, draw, remember, f"dnat ip to {key}"]


def _elements(rules: ServiceRules) -> dict[tuple[str, str], str]:
    """Return (map or set, key) -> value, "" for sets."""
    found: dict[tuple[str, str], str] = {("addresses", address): "" for address in rules.addresses}
    for vip, target in rules.targets.items():
        suffix = f"{vip.protocol} . {vip.port}"
        names = _NODE_PORT_NAMES if not vip.address else _SERVICE_NAMES
        key = f"{vip.address} . {suffix}" if vip.address else suffix
        if target.masquerade:
            found[names.masqueraded, key] = ""
        if not target.backends:
            found[names.unserved, key] = "goto refuse" if target.refuse else "goto silence"
            continue
        found[names.verdicts, key] = f"goto {chain_name(vip, target)}"
        for number, backend in target.backends.items():
            found[names.endpoints, f"{key} . {number}"] = f"{backend.address} . {backend.port}"
    return found


@dataclass(frozen=True)
class _Names:
    verdicts: str
    endpoints: str
    unserved: str
    masqueraded: str


_SERVICE_NAMES = _Names("services", "endpoints", "unserved", "masqueraded")
_NODE_PORT_NAMES = _Names(
    "node_ports", "node_port_endpoints", "unserved_node_ports", "masqueraded_node_ports"
)


def _gone(old: dict[tuple[str, str], str], new: dict[tuple[str, str], str]) -> list[tuple[str, str]]:
    return [(where, key) for (where, key), value in old.items() if new.get((where, key)) != value]


def _come(old: dict[tuple[str, str], str], new: dict[tuple[str, str], str]) -> list[tuple[str, str]]:
    return [
        (where, f"{key} : {value}" if value else key)
        for (where, key), value in new.items()
        if old.get((where, key)) != value
    ]


def _backend_addresses(rules: ServiceRules) -> set[str]:
    return {backend.address for target in rules.targets.values() for backend in target.backends.values()}


def from_scratch(settings: Settings, rules: list[ServiceRules]) -> tuple[Elements, str]:
    """Return the counters and the one transaction that puts exactly `rules` in force, whatever was there
    before.
    """
    elements = Elements(settings)
    commands = [command for service in rules for command in elements.change(NOTHING, service)]
    return elements, skeleton(settings) + "\n".join(commands) + "\n"
