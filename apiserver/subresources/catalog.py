"""Which handler answers which subresource: one line each. Called by `app.py`."""

from collections.abc import Mapping

from apiserver.rest.dispatch import Sub
from apiserver.subresources import binding, eviction, scale, status

# By (plural.group or "*", subresource).
SUBRESOURCES: Mapping[tuple[str, str], Sub] = {
    ("*", "status"): status.handle,
    ("*", "scale"): scale.handle,
    ("namespaces", "finalize"): status.handle_update,
    ("pods", "binding"): binding.handle,
    ("pods", "ephemeralcontainers"): status.handle,
    ("pods", "eviction"): eviction.handle,
    ("pods", "resize"): status.handle,
    ("certificatesigningrequests.certificates.k8s.io", "approval"): status.handle,
}
