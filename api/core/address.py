"""Checks of IP addresses and CIDRs in fields of objects, in upstream's words.

Source: k8s.io/apimachinery/pkg/util/validation/ip.go (1.36).
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from api import field
from api.field import FieldError, Path

_PLAIN_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?[1-9]?\d|1\d\d)(?:\.(?!$)|$)){4}").fullmatch
_NOT_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NOT_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address, or None; zones are no part of addresses in objects."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def ip_errors(text: str, path: Path) -> list[FieldError]:
    """Check an IP address of either family."""
    if _PLAIN_IPV4(text) or parse_ip(text) is not None:
        return []
    return [field.invalid(path, text, _NOT_IP)]


def ip_family(text: str) -> str:
    """Return `IPv4`, `IPv6` or "" for what is no address."""
    address = parse_ip(text)
    return f"IPv{address.version}" if address else ""


def cidr_errors(text: str, path: Path) -> list[FieldError]:
    """Check an address with a prefix length."""
    try:
        if "/" in text and text.rpartition("/")[2].isdigit():
            ip_network(text, strict=False)
            return []
    except ValueError:
        pass
    return [field.invalid(path, text, _NOT_CIDR)]


def non_special_ip_errors(text: str, path: Path) -> list[FieldError]:
    """Check an address that pods must be able to reach: not unspecified, loopback, link-local."""
    address = parse_ip(text)
    if address is None:
        return [field.invalid(path, text, "must be a valid IP address")]
    errors = []
    if address.is_unspecified:
        errors.append(field.invalid(path, text, f"may not be unspecified ({text})"))
    if address.is_loopback:
        errors.append(field.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if address.is_link_local:
        errors.append(
            field.invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
        )
    if address.is_multicast and str(address).startswith(("224.0.0.", "ff02:")):
        text_ = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        errors.append(field.invalid(path, text, text_))
    return errors
