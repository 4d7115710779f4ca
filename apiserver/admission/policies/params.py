"""The parameters of a policy under a binding.

Called by `dispatch.py`. Source: k8s.io/apiserver/pkg/admission/plugin/policy/generic CollectParams (1.36).
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from api.errors import NotFound
from api.labels import from_label_selector
from api.resource import Obj, Resource
from apiserver.registry import Registry

# Finds the served resource of a kind (`apps/v1`, `Deployment`).
ByKind: TypeAlias = Callable[[str, str], Resource[Any] | None]


class Misconfigured(Exception):
    """A policy or binding that cannot be carried out; the text is upstream's."""


async def params_of(
    registry: Registry, by_kind: ByKind, kind: Obj | None, ref: Obj | None, namespace: str
) -> list[Obj | None]:
    """Return the parameters to evaluate a policy with, one after the other; `[None]` if it has none.

    Raises `Misconfigured`.
    """
    if kind is None or ref is None:
        return [None]
    resource = by_kind(kind.get("apiVersion") or "", kind.get("kind") or "")
    if resource is None:
        raise Misconfigured(f"paramKind kind `{kind.get('apiVersion')}, Kind={kind.get('kind')}` not known")
    found = await _found(registry, resource, ref, _namespace(resource, ref, namespace))
    if not found and ref.get("parameterNotFoundAction") == "Deny":
        raise Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
    return [*found]


def _namespace(resource: Resource[Any], ref: Obj, namespace: str) -> str:
    given = ref.get("namespace") or ""
    if not resource.namespaced:
        if given:
            raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    if not given and not namespace:
        raise Misconfigured(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        )
    return given or namespace


async def _found(registry: Registry, resource: Resource[Any], ref: Obj, namespace: str) -> list[Obj]:
    if name := ref.get("name"):
        found = registry.cached(resource, namespace, name)
        if found is not None:
            return [found]
        try:
            return [await registry.get(resource, namespace, name)]
        except NotFound:
            return []
    try:
        selector = from_label_selector(ref.get("selector"))
    except ValueError as error:
        raise Misconfigured(str(error)) from error
    listed = registry.cached_list(resource, namespace)
    return [item for item in listed if selector.matches(item["metadata"].get("labels") or {})]
