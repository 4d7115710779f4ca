"""Levels and versions of the Pod Security Standards, and what a namespace's labels ask for.

    pod-security.kubernetes.io/enforce: baseline        pod-security.kubernetes.io/enforce-version: v1.30
    ... likewise `audit` and `warn`

Called by the PodSecurity admission plugin. Source: k8s.io/pod-security-admission/api/helpers.go (1.36).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from api import field
from api.field import FieldError, Path

PRIVILEGED, BASELINE, RESTRICTED = "privileged", "baseline", "restricted"
# From the least strict to the strictest.
LEVELS = (PRIVILEGED, BASELINE, RESTRICTED)
PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
_LABELS = frozenset(f"{PREFIX}{mode}{suffix}" for mode in MODES for suffix in ("", "-version"))
_AT = Path("metadata").child("labels")
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)").fullmatch
_LEVEL_TEXT = f"must be one of {', '.join(LEVELS)}"
_VERSION_TEXT = 'must be "latest" or "v1.x"'


@dataclass(frozen=True, slots=True)
class Standard:
    """A level at a version: `minor` is that of `v1.<minor>`, None for the latest."""

    level: str = PRIVILEGED
    minor: int | None = None

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor is None else f'v1.{self.minor}'}"

    def is_stricter(self, other: "Standard") -> bool:
        """Tell whether the level is higher, whatever the versions."""
        return LEVELS.index(self.level) > LEVELS.index(other.level)


@dataclass(frozen=True, slots=True)
class Policy:
    """What is enforced, what is noted in the audit log, and what the client is warned of."""

    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()

    @property
    def is_privileged(self) -> bool:
        """Tell whether everything is allowed without a word."""
        return self.enforce.level == self.audit.level == self.warn.level == PRIVILEGED


def has_labels(labels: Mapping[str, str]) -> bool:
    """Tell whether any label speaks of pod security."""
    return not _LABELS.isdisjoint(labels)


def policy_of(labels: Mapping[str, str], defaults: Policy) -> tuple[Policy, list[FieldError]]:
    """Return the policy of a namespace with these labels, and what is wrong with them.

    A bad level enforces `restricted` and audits and warns of nothing; a bad version is the latest.
    """
    if not has_labels(labels):
        return defaults, []
    errors: list[FieldError] = []
    enforce = _labelled("enforce", RESTRICTED, labels, defaults.enforce, errors)
    explicit = not errors and f"{PREFIX}enforce" in labels
    audit = _labelled("audit", PRIVILEGED, labels, defaults.audit, errors)
    warn = _labelled("warn", PRIVILEGED, labels, defaults.warn, errors)
    if explicit and f"{PREFIX}warn" not in labels and enforce.is_stricter(warn):
        minor = warn.minor if f"{PREFIX}warn-version" in labels else enforce.minor
        warn = Standard(enforce.level, minor)
    return Policy(enforce, audit, warn), errors


def _labelled(
    mode: str, failed: str, labels: Mapping[str, str], default: Standard, errors: list[FieldError]
) -> Standard:
    """Return what the two labels of a mode say; `failed` is the level that a bad one stands for."""
    standard, key = default, f"{PREFIX}{mode}"
    if (level := labels.get(key)) is not None:
        if level in LEVELS:
            standard = replace(standard, level=level)
        else:
            errors.append(field.invalid(_AT.key(key), level, _LEVEL_TEXT))
            standard = replace(standard, level=failed)
    if (version := labels.get(f"{key}-version")) is not None:
        minor = parse_version(version)
        if minor is None and version != "latest":
            errors.append(field.invalid(_AT.key(f"{key}-version"), version, _VERSION_TEXT))
        standard = replace(standard, minor=minor)
    return standard


def parse_version(text: str) -> int | None:
    """Return the minor number of `v1.x`; None for everything else, `latest` among it."""
    found = _VERSION(text)
    return int(found[1]) if found and len(text) < 12 else None
