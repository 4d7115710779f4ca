"""What a pod may know about itself: values of `fieldRef` and `resourceFieldRef`. PURE.

Called by `pod/env.py` (environment) and `volumes/plugins/downward_api.py` (files).
Source: pkg/fieldpath, pkg/api/v1/resource helpers (1.36).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from api.quantity import milli, value
from api.resource import Obj

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")
# `repr`-like escapes of Go's %q, for the characters that need one.
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\a": "\\a", "\b": "\\b",
            "\f": "\\f", "\v": "\\v"}  # fmt: skip


class DownwardError(ValueError):
    """A reference to something that the downward API does not offer."""


@dataclass(frozen=True)
class Facts:
    """What the pod object alone does not tell: addresses known to the agent, and the node's allocatable."""

    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    # Quantities as in `Node.status.allocatable`; stand in for unset limits.
    allocatable: Mapping[str, str] = field(default_factory=dict)


def field_value(pod: Obj, path: str, facts: Facts) -> str:
    """Return the text at `path`. Raises `DownwardError` for a path that is not offered."""
    metadata = pod["metadata"]
    if match := _SUBSCRIPT.fullmatch(path):
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        return format_map(metadata.get(path.removeprefix("metadata.")) or {})
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(metadata.get(path.removeprefix("metadata."), ""))
    if path in ("spec.nodeName", "spec.serviceAccountName"):
        return str(pod["spec"].get(path.removeprefix("spec."), ""))
    addresses = {
        "status.podIP": facts.pod_ips[:1],
        "status.podIPs": facts.pod_ips,
        "status.hostIP": facts.host_ips[:1],
        "status.hostIPs": facts.host_ips,
    }
    if path in addresses:
        return ",".join(addresses[path])
    raise DownwardError(f"unsupported fieldPath: {path}")


def format_map(values: Mapping[str, str]) -> str:
    """Return sorted `key="value"` lines without a newline at the end, values quoted as Go does."""
    return "\n".join(f"{key}={_quote(values[key])}" for key in sorted(values))


def _quote(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char) or _printable(char) for char in text) + '"'


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def resource_value(pod: Obj, ref: Obj, container: Obj | None, facts: Facts) -> str:
    """Return the number that `resourceFieldRef` asks for, divided by its divisor and rounded up."""
    if name := ref.get("containerName"):
        container = _container(pod, name)
    if container is None:
        raise DownwardError("container not found")
    kind, _, resource = str(ref.get("resource", "")).partition(".")
    known = resource in ("cpu", "memory", "ephemeral-storage") or resource.startswith("hugepages-")
    if kind not in ("limits", "requests") or not known:
        raise DownwardError(f"unsupported container resource : {ref.get('resource', '')}")
    amounts = (container.get("resources") or {}).get(kind) or {}
    text = amounts.get(resource)
    if kind == "limits" and (text is None or value(str(text)) == 0):
        text = facts.allocatable.get(resource, text)
    divisor = str(ref.get("divisor") or "1")
    measure = milli if resource == "cpu" else value
    by = measure(divisor) or measure("1")
    return str(math.ceil(measure(str(text or "0")) / by))


def _container(pod: Obj, name: str) -> Obj:
    for key in ("containers", "initContainers", "ephemeralContainers"):
        for container in pod["spec"].get(key) or ():
            if container["name"] == name:
                return dict(container)
    raise DownwardError(f"container {name} not found")
