"""Which functions of a file are plugins: those that a decorator of `pelamis.plugins` has marked. Pure.

The mark is an attribute with the decorator's arguments: components do not import the public face.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from scheduler.profiles import REGISTRY
from scheduler.python_plugins.wrap import Plugin

MARK = "__pelamis_plugin__"


def find_plugins(namespace: Mapping[str, Any], path: str) -> tuple[Plugin, ...]:
    """Return the marked functions among the names of a module, in the order of their definition.

    Raises `ValueError` for what cannot be a plugin.
    """
    found: dict[int, Plugin] = {}
    for value in namespace.values():
        mark = getattr(value, MARK, None)
        if isinstance(mark, Mapping) and id(value) not in found:
            found[id(value)] = _new_plugin(value, mark, path)
    plugins = tuple(found.values())
    _check_names(plugins)
    return plugins


def _new_plugin(function: Any, mark: Mapping[str, Any], path: str) -> Plugin:
    plugin = Plugin(function=function, path=path, **mark)
    if plugin.name in REGISTRY:
        raise ValueError(f"{plugin.name} is the name of a plugin of upstream's: choose another")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise ValueError(f"{plugin.name} must be a plain function: neither async nor a generator")
    try:
        inspect.signature(function).bind(None, None)
    except TypeError as error:
        nodes = "nodes" if plugin.vectorised else "node"
        raise ValueError(f"{plugin.name} must take two arguments, (pod, {nodes}): {error}") from error
    return plugin


def _check_names(plugins: Sequence[Plugin]) -> None:
    seen: set[tuple[str, str]] = set()
    for plugin in plugins:
        if (plugin.point, plugin.name) in seen:
            raise ValueError(f"two {plugin.point} functions are called {plugin.name}")
        seen.add((plugin.point, plugin.name))
