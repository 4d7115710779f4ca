"""The seam of authorization."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from apiserver.http.message import RequestInfo, User


class Verdict(Enum):
    ALLOW = "allow"
    DENY = "deny"
    NO_OPINION = "no opinion"


@dataclass(frozen=True)
class Decision:
    verdict: Verdict
    reason: str = ""


class Authorizer(Protocol):
    """Decides without waiting: it reads only watch caches. The first authorizer with an opinion wins; none
    means no.
    """

    def authorize(self, user: User, info: RequestInfo) -> Decision: ...
