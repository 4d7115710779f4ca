"""The seam of admission: a request on its way to the store, and the two kinds of plugin that judge it.

Mutators run in the order of `chain.py`, each on what the one before returned; then the object is validated;
then the validators run. Source: k8s.io/apiserver/pkg/admission (1.36).
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

from api.resource import Obj, Resource
from apiserver.http.message import Request, User


@dataclass
class Rounds:
    """What the mutators of one request tell each other when some may be asked twice.

    A plugin that is configured to look again at what others change sets `again`; then all mutators run once
    more with `second` set. Spec: k8s.io/apiserver/pkg/admission/reinvocation.go (1.36).
    """

    second: bool = False
    again: bool = False
    # What a plugin remembers from its first round, by its name.
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AdmissionRequest:
    """`object` is None on DELETE; `old` is None on CREATE. Neither may be changed in place."""

    operation: str  # CREATE, UPDATE, DELETE, CONNECT
    resource: Resource[Any]
    namespace: str
    name: str
    user: User
    object: Obj | None = None
    old: Obj | None = None
    subresource: str = ""
    options: Obj = field(default_factory=dict)
    dry_run: bool = False
    # The request itself, for warnings; None when the API server acts for itself.
    request: Request | None = None
    # Only while mutators run, and only if one of them has `in_rounds` set.
    rounds: Rounds | None = None

    def with_object(self, obj: Obj) -> "AdmissionRequest":
        # What `replace` does, at a tenth of its cost: this happens several times in each write.
        made = object.__new__(AdmissionRequest)
        made.__dict__.update(self.__dict__, object=obj)
        return made


class Mutator(Protocol):
    """A mutator with a true attribute `in_rounds` finds `rounds` in its requests. `of_users`: see
    `chain.py`. A plugin that keeps what it found out in `handles` has `forget()`, called when that may have
    changed."""

    name: str

    def handles(self, request: AdmissionRequest) -> bool: ...

    async def mutate(self, request: AdmissionRequest) -> Obj:
        """Return the object to go on with: a new one, or `request.object` itself. Raises an API error to
        refuse.
        """


class Validator(Protocol):
    name: str

    def handles(self, request: AdmissionRequest) -> bool: ...

    async def validate(self, request: AdmissionRequest) -> None:
        """Raise an API error (usually `Forbidden`) to refuse."""
