"""The pods that are there already when a namespace's level is raised, and updates that cannot matter.

Called by the PodSecurity admission plugin.
Source: k8s.io/pod-security-admission/admission/admission.go (1.36).
"""

from collections.abc import Collection, Iterable

from api.owners import controller_of
from api.podsecurity.check import Violation
from api.podsecurity.evaluate import reasons
from api.podsecurity.level import Standard
from api.resource import Obj

_SECCOMP = "container.seccomp.security.alpha.kubernetes.io/"


def prioritized(pods: Iterable[Obj], exempt_classes: Collection[str]) -> list[Obj]:
    """Return the pods to check, one of each controller first, without those of exempt runtime classes."""
    first: list[Obj] = []
    rest: list[Obj] = []
    seen: set[str] = set()
    for pod in pods:
        if pod["spec"].get("runtimeClassName") in exempt_classes:
            continue
        owner = controller_of(pod)
        uid = owner["uid"] if owner else ""
        (rest if uid in seen else first).append(pod)
        if uid:
            seen.add(uid)
    return [*first, *rest]


class Findings:
    """What the pods of a namespace violate, pods with the same reasons counted together."""

    def __init__(self) -> None:
        self._pods: dict[str, list[str]] = {}

    def add(self, pod: Obj, found: list[Violation]) -> None:
        if found:
            self._pods.setdefault(reasons(found), []).append(pod["metadata"]["name"])

    def warnings(self, namespace: str, standard: Standard, checked: int, total: int) -> list[str]:
        """Return the warnings for whoever raised the level; `checked` of `total` pods were looked at."""
        texts = []
        if checked < total:
            texts.append(
                "new PodSecurity enforce level only checked against the first "
                f"{checked} of {total} existing pods"
            )
        if self._pods:
            texts.append(
                f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level '
                f'"{standard}"'
            )
        return texts + sorted(f"{_pods(names)}: {why}" for why, names in self._pods.items())


def _pods(names: list[str]) -> str:
    """Return `a`, `a (and 1 other pod)` or `a (and 2 other pods)`."""
    others = len(names) - 1
    return f"{min(names)} (and {others} other pod{'s' if others > 1 else ''})" if others else names[0]


def is_significant(new: Obj, old: Obj) -> bool:
    """Tell whether an update of a pod changes anything that could be a violation: containers and images."""
    after, before = new["spec"], old["spec"]
    for part in ("containers", "initContainers"):
        pairs = after.get(part) or [], before.get(part) or []
        if len(pairs[0]) != len(pairs[1]):
            return True
        if any(_is_changed(one, two, new, old) for one, two in zip(*pairs, strict=True)):
            return True
    known = {item["name"]: item for item in before.get("ephemeralContainers") or ()}
    return any(
        item["name"] not in known or _is_changed(item, known[item["name"]], new, old)
        for item in after.get("ephemeralContainers") or ()
    )


def _is_changed(one: Obj, two: Obj, new: Obj, old: Obj) -> bool:
    if one.get("image") != two.get("image"):
        return True
    key = f"{_SECCOMP}{one['name']}"
    return _annotation(new, key) != _annotation(old, key)


def _annotation(pod: Obj, key: str) -> str:
    return str((pod["metadata"].get("annotations") or {}).get(key) or "")
