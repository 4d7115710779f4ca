"""`pods/<name>/decision`: why the scheduler has placed a pod where it is, or nowhere. Asked of the scheduler.

    Lease kube-system/kube-scheduler --annotation--> address and certificate of the scheduler that decides
    TLS: it must hold that certificate; we show our certificate as a front proxy, and it believes us
    query  node=N  that node's whole story    all=true  earlier decisions too    columns=true  all scores

The pod need not be there any more. Who may list all pods is told the names of others' pods, too.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from api.errors import MethodNotAllowed, NotFound, ServiceUnavailable, StatusError, from_status
from api.resource import Obj
from api.types.coordination_v1 import LEASES
from api.types.core_v1 import PODS
from apiserver.authz.authorizer import Authorizer, Verdict
from apiserver.http.message import Answer, Request, RequestInfo
from apiserver.registry import Registry
from apiserver.rest import render
from apiserver.rest.hub import Collection, Hub
from apiserver.subresources.kubelet import check_target
from kit import chain

LEASE = ("kube-system", "kube-scheduler")
# Written by `scheduler/serving/announcement.py`.
ANNOTATION = "scheduling.pelamis.dev/decisions"
_PATIENCE_S, _DIAL_S = 15.0, 3.0
_BODY_BYTES = 32 << 20
_WHERE = f"Lease {LEASE[0]}/{LEASE[1]}"
_HELP = (
    "Decisions are kept by `pelamis scheduler` while it runs with a --secure-port; they cannot be had of "
    "other schedulers."
)


@dataclass(frozen=True)
class Announcement:
    """Where the scheduler that decides can be asked."""

    host: str
    port: int
    certificate: str

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


def parse_announcement(lease: Obj | None) -> Announcement:
    """Return what the lease says. Raises `ServiceUnavailable`, which says what is missing."""
    if lease is None:
        raise _unavailable(f"There is no {_WHERE}, so no scheduler has said where it can be asked.")
    holder = (lease.get("spec") or {}).get("holderIdentity") or ""
    raw = (lease["metadata"].get("annotations") or {}).get(ANNOTATION)
    if not raw:
        who = f", which {holder} holds," if holder else ""
        raise _unavailable(f"{_WHERE}{who} does not say where the scheduler can be asked.")
    try:
        said: Any = orjson.loads(raw)
        host, _, port = said["address"].rpartition(":")
        found = Announcement(str(ip_address(host.strip("[]"))), int(port), said["certificate"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unavailable(f"{_WHERE} says something malformed of where to ask the scheduler.") from error
    if said.get("holder", "") != holder:
        now = f"held by {holder}" if holder else "held by nobody"
        raise _unavailable(f"The scheduler that could be asked no longer leads: {_WHERE} is {now}.")
    return found


def _unavailable(why: str) -> ServiceUnavailable:
    return ServiceUnavailable(f"{why} {_HELP}")


class Decisions:
    """Answers requests for decisions; call it as a subresource handler."""

    def __init__(
        self, registry: Registry, authorizer: Authorizer, cert: Path | None, key: Path | None, own: Any
    ) -> None:
        """`own` tells this server's address, and its port once it listens."""
        self._registry = registry
        self._authorizer = authorizer
        self._cert, self._key = cert, key
        self._own = own
        self._session: aiohttp.ClientSession | None = None
        # The connections are good for one certificate.
        self._pinned = ""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __call__(self, hub: Hub, collection: Collection, request: Request) -> Answer:
        if request.info.verb != "get":
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        form = render.form_of(request)
        target = parse_announcement(self._registry.cached(LEASES, *LEASE))
        self._check(target)
        session = await self._connected(target.certificate)
        pod = await self._pod(request.info)
        doc = await _ask(session, target, request.info, self._query(request, pod))
        if doc is None:
            raise _unknown(request.info.name, pod)
        return render.response(form, doc)

    async def _pod(self, info: RequestInfo) -> Obj | None:
        try:
            return await self._registry.get(PODS, info.namespace, info.name)
        except NotFound:
            return None

    def _check(self, target: Announcement) -> None:
        """Whoever may write the lease may not make this server call itself, or the link (CVE-2022-3294)."""
        check_target(target.host)
        address, port = self._own
        local = target.host == address or ip_address(target.host).is_loopback
        if local and target.port == port():
            raise _unavailable(f"{_WHERE} names this API server as the scheduler.")

    async def _connected(self, certificate: str) -> aiohttp.ClientSession:
        if self._cert is None or self._key is None:
            raise _unavailable("This API server has no certificate to show to it (--proxy-client-cert-file).")
        if self._session is not None and self._pinned == certificate:
            return self._session
        try:
            context = chain.pinned_context(certificate)
            context.load_cert_chain(self._cert, self._key)
        except (ValueError, OSError) as error:
            raise _unavailable(f"No connection can be made with what {_WHERE} says: {error}.") from error
        # Between here and the end nobody else runs: one session is made, and the old one closed after.
        old, self._pinned = self._session, certificate
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=_PATIENCE_S, sock_connect=_DIAL_S),
            connector=aiohttp.TCPConnector(ssl=context),
        )
        if old is not None:
            await old.close()
        return self._session

    def _query(self, request: Request, pod: Obj | None) -> dict[str, str]:
        query = {"node": request.param("node")}
        query |= {"earlier": "true"} if request.param("all") in ("1", "true") else {}
        query |= {"columns": "true"} if request.param("columns") in ("1", "true") else {}
        if pod is not None:
            query |= {"uid": pod["metadata"]["uid"], "bound": pod["spec"].get("nodeName") or ""}
        everything = RequestInfo(True, "/api/v1/pods", "list", "", "v1", "pods")
        sees_all = self._authorizer.authorize(request.user, everything).verdict is Verdict.ALLOW
        query |= {"seesAll": "true"} if sees_all else {}
        return {name: value for name, value in query.items() if value}


