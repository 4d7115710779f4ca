"""What a check of the Pod Security Standards looks at, and what it says.

A check is a function `PodView -> Violation | None`. The checks are in the other files of this folder, their
versions in `evaluate.py`. Source: k8s.io/pod-security-admission/policy (1.36).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from api.podspec import all_containers
from api.resource import Obj


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a pod is not allowed: the reason alone is told of many pods, with the detail of one."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


@dataclass(frozen=True, slots=True)
class PodView:
    """The parts of a pod or pod template that checks look at. `containers` are of all three sorts."""

    annotations: Mapping[str, str]
    spec: Obj
    security: Obj
    containers: tuple[tuple[str, Obj, Obj], ...]  # name, container, its security context

    @property
    def is_windows(self) -> bool:
        return (self.spec.get("os") or {}).get("name") == "windows"

    @property
    def has_user_namespace(self) -> bool:
        return self.spec.get("hostUsers") is False

    def naming(self, is_bad: Callable[[Obj], Any]) -> list[str]:
        """Return the names of the containers whose security context is bad."""
        return [name for name, _, security in self.containers if is_bad(security)]


Check: TypeAlias = Callable[[PodView], Violation | None]


def view_of(pod: Obj) -> PodView:
    """Return the view of a pod, or of a template (`metadata` and `spec` likewise)."""
    spec = pod.get("spec") or {}
    return PodView(
        (pod.get("metadata") or {}).get("annotations") or {},
        spec,
        spec.get("securityContext") or {},
        tuple((item["name"], item, item.get("securityContext") or {}) for item in all_containers(spec)),
    )


def quoted(items: Iterable[str]) -> str:
    """Return `"a", "b"`."""
    return ", ".join(f'"{item}"' for item in items)


def plural(one: str, count: int, many: str = "") -> str:
    """Return the word for this many things; `many` is the plural where it is not `one` with an s."""
    return one if count == 1 else many or f"{one}s"


def named(names: list[str]) -> str:
    """Return `container "a"` or `containers "a", "b"`."""
    return f"{plural('container', len(names))} {quoted(names)}"


def setters(pod: bool, names: list[str]) -> str:
    """Return who set something bad: `pod and container "a"`; "" if nobody did."""
    return " and ".join([*(["pod"] if pod else []), *([named(names)] if names else [])])
