"""Which webhooks are about which requests: worked out once per (operation, resource, subresource).

Called by the two webhook plugins: `look` when the admission chain asks what they care for, which it does
anew after every change of a configuration or of what is served; `relevant` for each request that then comes.
"""

from typing import Any, NamedTuple

from api.resource import Resource
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.rules import is_exempt, seen_as
from apiserver.registry import Registry
from apiserver.rest.versions import Versions
from apiserver.webhooks.hooks import Hook, hooks_of


class Match(NamedTuple):
    """A webhook, and the resource (version) by which its rules match."""

    hook: Hook
    resource: Resource[Any]


class HookTable:
    """The webhooks of one kind of configuration."""

    def __init__(self, registry: Registry, configurations: Resource[Any], versions: Versions) -> None:
        self._registry = registry
        self._configurations = configurations
        self._versions = versions
        self._revision = -1
        self._hooks: list[Hook] = []
        self._matches: dict[tuple[str, Resource[Any], str], tuple[Match, ...]] = {}

    def relevant(self, request: AdmissionRequest) -> tuple[Match, ...]:
        """Return the webhooks whose rules match a request, in the order in which they are called."""
        found = self._matches.get((request.operation, request.resource, request.subresource))
        return found if found is not None else self.look(request)

    def forget(self) -> None:
        """Drop what was worked out: some of those resources may not be served any more."""
        self._matches.clear()

    def look(self, request: AdmissionRequest) -> tuple[Match, ...]:
        """Return the same, by the present configurations and the resources that are served now."""
        hooks = self._current()
        operation, resource, subresource = request.operation, request.resource, request.subresource
        found: list[Match] = []
        if hooks and not is_exempt(resource):
            equivalents = self._versions.equivalents(resource)
            for hook in hooks:
                others = equivalents if hook.equivalent else ()
                seen = seen_as(hook.rules, operation, resource, subresource, others)
                if seen is not None:
                    found.append(Match(hook, seen))
        made = self._matches[operation, resource, subresource] = tuple(found)
        return made

    def _current(self) -> list[Hook]:
        revision = self._registry.cached_revision(self._configurations)
        if revision != self._revision:
            self._hooks = hooks_of(self._registry.cached_list(self._configurations))
            self._revision = revision
            self._matches.clear()
        return self._hooks
