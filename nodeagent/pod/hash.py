"""The identity of a container's spec: what, when it changes, makes a running container be replaced. PURE.

Source: pkg/kubelet/container HashContainer: name and image alone since 1.31, so that other changes restart
nothing.
"""

import hashlib

from api.resource import Obj


def spec_hash(container: Obj) -> str:
    """Return a short hash of what identifies a container's spec."""
    text = f"{container['name']}\0{container.get('image', '')}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]
