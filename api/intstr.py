"""IntOrString: a number or a percentage of something.

Called by the controllers (maxSurge, maxUnavailable, minAvailable) and validation.
Source: k8s.io/apimachinery/pkg/util/intstr (1.36).
"""

import re

_PERCENT = re.compile(r"[+-]?[0-9]+")


def parse_percent(text: str) -> int:
    """`25%` -> 25; ValueError in upstream's words if it is none."""
    if not text.endswith("%"):
        raise ValueError("invalid value for IntOrString: invalid type: string is not a percentage")
    if not _PERCENT.fullmatch(text[:-1]):
        raise ValueError(
            f'invalid value for IntOrString: invalid value "{text}": strconv.Atoi: parsing "{text[:-1]}": '
            "invalid syntax"
        )
    return int(text[:-1])


def scaled(value: int | str, total: int, round_up: bool) -> int:
    """Return the number itself, or that part of `total` which the percentage says, rounded."""
    if isinstance(value, int):
        return value
    product = parse_percent(value) * total
    return -(-product // 100) if round_up else product // 100
