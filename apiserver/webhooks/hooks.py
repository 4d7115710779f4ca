"""Webhook configurations as they are carried out: one `Hook` per webhook, in the order in which they are
called. Pure.

Called by `table.py` when a configuration has changed.
Source: k8s.io/apiserver/pkg/admission/configuration (1.36).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from api.admissionregistration.expressions import Expression, condition
from api.labels import NOTHING, Selector, from_label_selector
from api.resource import Obj

_LOOP = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|map|filter|transform\w+)\s*\(")
# Versions of AdmissionReview that this server speaks.
REVIEWS = ("v1", "v1beta1")


@dataclass(frozen=True)
class Hook:
    """One webhook. Compared by identity: a changed configuration makes new ones."""

    name: str
    configuration: str
    # Its place among all webhooks of its kind, as audit annotations name it.
    index: int
    # Tells it from others of the same name, and is the same for the same webhook after a change.
    uid: str
    rules: tuple[Obj, ...]
    # A rule for another version of the resource counts as well.
    equivalent: bool
    namespaces: Selector
    objects: Selector
    # Expressions that must all hold, as they are written.
    conditions: tuple[str, ...]
    # What cannot be called, or does not answer properly, counts as consent.
    fails_open: bool
    timeout_s: float
    # May be called for a request that is only tried.
    takes_dry_runs: bool
    # Version of the AdmissionReview that it understands, "" if none that is known here.
    review: str
    # Is called again when others changed the object after it.
    reinvoked: bool
    client: Obj = field(repr=False)

    @cached_property
    def loops(self) -> bool:
        """Whether a condition may take long: those that go through lists can use up a budget of 0.3 s.

        What asks the authorizer is left out: its tables belong to the event loop, and its questions cost so
        much that few are possible.
        """
        return any(_LOOP.search(text) and "authorizer" not in text for text in self.conditions)

    @cached_property
    def expressions(self) -> tuple[Expression, ...]:
        """The compiled conditions: worked out for the first request that the rules match."""
        return tuple(map(_compiled, self.conditions))


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Expression:
    """Return a condition with its program; kept, since each change of a configuration makes new hooks."""
    return condition(text)


def hooks_of(configurations: Iterable[Obj]) -> list[Hook]:
    """Return the webhooks of all configurations: by the name of the configuration, then as listed there."""
    ordered = sorted(configurations, key=lambda item: str(item["metadata"]["name"]))
    return [_hook(index, *entry) for index, entry in enumerate(_entries(ordered))]


def _entries(configurations: Iterable[Obj]) -> Iterator[tuple[str, str, Obj]]:
    for configuration in configurations:
        name = configuration["metadata"]["name"]
        seen: dict[str, int] = {}
        for webhook in configuration.get("webhooks") or ():
            number = seen[webhook["name"]] = seen.get(webhook["name"], -1) + 1
            yield name, f"{name}/{webhook['name']}/{number}", webhook


def _hook(index: int, configuration: str, uid: str, webhook: Obj) -> Hook:
    versions = webhook.get("admissionReviewVersions") or ()
    return Hook(
        name=webhook["name"],
        configuration=configuration,
        index=index,
        uid=uid,
        rules=tuple(webhook.get("rules") or ()),
        equivalent=webhook.get("matchPolicy") != "Exact",
        namespaces=_selector(webhook.get("namespaceSelector")),
        objects=_selector(webhook.get("objectSelector")),
        conditions=tuple(item["expression"].strip() for item in webhook.get("matchConditions") or ()),
        fails_open=webhook.get("failurePolicy") == "Ignore",
        timeout_s=float(webhook.get("timeoutSeconds") or 10),
        takes_dry_runs=webhook.get("sideEffects") in ("None", "NoneOnDryRun"),
        review=next((version for version in versions if version in REVIEWS), ""),
        reinvoked=webhook.get("reinvocationPolicy") == "IfNeeded",
        client=webhook.get("clientConfig") or {},
    )


def _selector(selector: Any) -> Selector:
    try:
        return from_label_selector(selector if selector is not None else {})
    except ValueError:
        # Only an older server may have stored it.
        return NOTHING
