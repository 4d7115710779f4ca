"""Objects of priority and fairness -> what requests are sorted by. Pure; called by `control.py`.

Mandatory objects that are missing are imagined; levels with a broken spec and schemas without a level are
left out.
Source: k8s.io/apiserver/pkg/util/flowcontrol apf_controller.go (1.36).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.flowcontrol.bootstrap import MANDATORY, flow_schemas, priority_levels
from api.resource import Obj


@dataclass(frozen=True)
class LevelSpec:
    """A PriorityLevelConfiguration. `queues` 0: what finds no seat is refused."""

    name: str
    uid: str
    exempt: bool
    shares: int
    lendable_percent: int
    # None: without limit.
    borrowing_percent: int | None = None
    queues: int = 0
    hand_size: int = 0
    length: int = 0


def level_specs(objects: Iterable[Obj]) -> dict[str, LevelSpec]:
    """Return the levels by name, the mandatory ones among them."""
    found = {obj["metadata"]["name"]: obj for obj in (*_mandatory(priority_levels()), *objects)}
    return {name: spec for name, obj in found.items() if (spec := _level_spec(obj)) is not None}


def ordered_schemas(objects: Iterable[Obj], levels: Mapping[str, LevelSpec]) -> list[Obj]:
    """Return the schemas that lead to a level, in the order in which they are tried."""
    found = {obj["metadata"]["name"]: obj for obj in (*_mandatory(flow_schemas()), *objects)}
    good = [obj for obj in found.values() if level_name(obj) in levels]
    return sorted(good, key=lambda obj: (obj["spec"]["matchingPrecedence"], obj["metadata"]["name"]))


def level_name(schema: Obj) -> str:
    return str(schema["spec"]["priorityLevelConfiguration"]["name"])


def dangling(schema: Obj, levels: Mapping[str, LevelSpec], now: str) -> Obj:
    """Return the schema with a right condition `Dangling`: itself if it is right."""
    name = level_name(schema)
    intro = f'This FlowSchema references the PriorityLevelConfiguration object named "{name}"'
    if name in levels:
        wanted = ("False", "Found", f"{intro} and it exists")
    else:
        wanted = ("True", "NotFound", f"{intro} but there is no such object")
    conditions = (schema.get("status") or {}).get("conditions") or []
    old: Obj = next((item for item in conditions if item.get("type") == "Dangling"), {})
    if (old.get("status"), old.get("reason"), old.get("message")) == wanted:
        return schema
    status, reason, message = wanted
    since = old.get("lastTransitionTime", now) if old.get("status") == status else now
    new = {
        "type": "Dangling",
        "status": status,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
    merged = [new if item is old else item for item in conditions] if old else [*conditions, new]
    return {**schema, "status": {**(schema.get("status") or {}), "conditions": merged}}


def _mandatory(objects: Iterable[Obj]) -> list[Obj]:
    return [obj for obj in objects if obj["metadata"]["name"] in MANDATORY]


def _level_spec(obj: Obj) -> LevelSpec | None:
    name, spec = obj["metadata"]["name"], obj["spec"]
    exempt = spec.get("type") == "Exempt"
    part = spec.get("exempt" if exempt else "limited")
    if exempt != (name == "exempt") or (part is None and not exempt):
        return None
    part = part or {}
    queuing = (part.get("limitResponse") or {}).get("queuing") or {}
    return LevelSpec(
        name,
        obj["metadata"].get("uid", ""),
        exempt,
        part.get("nominalConcurrencyShares", 0),
        part.get("lendablePercent", 0),
        part.get("borrowingLimitPercent"),
        queuing.get("queues", 0),
        queuing.get("handSize", 0),
        queuing.get("queueLengthLimit", 0),
    )
