"""Says in the Lease where the scheduler's decisions can be asked for, and by which certificate it is known.

The API server reads it (`apiserver/subresources/decision.py`). Whoever decides writes it: the holder of the
lease, or the only scheduler, if it needs none (then the Lease is made without a holder). It names the holder
it was written under, so that it does not outlive a change of the leader.
"""

from typing import Any

import orjson

from api.errors import NotFound, StatusError
from api.types.coordination_v1 import LEASES
from client.api import Client
from client.transport import Unreachable
from kit import clock, log

ANNOTATION = "scheduling.pelamis.dev/decisions"
_log = log.get("scheduler.serving")
# How soon a lost annotation is written again, and how soon a failed write.
_CHECK_S, _RETRY_S = 10.0, 1.0


async def announce(client: Client, lease: tuple[str, str], address: str, certificate: bytes) -> None:
    """Keep the annotation of a Lease (namespace, name) up to date, until cancelled."""
    told = ""
    while True:
        try:
            value = await _write(client, lease, address, certificate.decode())
            if value != told:
                _log.info("decisions announced", lease="/".join(lease), address=address)
            told, pause = value, _CHECK_S
        except (StatusError, Unreachable) as error:
            _log.debug("decisions not announced", error=str(error))
            pause = _RETRY_S
        await clock.sleep(pause)


async def _write(client: Client, lease: tuple[str, str], address: str, certificate: str) -> str:
    namespace, name = lease
    try:
        found: Any = await client.get(LEASES, name, namespace)
    except NotFound:
        new = {"metadata": {"name": name, "namespace": namespace}, "spec": {}}
        found = await client.create(LEASES, new, namespace)
    value = annotation(found, address, certificate)
    annotations = found["metadata"].get("annotations") or {}
    if annotations.get(ANNOTATION) != value:
        metadata = {**found["metadata"], "annotations": {**annotations, ANNOTATION: value}}
        await client.update(LEASES, {**found, "metadata": metadata}, namespace)
    return value


def annotation(lease: Any, address: str, certificate: str) -> str:
    """Return what the annotation must say, as the lease is now."""
    holder = (lease.get("spec") or {}).get("holderIdentity") or ""
    said = {"address": address, "certificate": certificate, "holder": holder}
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()