async def _ask(
    session: aiohttp.ClientSession, target: Announcement, info: RequestInfo, query: dict[str, str]
) -> Obj | None:
    """Return the scheduler's answer, None if it knows nothing. Raises `ServiceUnavailable`."""
    path = f"/decisions/{quote(info.namespace, safe='')}/{quote(info.name, safe='')}"
    url = URL(target.origin + path, encoded=True).with_query(query)
    try:
        async with session.get(url, allow_redirects=False) as answer:
            body = await answer.content.read(_BODY_BYTES)
            while not answer.content.at_eof() and len(body) < _BODY_BYTES:
                body += await answer.content.read(_BODY_BYTES - len(body))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        text = str(error) or type(error).__name__
        why = f"The scheduler at {target.origin} does not answer: {text}."
        raise _unavailable(f"{why} It must run, and this API server must reach it there.") from error
    try:
        said: Any = orjson.loads(body)
    except ValueError:
        said = {"message": body[:200].decode(errors="replace").strip()}
    if answer.status == 200 and isinstance(said, dict):
        return said
    if answer.status == 404:
        return None
    if answer.status in (401, 403):
        text = "does not accept this API server's certificate (--proxy-client-cert-file)"
        raise _unavailable(f"The scheduler at {target.origin} {text}.")
    raise _unavailable(f"The scheduler at {target.origin} says: {_message(answer.status, said)}.")


def _message(status: int, said: Any) -> str:
    error: StatusError = from_status(status, said if isinstance(said, dict) else {})
    return error.message or f"status {status}"


def _unknown(name: str, pod: Obj | None) -> NotFound:
    if pod is None:
        return NotFound(f'pods "{name}" not found, and the scheduler keeps no decision about such a pod')
    scheduler = pod["spec"].get("schedulerName") or "default-scheduler"
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        why = "it has ended, and newer ones have taken its place"
    elif pod["spec"].get("nodeName"):
        why = "it got its node from another one, or before this one started"
    else:
        why = f"it waits for the scheduler {scheduler}, which is another one"
    return NotFound(f'the scheduler keeps no decision about pod "{name}": {why}')
