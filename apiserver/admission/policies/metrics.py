"""Metrics of admission policies, under upstream's names.

Spec: k8s.io/apiserver/pkg/admission/plugin/policy/{validating,mutating}/metrics (1.36).
"""

from kit.metrics import REGISTRY

_validating = REGISTRY.counter(
    "apiserver_validating_admission_policy_check_total",
    "Objections and errors of validating policies, by what follows from them.",
    ("policy", "policy_binding", "error_type", "enforcement_action"),
)
_mutating = REGISTRY.counter(
    "apiserver_mutating_admission_policy_check_total",
    "Mutations by policies, and those that failed.",
    ("policy", "policy_binding", "error_type"),
)
NO_ERROR, FAILED = "no_error", "invalid_error"
# Pairs of policy and binding that become labels; those that come later share one.
_MOST_PAIRS = 1000
_pairs: set[tuple[str, str]] = set()
_OTHERS = ("other", "other")


def objected(policy: str, binding: str, action: str, *, failed: bool) -> None:
    """Count an objection of a validating policy; `action`: deny, audit, warn."""
    _validating.add((*_bounded(policy, binding), FAILED if failed else NO_ERROR, action))


def mutated(policy: str, binding: str, *, failed: bool) -> None:
    """Count a mutation."""
    _mutating.add((*_bounded(policy, binding), FAILED if failed else NO_ERROR))


def _bounded(policy: str, binding: str) -> tuple[str, str]:
    pair = (policy, binding)
    if pair in _pairs:
        return pair
    if len(_pairs) >= _MOST_PAIRS:
        return _OTHERS
    _pairs.add(pair)
    return pair
