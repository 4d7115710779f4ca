"""Which objects a list or a watch is about: namespace, label selector, field selector; and how the caches
answer fast."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from api.fields import FieldSelector, parse_field_selector
from api.labels import Selector, parse_selector
from apiserver.watchcache.entry import Entry

_TERM = re.compile(r"\s*([A-Za-z0-9._/-]+)\s*==?\s*([A-Za-z0-9._-]*)\s*")


@dataclass(frozen=True)
class Selection:
    """Compared and hashed by its texts: watchers with equal selections share their work."""

    namespace: str = ""
    labels_text: str = ""
    fields_text: str = ""

    def compiled(self) -> "Match":
        """Return the test for entries. Raises `ValueError` for malformed selectors."""
        labels = parse_selector(self.labels_text) if self.labels_text else None
        fields = parse_field_selector(self.fields_text) if self.fields_text else None
        return Match(self.namespace, labels, fields)


class Match:
    """A compiled selection."""

    __slots__ = ("everything", "fields", "labels", "name", "namespace")

    def __init__(self, namespace: str, labels: Selector | None, fields: FieldSelector | None) -> None:
        self.namespace = namespace
        self.labels = labels
        self.fields = fields
        # True if every object of the namespace is meant.
        self.everything = labels is None and fields is None
        # The one object meant, if the fields name it.
        self.name = _equal(fields, "metadata.name") if fields else ""

    def __call__(self, entry: Entry) -> bool:
        if self.namespace and entry.key.namespace != self.namespace:
            return False
        return self.everything or self.selects(entry)

    def selects(self, entry: Entry) -> bool:
        """Say whether the selectors match, whatever the namespace."""
        if self.labels is not None and not self.labels.matches(entry.labels):
            return False
        return self.fields is None or self.fields.matches(_getter(entry.fields))

    def field_terms(self) -> dict[str, str]:
        """Return the fields that must have one given value."""
        if self.fields is None:
            return {}
        return {path: value for path, op, value in self.fields.terms if op in ("=", "==")}


def equal_labels(text: str) -> dict[str, str]:
    """Return the labels that a selector wants to have one value, for the label index.

    Terms in any other form are left out: the whole selector is applied to what the index gives.
    """
    if "(" in text:
        return {}
    found = (_TERM.fullmatch(term) for term in text.split(","))
    return {match[1]: match[2] for match in found if match and match[2]}


def _getter(fields: Mapping[str, str]) -> Callable[[str], str]:
    return lambda path: fields.get(path, "")


def _equal(fields: FieldSelector, wanted: str) -> str:
    return next((value for path, op, value in fields.terms if path == wanted and op in ("=", "==")), "")
