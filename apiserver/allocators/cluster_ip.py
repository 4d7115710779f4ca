"""The pool of cluster addresses: text in, text out.

Source: pkg/registry/core/service/ipallocator (1.36).
"""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from api.resource import Key
from apiserver.allocators.pool import OutOfRange, Pool
from kit import rand


class ClusterIPs:
    """Addresses of one CIDR; neither its first (network) nor, for IPv4, its last (broadcast)."""

    def __init__(self, cidr: str) -> None:
        self.network = ip_network(cidr)
        self.family = f"IPv{self.network.version}"
        reserved = 2 if self.network.version == 4 else 1
        # Beyond 2^16 addresses nothing is gained by a larger pool. Spec: ipallocator maximum (1.36).
        size = min(self.network.num_addresses - reserved, 1 << 16)
        # Spec: calculateRangeOffset (1.36): a band for addresses that people choose.
        static = min(max(16, size // 16), 256) if size > 16 else 0
        self.pool = Pool(int(self.network.network_address) + 1, size, static, rand.integer)

    def learn(self, key: Key, addresses: Iterable[str]) -> None:
        self.pool.learn(key, [number for text in addresses if (number := _number(text)) is not None])

    def reserve(self, address: str, key: Key) -> None:
        """Hold an address. Raises `OutOfRange`, `Taken`."""
        number = _number(address)
        if number is None:
            raise OutOfRange
        self.pool.reserve(number, key)

    def allocate(self, key: Key) -> str:
        """Hold any free address. Raises `Exhausted`."""
        return str(type(self.network.network_address)(self.pool.allocate(key)))

    def release(self, address: str, key: Key) -> None:
        number = _number(address)
        if number is not None:
            self.pool.release(number, key)


def _number(address: str) -> int | None:
    try:
        return int(ip_address(address))
    except ValueError:
        return None
