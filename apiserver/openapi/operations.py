"""The operations of a resource: paths, parameters, responses. Pure; called by `document.py` for both
versions.

    Operation   one method of one path, free of the version's grammar; `v2` and `v3` write it down

Source: k8s.io/apiserver/pkg/endpoints/installer.go (1.36).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api import catalog
from api.resource import Obj, Resource
from api.schemas import schema_of_kind
from apiserver.customresources.resource import CustomResource

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
STATUS, DELETE_OPTIONS, PATCH = f"{META}Status", f"{META}DeleteOptions", f"{META}Patch"
MEDIA = ("application/json", "application/yaml")
PATCH_MEDIA = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


@dataclass(frozen=True)
class Parameter:
    """A query or path parameter."""

    name: str
    type: str
    text: str
    place: str = "query"


_PRETTY = Parameter("pretty", "string", "If 'true', then the output is pretty printed.")
_DRY_RUN = Parameter("dryRun", "string", "All: go through every stage, but store nothing.")
_MANAGER = Parameter("fieldManager", "string", "A name of the actor or entity that makes these changes.")
_VALIDATION = Parameter(
    "fieldValidation",
    "string",
    "What to do with unknown or duplicate fields: Ignore, Warn (the default) or Strict.",
)
_FORCE = Parameter("force", "boolean", "Take over fields that are owned by others (apply patches only).")
_NAME = Parameter("name", "string", "name of the object", "path")
_NAMESPACE = Parameter(
    "namespace", "string", "object name and auth scope, such as for teams and projects", "path"
)
_PATH = Parameter("path", "string", "path to the resource", "path")
_LIST = (
    Parameter("allowWatchBookmarks", "boolean", "Ask for events of type BOOKMARK."),
    Parameter("continue", "string", "The token of the previous page."),
    Parameter("fieldSelector", "string", "Restrict the objects by their fields."),
    Parameter("labelSelector", "string", "Restrict the objects by their labels."),
    Parameter("limit", "integer", "The most objects in one answer."),
    Parameter("resourceVersion", "string", "How fresh the answer must be, or where a watch begins."),
    Parameter("resourceVersionMatch", "string", "How resourceVersion is meant."),
    Parameter("sendInitialEvents", "boolean", "Begin a watch with the present objects."),
    Parameter("timeoutSeconds", "integer", "Ends a list or watch after this time."),
    Parameter("watch", "boolean", "Follow the changes instead of listing."),
)
_DELETE = (
    Parameter("gracePeriodSeconds", "integer", "How long the object may take to end."),
    Parameter("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    Parameter("propagationPolicy", "string", "What happens to dependents: Orphan, Background or Foreground."),
)
_WRITE = (_DRY_RUN, _MANAGER, _VALIDATION)
_CONNECT = (
    Parameter("command", "string", "The command to execute, one word each."),
    Parameter("container", "string", "The container; the only one if there is one."),
    Parameter("stderr", "boolean", "Redirect standard error."),
    Parameter("stdin", "boolean", "Redirect standard input."),
    Parameter("stdout", "boolean", "Redirect standard output."),
    Parameter("tty", "boolean", "Allocate a terminal."),
)
_LOG = (
    Parameter("container", "string", "The container; the only one if there is one."),
    Parameter("follow", "boolean", "Follow the log."),
    Parameter("insecureSkipTLSVerifyBackend", "boolean", "Do not verify the node agent's certificate."),
    Parameter("limitBytes", "integer", "End the log after this many bytes."),
    Parameter("previous", "boolean", "The log of the previous container."),
    Parameter("sinceSeconds", "integer", "Only what is younger than this."),
    Parameter("stream", "string", "All, Stdout or Stderr."),
    Parameter("tailLines", "integer", "Only this many lines from the end."),
    Parameter("timestamps", "boolean", "Begin each line with its time."),
)
_QUERY: dict[str, tuple[Parameter, ...]] = {
    "exec": _CONNECT,
    "attach": _CONNECT[1:],
    "log": _LOG,
    "decision": (
        Parameter("node", "string", "Tell the whole story of this node, too."),
        Parameter("all", "boolean", "Tell earlier decisions, too."),
        Parameter("columns", "boolean", "Tell every score and verdict of every node."),
    ),
    "portforward": (Parameter("ports", "integer", "The ports to forward."),),
    "proxy": (_PATH,),
}


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    path: str
    method: str
    id: str
    action: str
    text: str
    kind: Obj
    parameters: tuple[Parameter, ...]
    # Schema names; "" for none.
    body: str
    answer: str
    consumes: tuple[str, ...] = MEDIA
    produces: tuple[str, ...] = MEDIA


_METHODS = {
    "list": "get", "create": "post", "deletecollection": "delete", "get": "get", "update": "put",
    "patch": "patch", "delete": "delete",
}  # fmt: skip
_WORDS = {
    "list": "list", "create": "create", "deletecollection": "deleteCollection", "get": "read",
    "update": "replace", "patch": "patch", "delete": "delete",
}  # fmt: skip
_ACTIONS = {"update": "put", "create": "post"}
_TEXTS = {
    "list": "list or watch objects of kind {}", "create": "create a {}",
    "deletecollection": "delete collection of {}", "get": "read the specified {}",
    "update": "replace the specified {}", "patch": "partially update the specified {}",
    "delete": "delete a {}",
}  # fmt: skip
_COLLECTION, _ITEM = ("list", "create", "deletecollection"), ("get", "update", "patch", "delete")


def operations(resource: Resource[Any]) -> Iterator[Operation]:
    """Yield every operation of a resource and its subresources."""
    namespace = "{namespace}" if resource.namespaced else ""
    kind = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    for verb in resource.verbs:
        if verb in _COLLECTION:
            yield _operation(resource, verb, resource.path(namespace), kind)
        elif verb in _ITEM:
            yield _operation(resource, verb, resource.path(namespace, "{name}"), kind)
    if resource.namespaced and "list" in resource.verbs:
        yield _operation(resource, "list", resource.path(), kind, everywhere=True)
    for name in resource.subresources:
        yield from _subresource(resource, catalog.subresource(resource, name), namespace)


def _operation(
    resource: Resource[Any], verb: str, path: str, kind: Obj, everywhere: bool = False
) -> Operation:
    schema = schema_of(resource)
    bodies = {"create": schema, "update": schema, "patch": PATCH}
    answers = {"list": list_schema_of(resource), "deletecollection": STATUS, "delete": STATUS}
    suffix = "ForAllNamespaces" if everywhere else ""
    return Operation(
        path,
        _METHODS[verb],
        _id(resource, _WORDS[verb], resource.namespaced and not everywhere) + suffix,
        _ACTIONS.get(verb, verb),
        _TEXTS[verb].format(resource.kind),
        kind,
        (*_path_parameters(path), _PRETTY, *_query(verb)),
        DELETE_OPTIONS if verb.startswith("delete") else bodies.get(verb, ""),
        answers.get(verb, schema),
        patch_media_of(resource) if verb == "patch" else MEDIA,
    )


def schema_of(resource: Resource[Any]) -> str:
    """Return the name of the schema of a resource's objects."""
    if isinstance(resource, CustomResource):
        return resource.schema_name
    return schema_of_kind(resource.group, resource.version, resource.kind)


