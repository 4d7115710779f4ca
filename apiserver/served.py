"""What the server serves, in one place: built-in, custom and remote resources, told to discovery and OpenAPI.

Called by whoever changes the set: `customresources/` for definitions, `aggregation/` for APIServices. Both
may do so often: documents are only built when somebody asks for them.
"""

from collections.abc import Iterable
from typing import Any

from api.resource import Resource
from apiserver.discovery import Discovery, Remote
from apiserver.openapi.serve import OpenAPI


class Served:
    """The three sets. Built-in ones never change."""

    def __init__(self, builtin: Iterable[Resource[Any]], discovery: Discovery, openapi: OpenAPI) -> None:
        self._builtin = tuple(builtin)
        self._custom: tuple[Resource[Any], ...] = ()
        self._remote: tuple[Remote, ...] = ()
        self._discovery = discovery
        self._openapi = openapi

    def set_custom(self, resources: Iterable[Resource[Any]]) -> None:
        """Serve these custom resources, in the order of their groups' names and their versions' priority."""
        self._custom = tuple(resources)
        self._tell()

    def set_remote(self, remotes: Iterable[Remote]) -> None:
        """Tell of these group versions of other servers, too."""
        self._remote = tuple(remotes)
        self._discovery.replace(self._local(), self._remote)

    def _tell(self) -> None:
        self._discovery.replace(self._local(), self._remote)
        self._openapi.replace(self._local())

    def _local(self) -> tuple[Resource[Any], ...]:
        return (*self._builtin, *self._custom)
