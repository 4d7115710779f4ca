"""What a remote APIService says about where its group version is served, and how a user is named there. Pure.

Called by `aggregator.py`, `proxy.py` and `remote.py`.
Source: kube-aggregator/pkg/apiserver/handler_proxy.go, k8s.io/client-go/transport SetAuthProxyHeaders (1.36).
"""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from api.errors import InternalError
from api.resource import Obj
from apiserver.aggregation.conditions import is_available
from apiserver.http.message import Request, User

# Who asks when the server itself does.
AGGREGATOR = User("system:kube-aggregator", ("system:masters",))
# What may stand in the name of a header (RFC 9110 token) besides letters, digits and `-._~`.
_TOKEN = "!#$&'*+^`|"
_PATH = "/:@!$&'()*+,;=~-._"


@dataclass(frozen=True)
class Backend:
    """One remote APIService."""

    name: str
    group: str
    version: str
    namespace: str
    service: str
    port: int
    # Base64 PEM; "": the system's authorities.
    ca_bundle: str
    insecure: bool
    available: bool
    group_priority: int
    version_priority: int

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}"

    @property
    def host(self) -> str:
        """The name in the server's certificate."""
        return f"{self.service}.{self.namespace}.svc"

    @property
    def where(self) -> tuple[str, str, int, str, bool]:
        """What must be checked again when it changes."""
        return self.namespace, self.service, self.port, self.ca_bundle, self.insecure


def backend_of(obj: Obj) -> Backend | None:
    """Return where a remote APIService leads; None for a local one.

    DEVIATION: the core group is never given away; upstream would send /api/v1 to another server.
    """
    spec = obj["spec"]
    service = spec.get("service")
    if service is None or not spec.get("group"):
        return None
    return Backend(
        obj["metadata"]["name"],
        spec["group"],
        spec["version"],
        service["namespace"],
        service["name"],
        service.get("port", 443),
        spec.get("caBundle", ""),
        bool(spec.get("insecureSkipTLSVerify")),
        is_available(obj),
        spec["groupPriorityMinimum"],
        spec["versionPriority"],
    )


def identity_headers(user: User) -> list[tuple[str, str]]:
    """Return the headers by which a front proxy names a user. Raises `InternalError` if none can."""
    headers = [("X-Remote-User", user.name)]
    if user.uid:
        headers.append(("X-Remote-Uid", user.uid))
    headers += [("X-Remote-Group", group) for group in user.groups]
    for key, values in user.extra.items():
        name = f"X-Remote-Extra-{quote(key, safe=_TOKEN)}"
        headers += [(name, value) for value in values]
    if any("\r" in value or "\n" in value or "\0" in value for _, value in headers):
        # A line end in a name (of a certificate, say) would begin another header.
        raise InternalError("the user cannot be named in a header")
    return headers


def path_of(request: Request) -> str:
    """Return path and query of a request, encoded again."""
    query = urlencode([(name, value) for name, values in request.query.items() for value in values])
    return quote(request.path, safe=_PATH) + (f"?{query}" if query else "")
