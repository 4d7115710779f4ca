"""The configuration of the PodSecurity plugin: what namespaces without labels get, and who is exempt.

Source: pod-security.admission.config.k8s.io/v1 PodSecurityConfiguration (1.36).
"""

from dataclasses import dataclass, field

from api.podsecurity.level import MODES, PREFIX, Policy, policy_of
from api.resource import Obj

_LISTS = ("usernames", "namespaces", "runtimeClasses")


@dataclass(frozen=True)
class Settings:
    """Names in the three lists are exempt from everything."""

    defaults: Policy = field(default_factory=Policy)
    usernames: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()


def settings_of(configuration: Obj) -> Settings:
    """Return the settings that a PodSecurityConfiguration says. Raises `ValueError`."""
    given = configuration.get("defaults") or {}
    known = {key: value for mode in MODES for key in (mode, f"{mode}-version") if (value := given.get(key))}
    # Defaults are spelt as labels without their prefix, but what one mode says holds for no other.
    labels = {f"{PREFIX}warn": "privileged"} | {f"{PREFIX}{key}": value for key, value in known.items()}
    policy, errors = policy_of(labels, Policy())
    if errors:
        raise ValueError("; ".join(str(error) for error in errors))
    exempt = configuration.get("exemptions") or {}
    return Settings(policy, *(frozenset(exempt.get(name) or ()) for name in _LISTS))
