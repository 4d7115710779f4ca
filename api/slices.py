"""Which service an EndpointSlice belongs to. Called by whoever makes or follows slices."""

from collections.abc import Mapping
from typing import Any

from api.resource import Key

# The label that names the service, in the slice's own namespace.
SERVICE_NAME = "kubernetes.io/service-name"


def service_of(endpoint_slice: Mapping[str, Any]) -> Key | None:
    """Return the key of the slice's service, None if it has none."""
    metadata = endpoint_slice["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_NAME)
    return Key(metadata.get("namespace", ""), name) if name else None


def by_service(endpoint_slice: Mapping[str, Any]) -> list[str]:
    """Index of slices by the text of their service's key."""
    key = service_of(endpoint_slice)
    return [str(key)] if key else []
