"""At which address of this machine others reach a server. Called by servers that are told none.

Source: k8s.io/apimachinery/pkg/util/net ResolveBindAddress (1.36).
"""

import ipaddress
import socket

# Any address outside: connecting a datagram socket sends nothing, it only asks for the route. RFC 5737.
_OUTSIDE = ("192.0.2.1", 9)


def reachable(bind_address: str) -> str:
    """Return the bind address if others can use it, else the address of the default route.

    A machine without a route gets the documentation address: the object that tells it must hold some address.
    """
    try:
        address = ipaddress.ip_address(bind_address)
        if not address.is_loopback and not address.is_unspecified:
            return bind_address
    except ValueError:
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_OUTSIDE)
        except OSError:
            return _OUTSIDE[0]
        return str(probe.getsockname()[0])
