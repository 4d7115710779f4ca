"""URLs: absolute ones, and absolute paths. Spec: k8s.io/apiserver/pkg/cel/library/urls.go (1.36), Go's
net/url.
"""

import re
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote, unquote

from api.cel.cost import Estimate, Sized
from api.cel.declarations import Library, Overload, first_traversal
from api.cel.errors import EvaluationError
from api.cel.types import BOOL, STRING, Type, list_of, map_of, opaque
from api.cel.values import Opaque

URL = opaque("kubernetes.URL")

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_HOST = re.compile(r"[\s\"<>\\^`{|}]")
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?", re.ASCII)
# What Go leaves as it is in the path of a URL.
_SAFE = "$&+,/:;=@-_.~!'()*"


@dataclass(frozen=True, slots=True)
class URLValue(Opaque):
    """The parts of a URL; `path` and `query` as they were written."""

    cel_type: ClassVar[Type] = URL
    scheme: str
    host: str
    hostname: str
    port: str
    path: str
    query: str


def _fail(text: str, reason: str) -> EvaluationError:
    return EvaluationError(f'URL parse error during conversion from string: parse "{text}": {reason}')


def parse_url(text: str) -> URLValue:
    """Return the parts of a URL; EvaluationError if it is none, or neither absolute nor an absolute path."""
    if _CONTROL.search(text):
        raise _fail(text, "net/url: invalid control character in URL")
    if not text:
        raise _fail(text, "empty url")
    scheme, rest = "", text
    if match := _SCHEME.match(text):
        scheme, rest = match[1].lower(), text[match.end() :]
    elif text.startswith(":"):
        raise _fail(text, "missing protocol scheme")
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return URLValue(scheme, "", "", "", "", query)
        raise _fail(text, "invalid URI for request")
    host, path = "", rest
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        host, slash, path = rest[2:].partition("/")
        path = slash + path
    if bad := _BAD_ESCAPE.search(path):
        raise _fail(text, f'invalid URL escape "{bad.group()}"')
    return URLValue(scheme, *_host_parts(text, host.rpartition("@")[2]), path, query)


def _host_parts(text: str, host: str) -> tuple[str, str, str]:
    """Return host with port, host name without brackets, port."""
    if bad := _BAD_HOST.search(host):
        raise _fail(text, f'invalid character "{bad.group()}" in host name')
    match = _HOST_PORT.fullmatch(host)
    if match is None:
        raise _fail(text, f'invalid port ":{host.rpartition(":")[2]}" after host')
    return host, match[1].strip("[]"), match[2] or ""


def _is_url(text: str) -> bool:
    try:
        parse_url(text)
    except EvaluationError:
        return False
    return True


def _escaped_path(url: URLValue) -> str:
    return quote(unquote(url.path), safe=_SAFE) if "%" not in url.path else url.path


def _query(url: URLValue) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for pair in url.query.split("&"):
        key, _, value = pair.partition("=")
        if pair and ";" not in pair and not _BAD_ESCAPE.search(pair):
            values.setdefault(_plain(key), []).append(_plain(value))
    return values


def _plain(text: str) -> str:
    return unquote(text.replace("+", " "))


def _url_bound(args: list[Sized]) -> Estimate:
    return Estimate(args[0].size.scaled(0.1), args[0].size)


_COST, _ = first_traversal()
_TEXTS = {
    "getScheme": lambda url: url.scheme,
    "getHost": lambda url: url.host,
    "getHostname": lambda url: url.hostname,
    "getPort": lambda url: url.port,
    "getEscapedPath": _escaped_path,
}
FUNCTIONS: Library = {
    "url": (Overload((STRING,), URL, parse_url, False, _COST, _url_bound),),
    "isURL": (Overload((STRING,), BOOL, _is_url),),
    **{name: (Overload((URL,), STRING, run, member=True),) for name, run in _TEXTS.items()},
    "getQuery": (Overload((URL,), map_of(STRING, list_of(STRING)), _query, member=True),),
}
