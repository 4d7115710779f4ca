"""Where expressions are evaluated: cheap ones at once, dear ones in a thread, so that others are answered
meanwhile.

What asks the authorizer stays: its tables belong to the event loop, and its questions cost so much that few
are possible. Called by the two policy plugins.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from api.admissionregistration.compiled import CompiledPolicy
from api.cel.cost import Budget
from apiserver.admission.policies.evaluation import BudgetOf, TooDear, Trial

T = TypeVar("T")


async def paced(compiled: CompiledPolicy, work: Callable[[BudgetOf], T]) -> T:
    """Return what `work` does with the budgets of the policy; it may be begun twice. Raises what it "
    "raises."""
    if compiled.asks_authorizer:
        return work(Budget)
    try:
        return work(Trial)
    except TooDear:
        return await asyncio.to_thread(work, Budget)
