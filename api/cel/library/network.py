"""IP addresses and networks. Spec: k8s.io/apiserver/pkg/cel/library/{ip,cidr}.go (1.36)."""

import ipaddress
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from api.cel.cost import ONE, Estimate, Range, Sized, traverse
from api.cel.declarations import Library, Overload, first_traversal
from api.cel.errors import EvaluationError
from api.cel.types import BOOL, INT, STRING, Type, opaque
from api.cel.values import Opaque, size

IP, CIDR = opaque("net.IP"), opaque("net.CIDR")
Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

_LINK_LOCAL_GROUPS = ipaddress.ip_network("224.0.0.0/24")
_BROADCAST = ipaddress.ip_address("255.255.255.255")


@dataclass(frozen=True, slots=True)
class IPValue(Opaque):
    """An address; as large as its bytes."""

    cel_type: ClassVar[Type] = IP
    address: Address

    @property
    def cel_size(self) -> int:
        return self.address.max_prefixlen // 8


@dataclass(frozen=True, slots=True)
class CIDRValue(Opaque):
    """A network as it was written: an address, perhaps with host bits, and a prefix length."""

    cel_type: ClassVar[Type] = CIDR
    address: Address
    prefix: int

    @property
    def cel_size(self) -> int:
        return -(-self.prefix // 8)

    @property
    def first(self) -> int:
        """The number of the first address."""
        return _masked(self.address, self.prefix)


def _masked(address: Address, prefix: int) -> int:
    host_bits = address.max_prefixlen - prefix
    return int(address) >> host_bits << host_bits


def parse_ip(text: str) -> IPValue:
    """Return the address of a text; EvaluationError for none, for one with a zone, for IPv4 in IPv6."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise EvaluationError(
            f'IP Address "{text}" parse error during conversion from string: '
            f'ParseAddr("{text}"): unable to parse IP'
        ) from error
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            raise EvaluationError(f'IP address "{text}" with zone value is not allowed')
        if address.ipv4_mapped:
            raise EvaluationError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return IPValue(address)


def parse_cidr(text: str) -> CIDRValue:
    """Return the network of a text; EvaluationError if it is none."""
    head, slash, digits = text.rpartition("/")
    reason = "no '/'" if not slash else "bad bits after slash"
    try:
        address = parse_ip(head).address if slash else None
    except EvaluationError as error:
        raise EvaluationError(_bad_cidr(text, str(error))) from error
    plain = digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0")
    if address is None or not plain or len(digits) > 3 or int(digits) > address.max_prefixlen:
        raise EvaluationError(_bad_cidr(text, reason))
    return CIDRValue(address, int(digits))


def _bad_cidr(text: str, reason: str) -> str:
    return f'network address parse error during conversion from string: netip.ParsePrefix("{text}"): {reason}'


def _parses(parse: Any) -> Any:
    def run(text: str) -> bool:
        try:
            parse(text)
        except EvaluationError:
            return False
        return True

    return run


def _is_canonical(text: str) -> bool:
    return str(parse_ip(text).address) == text


def _is_link_local_multicast(ip: IPValue) -> bool:
    if isinstance(ip.address, ipaddress.IPv4Address):
        return ip.address in _LINK_LOCAL_GROUPS
    return ip.address.packed[0] == 0xFF and ip.address.packed[1] & 0x0F == 2


def _is_global_unicast(ip: IPValue) -> bool:
    address = ip.address
    excluded = (address.is_unspecified, address.is_loopback, address.is_multicast, address.is_link_local)
    return not any(excluded) and address != _BROADCAST


def _contains_ip(network: CIDRValue, ip: IPValue) -> bool:
    return network.address.version == ip.address.version and network.first == _masked(
        ip.address, network.prefix
    )


def _contains_cidr(network: CIDRValue, other: CIDRValue) -> bool:
    return network.prefix <= other.prefix and _contains_ip(network, IPValue(other.address))


def _mask(network: CIDRValue) -> CIDRValue:
    return CIDRValue(network.address.__class__(network.first), network.prefix)


def _containment(extra: int, text: bool) -> tuple[Any, Any]:
    """Return cost and bound of comparing two addresses; `extra` is for masking, and a text is parsed
    first.
    """

    def cost(args: tuple[Any, ...], result: Any) -> int:
        once = size(args[0])
        masking = traverse(once) + 1 if extra else 0
        return traverse(2 * once) + masking + (traverse(size(args[1])) if text else 0)

    def bound(args: list[Sized]) -> Estimate:
        total = Range(8, 32).scaled(0.1)
        if extra:
            total = total.plus(Range(4, 16).scaled(0.1)).plus(ONE)
        return Estimate(total.plus(args[1].size.scaled(0.1)) if text else total)

    return cost, bound


_COST, _BOUND = first_traversal()
_TWICE, _TWICE_BOUND = first_traversal(0.2)


def _test(of: Type, result: Type, run: Any) -> tuple[Overload, ...]:
    return (Overload((of,), result, run, member=True),)


FUNCTIONS: Library = {
    "ip": (
        Overload((STRING,), IP, parse_ip, False, _COST, _BOUND),
        *_test(CIDR, IP, lambda network: IPValue(network.address)),
    ),
    "isIP": (Overload((STRING,), BOOL, _parses(parse_ip), False, _COST, _BOUND),),
    "ip.isCanonical": (Overload((STRING,), BOOL, _is_canonical, False, _TWICE, _TWICE_BOUND),),
    "family": _test(IP, INT, lambda ip: ip.address.version),
    "isUnspecified": _test(IP, BOOL, lambda ip: ip.address.is_unspecified),
    "isLoopback": _test(IP, BOOL, lambda ip: ip.address.is_loopback),
    "isLinkLocalMulticast": _test(IP, BOOL, _is_link_local_multicast),
    "isLinkLocalUnicast": _test(IP, BOOL, lambda ip: ip.address.is_link_local),
    "isGlobalUnicast": _test(IP, BOOL, _is_global_unicast),
    "cidr": (Overload((STRING,), CIDR, parse_cidr, False, _COST, _BOUND),),
    "isCIDR": (Overload((STRING,), BOOL, _parses(parse_cidr), False, _COST, _BOUND),),
    "containsIP": (
        Overload((CIDR, IP), BOOL, _contains_ip, True, *_containment(0, False)),
        Overload(
            (CIDR, STRING),
            BOOL,
            lambda network, ip: _contains_ip(network, parse_ip(ip)),
            True,
            *_containment(0, True),
        ),
    ),
    "containsCIDR": (
        Overload((CIDR, CIDR), BOOL, _contains_cidr, True, *_containment(1, False)),
        Overload(
            (CIDR, STRING),
            BOOL,
            lambda network, other: _contains_cidr(network, parse_cidr(other)),
            True,
            *_containment(1, True),
        ),
    ),
    "masked": _test(CIDR, CIDR, _mask),
    "prefixLength": _test(CIDR, INT, lambda network: network.prefix),
    "string": (
        Overload((IP,), STRING, lambda ip: str(ip.address)),
        Overload((CIDR,), STRING, lambda network: f"{network.address}/{network.prefix}"),
    ),
}
