"""Which volumes to set up and which to take down. PURE. Driven by `volumes/manager.py`."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


class VolumeKey(NamedTuple):
    """A volume directory: pod, plugin folder, volume name."""

    pod_uid: str
    folder: str
    name: str


@dataclass(frozen=True)
class SetUp:
    volume: VolumeKey


@dataclass(frozen=True)
class TearDown:
    volume: VolumeKey


@dataclass(frozen=True)
class RemovePod:
    """Everything of the pod's volumes goes, then the empty folders too."""

    pod_uid: str


Action: TypeAlias = SetUp | TearDown | RemovePod


def compute_actions(
    desired: Mapping[str, Set[VolumeKey]], actual: Mapping[str, Set[VolumeKey]]
) -> tuple[Action, ...]:
    """Return what turns `actual` (pod uid to its volumes on this node) into `desired`, removals first."""
    actions: list[Action] = []
    for uid in sorted(actual):
        if uid not in desired:
            actions.append(RemovePod(uid))
        else:
            actions += [TearDown(volume) for volume in sorted(actual[uid] - desired[uid])]
    for uid in sorted(desired):
        actions += [SetUp(volume) for volume in sorted(desired[uid] - actual.get(uid, frozenset()))]
    return tuple(actions)
