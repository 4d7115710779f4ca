"""Which pods are bound to a node: the index and the watch that controllers of nodes' pods share. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from api.resource import Key, key_of
from api.types.core_v1 import PODS
from controllers.framework.controller import View


def by_node(pod: Mapping[str, Any]) -> list[str]:
    """The index "node" of pods."""
    return [pod["spec"].get("nodeName", "")]


def pods_on(node: Mapping[str, Any], view: View) -> Iterable[Key]:
    return [key_of(pod) for pod in view.by(PODS, "node", node["metadata"]["name"])]
