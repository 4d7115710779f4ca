"""Links in what a proxied backend says: `/x` becomes `<prefix>/x`, so that a browser stays on the proxy.
Pure.

Source: k8s.io/apimachinery/pkg/util/proxy/transport.go (1.36).
"""

import re
from urllib.parse import urlsplit

_NAMES = (
    b"href|src|action|cite|background|codebase|data|formaction|icon|longdesc|manifest|poster|profile|usemap"
)
_LINK = re.compile(rb"(?i)(\s(?:" + _NAMES + rb")\s*=\s*[\"']?)(/(?!/)[^\"'\s>]*)")


def rewrite_html(body: bytes, prefix: str) -> bytes:
    """Return the document with its links to the root put below `prefix`."""
    start = prefix.rstrip("/").encode()
    return _LINK.sub(lambda match: match[1] + start + match[2], body)


def rewrite_location(location: str, origin: str, prefix: str) -> str:
    """Return a Location header so that it leads through the proxy; one to another host stays."""
    split = urlsplit(location)
    if split.netloc and f"{split.scheme}://{split.netloc}" != origin:
        return location
    path = split.path if split.path.startswith("/") else "/" + split.path
    query = f"?{split.query}" if split.query else ""
    fragment = f"#{split.fragment}" if split.fragment else ""
    return prefix.rstrip("/") + path + query + fragment
