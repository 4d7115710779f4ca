"""What the server serves, told to clients: `/api`, `/apis` and below, plain and aggregated.

    /api                 APIVersions, or the aggregated list of the core group
    /apis                APIGroupList, or the aggregated list of all other groups
    /apis/<group>        APIGroup
    /api/v1, /apis/<group>/<version>     APIResourceList

Every answer is built once, as bytes, when it is first asked for; `replace` starts afresh. What is served is
told by `apiserver/served.py`.
Source: k8s.io/apiserver/pkg/endpoints/discovery and discovery/aggregated, KEP-3352 (1.36).
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from api import catalog
from api.resource import Obj, Resource
from apiserver.customresources.resource import CustomResource, stored_version
from apiserver.http.message import Request, Response

_AGGREGATED = "APIGroupDiscoveryList"
_OTHER_PATHS = ("/healthz", "/livez", "/readyz", "/metrics", "/openapi/v2", "/openapi/v3", "/version")
# Newest first. v2beta1 has the same form; kubectl before 1.30 asks for it alone.
_AGGREGATED_VERSIONS = ("v2", "v2beta1")

# `groupPriorityMinimum` of the groups of custom resources.
_CUSTOM_PRIORITY = 1000


@dataclass(frozen=True)
class Remote:
    """A group version that another server serves.

    `entry` is what aggregated discovery tells of it: `{"version", "resources", "freshness"}`. Groups and
    versions of a higher priority come first.
    """

    group: str
    version: str
    entry: Obj
    group_priority: int = 1000
    version_priority: int = 100


# A group version: the resources that this server serves, or what another one says.
_Version: TypeAlias = list[Resource[Any]] | Remote


@dataclass(frozen=True)
class _Whole:
    body: bytes
    content_type: str
    etag: str


class Discovery:
    """Answers discovery for a set of resources, given in the order of their groups' and versions'
    priority, and for what other servers serve."""

    def __init__(self, resources: Iterable[Resource[Any]], server_address: str) -> None:
        """`server_address` is `host:port`, told to clients of `/api`."""
        self._address = server_address
        self._resources: tuple[Resource[Any], ...] = ()
        self._remotes: tuple[Remote, ...] = ()
        self._built: dict[tuple[str, str], _Whole | None] = {}
        # What is served by group and version; None: to be worked out.
        self._index: dict[str, dict[str, _Version]] | None = None
        self.replace(resources)

    def replace(self, resources: Iterable[Resource[Any]], remotes: Iterable[Remote] = ()) -> None:
        """Serve another set of resources from now on."""
        self._resources, self._remotes = tuple(resources), tuple(remotes)
        self._built.clear()
        self._index = None

    async def handle(self, request: Request) -> Response | None:
        """Answer a request to a path of discovery; None if there is no such group or version."""
        path = request.path.rstrip("/")
        form = _form(request.headers.get("accept", "")) if path in ("/api", "/apis") else ""
        key = (path, form)
        if key not in self._built:
            built = self._build(path, form)
            if built is None:
                return None
            self._built[key] = built
        whole = self._built[key]
        if whole is None:
            return None
        headers = {"Vary": "Accept"}
        if form:
            headers["ETag"] = whole.etag
            if whole.etag in request.headers.get("if-none-match", ""):
                return Response(304, b"", whole.content_type, headers)
        return Response(200, whole.body, whole.content_type, headers)

    def root(self) -> Response:
        """Answer `/`: the paths that there are."""
        roots = [f"/apis/{name}" for name in self._groups()]
        versions = [f"{root}/{version}" for root in roots for version in self._versions_of(root[6:])]
        paths = ["/api", "/api/v1", "/apis", *roots, *versions, *_OTHER_PATHS]
        return Response(200, orjson.dumps({"paths": sorted(paths)}, option=orjson.OPT_INDENT_2))

    def _build(self, path: str, form: str) -> _Whole | None:
        obj = self._aggregated(path == "/api", form) if form else self._plain(path)
        if obj is None:
            return None
        body = orjson.dumps(obj)
        etag = '"' + hashlib.sha512(body).hexdigest().upper() + '"'
        kind = (
            f"application/json;g=apidiscovery.k8s.io;v={form};as={_AGGREGATED}"
            if form
            else "application/json"
        )
        return _Whole(body, kind, etag)

    def _plain(self, path: str) -> Obj | None:
        words = path.strip("/").split("/")
        match words:
            case ["api"]:
                return self._versions()
            case ["apis"]:
                groups = [_group(name, self._versions_of(name)) for name in self._groups()]
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
            case ["apis", group] if group in self._groups():
                found = _group(group, self._versions_of(group))
                return {"kind": "APIGroup", "apiVersion": "v1", **found}
            case ["api", version]:
                return self._resource_list("", version)
            case ["apis", group, version]:
                return self._resource_list(group, version)
        return None

    def _versions(self) -> Obj:
        address = {"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}
        versions = self._versions_of("")
        return {
            "kind": "APIVersions",
            "versions": versions,
            "serverAddressByClientCIDRs": [address],
        }

    def _resource_list(self, group: str, version: str) -> Obj | None:
        found = self._of(group, version)
        if not found:
            return None
        entries = [entry for item in found for entry in _entries(item)]
        entries.sort(key=lambda entry: entry["name"])
        group_version = f"{group}/{version}" if group else version
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": entries,
        }

    def _aggregated(self, core: bool, form: str) -> Obj:
        groups = [""] if core else self._groups()
        items = [
            {
                "metadata": {"name": group} if group else {"name": ""},
                "versions": [self._aggregated_version(group, one) for one in self._versions_of(group)],
            }
            for group in groups
        ]
        return {
            "kind": _AGGREGATED,
            "apiVersion": f"apidiscovery.k8s.io/{form}",
            "metadata": {},
            "items": items,
        }

    def _groups(self) -> list[str]:
        return [name for name in self._indexed() if name]

    def _versions_of(self, group: str) -> list[str]:
        return [*self._indexed().get(group, ())]

    def _of(self, group: str, version: str) -> list[Resource[Any]]:
        found = self._indexed().get(group, {}).get(version, [])
        return [] if isinstance(found, Remote) else found

    def _indexed(self) -> dict[str, dict[str, _Version]]:
        if self._index is None:
            self._index = _index_of(self._resources, self._remotes)
        return self._index

    def _aggregated_version(self, group: str, version: str) -> Obj:
        found = self._indexed()[group][version]
        if isinstance(found, Remote):
            return found.entry
        resources = [_aggregated_entry(item) for item in sorted(found, key=lambda item: item.plural)]
        return {"version": version, "resources": resources, "freshness": "Current"}


def _index_of(
    resources: Iterable[Resource[Any]], remotes: Iterable[Remote]
) -> dict[str, dict[str, _Version]]:
    """Return what is served by group and version, both in the order of their priority."""
    index: dict[str, dict[str, _Version]] = {}
    for item in resources:
        found = index.setdefault(item.group, {}).setdefault(item.version, [])
        if not isinstance(found, Remote):
            found.append(item)
    ordered = sorted(
        remotes, key=lambda remote: (-remote.group_priority, remote.group, -remote.version_priority)
    )
    priorities = dict(catalog.GROUP_PRIORITIES)
    for remote in ordered:
        index.setdefault(remote.group, {})[remote.version] = remote
        priorities.setdefault(remote.group, remote.group_priority)
    groups = sorted(index, key=lambda group: -priorities.get(group, _CUSTOM_PRIORITY))
    return {group: index[group] for group in groups}


def _form(accept: str) -> str:
    """Return the version of aggregated discovery that a client prefers, "" for the plain form."""
    for clause in accept.split(","):
        words = {word.strip() for word in clause.split(";")}
        for version in _AGGREGATED_VERSIONS:
            if {f"as={_AGGREGATED}", f"v={version}", "g=apidiscovery.k8s.io", "application/json"} <= words:
                return version
        if clause.strip().split(";")[0] in ("application/json", "*/*") and f"as={_AGGREGATED}" not in words:
            return ""
    return ""


def _group(name: str, versions: Sequence[str]) -> Obj:
    told = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": told, "preferredVersion": told[0]}


def _subresources(item: Resource[Any]) -> list[catalog.Subresource]:
    return [catalog.subresource(item, name) for name in sorted(item.subresources)]


def _entries(item: Resource[Any]) -> list[Obj]:
    """Return the plain entries of a resource and its subresources."""
    entry: Obj = {
        "name": item.plural,
        "singularName": item.singular,
        "namespaced": item.namespaced,
        "kind": item.kind,
        "verbs": list(item.verbs),
    }
    if item.short_names:
        entry["shortNames"] = list(item.short_names)
    if item.categories:
        entry["categories"] = list(item.categories)
    if item.verbs != ("create",):
        entry["storageVersionHash"] = _storage_hash(item)
    return [entry, *(_sub_entry(item, sub) for sub in _subresources(item))]


def _sub_entry(item: Resource[Any], sub: catalog.Subresource) -> Obj:
    entry: Obj = {
        "name": f"{item.plural}/{sub.name}",
        "singularName": "",
        "namespaced": item.namespaced,
        "kind": sub.kind,
        "verbs": list(sub.verbs),
    }
    if (sub.group, sub.version) != (item.group, item.version):
        entry |= {"group": sub.group, "version": sub.version}
    return entry


def _aggregated_entry(item: Resource[Any]) -> Obj:
    entry: Obj = {
        "resource": item.plural,
        "responseKind": {"group": item.group, "version": item.version, "kind": item.kind},
        "scope": "Namespaced" if item.namespaced else "Cluster",
        "singularResource": item.singular,
        "verbs": list(item.verbs),
    }
    if item.short_names:
        entry["shortNames"] = list(item.short_names)
    if item.categories:
        entry["categories"] = list(item.categories)
    subresources = [_aggregated_sub(sub) for sub in _subresources(item)]
    if subresources:
        entry["subresources"] = subresources
    return entry


def _aggregated_sub(sub: catalog.Subresource) -> Obj:
    kind = {"group": sub.group, "version": sub.version, "kind": sub.kind}
    return {"subresource": sub.name, "responseKind": kind, "verbs": list(sub.verbs)}


def _storage_hash(item: Resource[Any]) -> str:

    version = stored_version(item.definition) if isinstance(item, CustomResource) else item.version
    text = f"{item.group}/{version}/{item.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def build_discovery(
    server_address: str, served: Callable[[], Iterable[Resource[Any]]] | None = None
) -> Discovery:
    """Return the discovery of the built-in resources, or of those that `served` gives."""
    return Discovery(catalog.ALL if served is None else served(), server_address)
