"""Which strategy each resource has; those not listed have the generic one. Called by `app.py`."""

from collections.abc import Mapping
from typing import Any

from api.kinds import kind_of
from api.resource import Resource
from apiserver.rest.strategy import Strategy, StrategyType

_BY_RESOURCE: Mapping[tuple[str, str], StrategyType] = {}


def strategy_of(resource: Resource[Any]) -> Strategy:
    """Return the strategy of a built-in resource."""
    make = _BY_RESOURCE.get((resource.group, resource.plural), Strategy)
    return make(resource, kind_of(resource))
