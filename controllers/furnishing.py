"""What the controllers share that keep some object of a fixed name in every namespace. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from api.resource import Key
from controllers.framework.controller import View


def namespace_of(obj: Mapping[str, Any], view: View) -> Iterable[Key]:
    """Map the object to the namespace that must have it."""
    yield Key("", obj["metadata"].get("namespace", ""))


def is_terminating(namespace: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in namespace["metadata"]
