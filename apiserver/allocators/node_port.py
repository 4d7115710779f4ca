"""The pool of node ports. Source: pkg/registry/core/service/portallocator (1.36)."""

from apiserver.allocators.pool import Pool
from kit import rand


def parse_range(text: str) -> tuple[int, int]:
    """Return first port and number of ports of "30000-32767" or "30000+2768". Raises `ValueError`."""
    low, dash, high = text.partition("-")
    if dash:
        first, size = int(low), int(high) - int(low) + 1
    else:
        low, plus, count = text.partition("+")
        first, size = int(low), int(count) + 1 if plus else 1
    if first < 1 or size < 1 or first + size > 65536:
        raise ValueError(f"invalid port range {text!r}")
    return first, size


class NodePorts(Pool):
    """Ports of a range such as "30000-32767"."""

    def __init__(self, text: str) -> None:
        first, size = parse_range(text)
        # Spec: portallocator calculateRangeOffset (1.36).
        static = min(max(16, size // 32), 128) if size > 16 else 0
        super().__init__(first, size, static, rand.integer)
        self.text = f"{first}-{first + size - 1}"
