"""Where a handler (`httpGet`, `tcpSocket`, `grpc`) points. PURE. Called by probes and lifecycle hooks.

Source: pkg/probe/http/request.go, pkg/probe/util.go (1.36).
"""

from urllib.parse import quote

from api.resource import Obj

# What may stand in a path and query as it is; anything given percent-encoded stays so.
_AS_GIVEN = "/%?&=+$,:;@!'()*~[]-._"
_USER_AGENT = "kube-probe/1.36"


class TargetError(ValueError):
    """The handler names a port that the container does not have."""


def port_number(port: int | str, container: Obj) -> int:
    """Return the number of a port given by number or by a name among the container's ports."""
    text = str(port)
    if text.isdigit():
        number = int(text)
    else:
        named = [p["containerPort"] for p in container.get("ports") or () if p.get("name") == text]
        if not named:
            raise TargetError(f"couldn't find port: {text!r}")
        number = int(named[0])
    if not 0 < number < 65536:
        raise TargetError(f"invalid port number: {number}")
    return number


def join_host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def http_url(handler: Obj, container: Obj, pod_ip: str) -> str:
    """Return the URL of an `httpGet`, its path and query as given."""
    scheme = (handler.get("scheme") or "HTTP").lower()
    where = join_host_port(handler.get("host") or pod_ip, port_number(handler["port"], container))
    path = quote(handler.get("path") or "/", safe=_AS_GIVEN)
    return f"{scheme}://{where}{path if path.startswith('/') else '/' + path}"


def http_headers(handler: Obj) -> list[tuple[str, str]]:
    """Return the headers of an `httpGet`; an empty User-Agent or Accept given there removes the default."""
    given = [(header["name"], header.get("value") or "") for header in handler.get("httpHeaders") or ()]
    names = {name.lower(): value for name, value in given}
    headers = [
        (name, value) for name, value in given if value or name.lower() not in ("user-agent", "accept")
    ]
    if "user-agent" not in names:
        headers.append(("User-Agent", _USER_AGENT))
    if "accept" not in names:
        headers.append(("Accept", "*/*"))
    return headers
