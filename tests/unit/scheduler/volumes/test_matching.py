"""Which existing volume a claim gets on which node."""

from typing import Any

import pytest

from scheduler.volumes.matching import match
from tests.unit.scheduler.build import node
from tests.unit.scheduler.volumes.build import StorageWorld, affinity, claim, volume

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
NODES = [node("n1", {ZONE: "a"}), node("n2", {ZONE: "b"}), node("n3", {ZONE: "b"})]


def chosen(volumes: list[Any], *claims: Any) -> dict[str, list[str | None]]:
    """Return by claim what it gets on n1, n2 and n3."""
    return names_of(StorageWorld(NODES, objects=volumes), *claims)


def names_of(world: StorageWorld, *claims: Any) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {}
    for choice in match(world.snapshot, world.objects, claims):
        volumes = [choice.on(world.snapshot.index[name]) for name in ("n1", "n2", "n3")]
        names = [each.name if each is not None else None for each in volumes]
        found[choice.claim["metadata"]["name"]] = names
    return found


def want(name: str = "c", size: str = "1Gi", **spec: Any) -> Any:
    return claim(name, storage="s", size=size, spec=spec)


@pytest.mark.parametrize(
    ("each", "spec", "fits"),
    [
        pytest.param(volume("v", "s"), {}, True, id="fits"),
        pytest.param(volume("v", "other"), {}, False, id="class"),
        pytest.param(
            volume("v", metadata={"annotations": {"volume.beta.kubernetes.io/storage-class": "s"}}), {}, True,
            id="class-by-annotation",
        ),
        pytest.param(volume("v", "s", size="1023Mi"), {}, False, id="size"),
        pytest.param(volume("v", "s", phase="Released"), {}, False, id="phase"),
        pytest.param(volume("v", "s", metadata={"deletionTimestamp": "now"}), {}, False, id="going-away"),
        pytest.param(volume("v", "s", kept="other"), {}, False, id="kept-for-another"),
        pytest.param(volume("v", "s", kept="c", phase="Released", modes=[]), {}, True, id="kept-for-it"),
        pytest.param(
            volume("v", "s", claimRef={"namespace": "default", "name": "c", "uid": "before"}), {}, False,
            id="kept-for-one-of-the-same-name",
        ),
        pytest.param(volume("v", "s", kept="c", size="1Mi"), {}, False, id="kept-for-it-but-too-small"),
        pytest.param(volume("v", "s"), {"accessModes": ["ReadWriteMany"]}, False, id="modes"),
        pytest.param(volume("v", "s"), {"accessModes": []}, True, id="no-modes"),
        pytest.param(volume("v", "s"), {"volumeMode": "Block"}, False, id="volume-mode"),
        pytest.param(volume("v", "s", volumeMode="Block"), {"volumeMode": "Block"}, True, id="block"),
        pytest.param(volume("v", "s"), {"volumeAttributesClassName": "a"}, False, id="attributes"),
        pytest.param(
            volume("v", "s", labels={"x": "y"}), {"selector": {"matchLabels": {"x": "y"}}}, True, id="labels"
        ),
        pytest.param(volume("v", "s"), {"selector": {"matchLabels": {"x": "y"}}}, False, id="other-labels"),
        pytest.param(volume("v", "s"), {"selector": {}}, True, id="empty-selector"),
    ],
)  # fmt: skip
def test_what_fits(each: Any, spec: Any, fits: bool) -> None:
    assert chosen([each], want(**spec)) == {"c": ["v" if fits else None] * 3}


def test_the_smallest_within_reach() -> None:
    on_n3 = {"key": HOST, "operator": "In", "values": ["n3"]}
    anywhere = {"key": ZONE, "operator": "Exists"}
    volumes = [
        volume("big", "s", size="9Gi"),
        volume("here", "s", size="2Gi", near=(HOST, ["n1"])),
        volume("there", "s", size="3Gi", near=(ZONE, ["b"])),
        volume("also", "s", size="4Gi", near=(HOST, ["n1", "n2"])),
        volume("odd", "s", size="2Gi", nodeAffinity=affinity([on_n3, anywhere])),
    ]
    assert chosen(volumes, want()) == {"c": ["here", "there", "odd"]}


def test_of_equals_the_first_by_name() -> None:
    assert chosen([volume("w", "s"), volume("v", "s")], want()) == {"c": ["v", "v", "v"]}


def test_a_volume_that_is_kept_is_taken_or_nothing() -> None:
    volumes = [volume("small", "s"), volume("kept", "s", size="5Gi", kept="c", near=(HOST, ["n2"]))]
    assert chosen(volumes, want()) == {"c": [None, "kept", None]}


def test_no_volume_is_given_twice() -> None:
    volumes = [
        volume("v1", "s", size="1Gi", near=(HOST, ["n1", "n2"])),
        volume("v2", "s", size="2Gi", near=(HOST, ["n1"])),
        volume("v3", "s", size="3Gi"),
    ]
    found = chosen(volumes, want("large", "2Gi"), want("small"), want("also-small"))
    assert found == {
        "small": ["v1", "v1", "v3"], "also-small": ["v2", "v3", None], "large": ["v3", None, None],
    }  # fmt: skip


def test_claims_of_different_classes_do_not_meet() -> None:
    volumes = [volume("v", "s"), volume("w", "t")]
    found = chosen(volumes, want("c"), claim("d", storage="t"))
    assert found == {"c": ["v"] * 3, "d": ["w"] * 3}


def test_many_volumes_and_what_becomes_of_them() -> None:
    """A shelf that is filled at once, and one that follows changes, are the same."""
    on = ["n1", "n2", "n3", "n9"]
    many = [volume(f"v{n:02}", "s", size=f"{40 - n}Gi", near=(HOST, [on[n % 4]])) for n in range(40)]
    at_once, later = StorageWorld(NODES, objects=many), StorageWorld(NODES, objects=many[:20])
    wanted, several = want(size="8Gi"), [want("c", "8Gi"), want("d", "9Gi")]
    assert names_of(later, wanted) == {"c": ["v16", "v17", "v18"]}
    for each in many[20:]:
        later.put(each)
        assert names_of(later, wanted)
    for world in (at_once, later):
        assert names_of(world, *several) == {"c": ["v32", "v29", "v30"], "d": ["v28", "v25", "v26"]}
        world.drop(many[32])
        world.put({**many[29], "status": {"phase": "Bound"}})
        world.put(volume("v30", "s", size="30Gi", kept="other"))
        world.put(volume("v26", "s", size="30Gi", kept="other"))
        assert names_of(world, *several) == {"c": ["v28", "v25", "v22"], "d": ["v24", "v21", "v18"]}
        world.drop(many[26])
        world.snapshot.set_node(node("n3", {HOST: "n9"}))
        assert names_of(world, wanted)["c"] == ["v28", "v25", "v31"]