def list_schema_of(resource: Resource[Any]) -> str:
    if isinstance(resource, CustomResource):
        return resource.list_schema_name
    return f"{schema_of(resource)}List"


def patch_media_of(resource: Resource[Any]) -> tuple[str, ...]:
    """Return how objects can be patched: strategic merge patches need a built-in kind."""
    custom = isinstance(resource, CustomResource)
    return tuple(media for media in PATCH_MEDIA if not (custom and "strategic" in media))


def _query(verb: str) -> tuple[Parameter, ...]:
    match verb:
        case "list":
            return _LIST
        case "create" | "update":
            return _WRITE
        case "patch":
            return (*_WRITE, _FORCE)
        case "delete":
            return (_DRY_RUN, *_DELETE)
        case "deletecollection":
            # Everything that selects, and nothing that follows.
            return (_DRY_RUN, *_DELETE, *(item for item in _LIST if item.name != "watch"))
    return ()


def _subresource(resource: Resource[Any], sub: catalog.Subresource, namespace: str) -> Iterator[Operation]:
    path = resource.path(namespace, "{name}", sub.name)
    kind = {"group": sub.group, "kind": sub.kind, "version": sub.version}
    own = (sub.group, sub.version, sub.kind) == (resource.group, resource.version, resource.kind)
    schema = schema_of(resource) if own else schema_of_kind(sub.group, sub.version, sub.kind)
    connects = sub.kind.endswith("Options")
    for verb in sub.verbs:
        body = "" if verb == "get" or connects else PATCH if verb == "patch" else schema
        word = f"connect{_METHODS[verb].capitalize()}" if connects else _WORDS[verb]
        query = _QUERY.get(sub.name) or (_PRETTY, *_query(verb))
        yield Operation(
            path,
            _METHODS[verb],
            _id(resource, word, resource.namespaced) + _camel(sub.name),
            "connect" if connects else _ACTIONS.get(verb, verb),
            f"{word} {sub.name} of the specified {resource.kind}",
            kind,
            (*_path_parameters(path), *(item for item in query if item.place == "query")),
            body,
            "" if connects or sub.name == "log" else schema,
            patch_media_of(resource) if verb == "patch" else MEDIA,
            ("*/*",) if connects else ("text/plain",) if sub.name == "log" else MEDIA,
        )


def _path_parameters(path: str) -> list[Parameter]:
    return [item for item in (_NAME, _NAMESPACE) if "{" + item.name + "}" in path]


def tag_of(resource: Resource[Any]) -> str:
    """Return the tag under which documents gather a group version: `apps_v1`."""
    return f"{group_word(resource.group)}_{resource.version}"


def group_word(group: str) -> str:
    """Return the group as operation ids have it: `core`, `apps`, `rbacAuthorization`."""
    words = (group or "core").removesuffix(".k8s.io").split(".")
    return words[0] + "".join(word.capitalize() for word in words[1:])


def _id(resource: Resource[Any], word: str, namespaced: bool) -> str:
    group = group_word(resource.group)
    place = "Namespaced" if namespaced else ""
    return f"{word}{group[0].upper()}{group[1:]}{_camel(resource.version)}{place}{resource.kind}"


def _camel(text: str) -> str:
    return text[:1].upper() + text[1:]
