"""Random clusters with storage: the columns and the slow rules agree on every node and every reason."""

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scheduler.build import node, pod
from tests.unit.scheduler.reference_volumes import VolumeReference
from tests.unit.scheduler.volumes.build import (
    SELECTED,
    StorageWorld,
    affinity,
    attachment,
    capacity,
    claim,
    csinode,
    driver,
    storage_class,
    volume,
)

ZONE, BETA = "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"
HOST, EBS_ZONE = "kubernetes.io/hostname", "topology.ebs.csi.aws.com/zone"
EBS = "kubernetes.io/aws-ebs"
DRIVERS = ("csi.example.com", "ebs.csi.aws.com")
NODES, CLAIMS = ["n0", "n1", "n2", "n3"], ["c0", "c1", "c2", "c3"]
CLASSES = {
    "local": storage_class("local", "kubernetes.io/no-provisioner"),
    "wait": storage_class("wait"),
    "ebs": storage_class("ebs", EBS),
    "now": storage_class("now", waits=False),
}
SIZES = st.sampled_from(["1Gi", "2Gi", "3Gi"])


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Return what is `usual` three times out of four."""
    return st.sampled_from([*([usual] * 3 * len(others)), *others])


def rarely(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([*([usual] * 19 * len(others)), *others])


LABELS = [
    {key: value for key, value in zip((ZONE, BETA, EBS_ZONE, "rank"), values, strict=True) if value}
    for values in itertools.product(("", "a", "b"), ("", "a"), ("", "a", "b"), ("", "1", "2"))
]


@st.composite
def nodes(draw: st.DrawFn) -> list[Any]:
    return [node(name, draw(st.sampled_from(LABELS))) for name in NODES[: draw(st.integers(2, 4))]]


def expression(key: str, operator: str, *values: str) -> Any:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


ON = [affinity([expression(HOST, "In", *names)]) for names in (["n0"], ["n1"], ["n2"], ["n0", "n1"])]
AFFINITIES = [
    None,
    *ON,
    *ON,
    affinity([expression(ZONE, "In", "a")]),
    affinity([expression(ZONE, "In", "a")], [expression(HOST, "In", "n1")]),
    affinity([expression(BETA, "In", "a"), expression(ZONE, "NotIn", "b")]),
    affinity([expression(EBS_ZONE, "Exists")]),
    affinity([expression(ZONE, "DoesNotExist")], [expression("rank", "Gt", "1")]),
    affinity([expression("rank", "Lt", "2")]),
    affinity([]),
    affinity(),
]


@st.composite
def volumes(draw: st.DrawFn, name: str) -> Any:
    more = draw(mostly({}, {"source": {"awsElasticBlockStore": {"volumeID": f"vol-{name}"}}}))
    if where := draw(st.sampled_from(AFFINITIES)):
        more = {**more, "nodeAffinity": where}
    odd = draw(
        mostly(
            {}, {"volumeMode": "Block"}, {"volumeAttributesClassName": "fast"}, {"phase": "Bound"},
            {"metadata": {"deletionTimestamp": "now"}}, *({"kept": each} for each in CLAIMS),
        )
    )  # fmt: skip
    many = ["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]
    return volume(
        name,
        draw(st.sampled_from(["local", "local", "wait", ""])),
        size=draw(SIZES),
        modes=draw(mostly(many, ["ReadOnlyMany"], ["ReadWriteOnce"])),
        labels=draw(mostly({"tier": "gold"}, {}, {ZONE: "a"}, {ZONE: "a__b"}, {BETA: "a", ZONE: "b"})),
        **more,
        **odd,
    )


@st.composite
def claims(draw: st.DrawFn, name: str) -> Any:
    storage = draw(rarely("local", "now", "gone", "") | st.sampled_from(["local", "wait", "wait", "ebs"]))
    bound_to = draw(st.sampled_from(["", "", "", "v0", "v1", "v2"]) | rarely("", "v9"))
    annotations = {}
    if not bound_to and (where := draw(mostly("", *NODES, "n9"))):
        annotations[SELECTED] = where
    owner = {"kind": "Pod", "name": "new", "uid": "new", "controller": True}
    metadata = {"ownerReferences": [owner]} if name.startswith("new-") else {}
    fault = draw(rarely({}, {"phase": "Lost"}, {"metadata": {"deletionTimestamp": "now"}}, {"metadata": {}}))
    spec = draw(
        mostly(
            {}, {"selector": {"matchLabels": {"tier": "gold"}}}, {"volumeMode": "Block"},
            {"volumeAttributesClassName": "fast"}, {"accessModes": ["ReadWriteOncePod"]},
        )
    )  # fmt: skip
    more = {"metadata": metadata, **fault}
    return claim(name, bound_to, storage, size=draw(SIZES), annotations=annotations, spec=spec, **more)


TOPOLOGIES = [
    {},
    {},
    {"allowedTopologies": [{"matchLabelExpressions": [{"key": ZONE, "values": ["a"]}]}]},
    {
        "allowedTopologies": [
            {"matchLabelExpressions": [{"key": ZONE, "values": ["b"]}]},
            {"matchLabelExpressions": [{"key": HOST, "values": ["n0"]}]},
            {},
        ]
    },
]
REACHES: list[Any] = [
    None,
    {},
    {"matchLabels": {ZONE: "a"}},
    {"matchLabels": {HOST: "n1"}},
    {"matchExpressions": [{"key": ZONE, "operator": "Exists"}]},
]


@st.composite
def storage(draw: st.DrawFn) -> list[Any]:
    found: list[Any] = [draw(volumes(f"v{n}")) for n in range(draw(st.integers(2, 5)))]
    found += [draw(claims(name)) for name in CLAIMS]
    found.append(draw(claims("new-scratch")))
    found += [{**each, **draw(st.sampled_from(TOPOLOGIES))} for each in CLASSES.values()]
    found.append(driver(counts=draw(st.booleans())))
    for number in range(draw(st.integers(0, 3))):
        amounts = draw(
            st.sampled_from([{"capacity": "2Gi"}, {"capacity": "3Gi", "maximumVolumeSize": "1Gi"}, {}])
        )
        found.append(capacity(f"k{number}", "wait", draw(st.sampled_from(REACHES)), **amounts))
    for name in NODES:
        limits = draw(st.sampled_from([None, (None, 1), (0, 1), (1, 1), (2, 2), (3, 0)]))
        if limits is not None:
            offered = dict(zip(DRIVERS, limits, strict=True))
            found.append(csinode(name, offered, draw(st.sampled_from(["", EBS]))))
    for number in range(draw(st.integers(0, 2))):
        to, what = draw(st.sampled_from(NODES)), draw(st.sampled_from(["v0", "v1", "v9"]))
        found.append(attachment(f"a{number}", to, what))
    dropped = draw(rarely("", *CLAIMS, "new-scratch", "local", "wait"))
    return [each for each in found if each["metadata"]["name"] != dropped]


def disk(source: str, **fields: Any) -> Any:
    return {"name": source, source: fields}


DISKS = [
    disk("gcePersistentDisk", pdName="d", readOnly=True),
    disk("gcePersistentDisk", pdName="d"),
    disk("awsElasticBlockStore", volumeID="vol-v0"),
    disk("iscsi", iqn="i", readOnly=True),
    disk("rbd", monitors=["m1", "m2"], pool="p", image="i", readOnly=True),
    disk("rbd", monitors=["m2", "m3"], pool="p", image="i"),
    disk("azureDisk", diskURI="u"),
    disk("emptyDir"),
]
BY_CLAIM = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in CLAIMS]


@st.composite
def pod_volumes(draw: st.DrawFn, most: int) -> list[Any]:
    found = draw(st.lists(st.sampled_from(BY_CLAIM), max_size=most))
    other = draw(mostly(None, *DISKS))
    return [*found, other] if other else found


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Any], list[Any], list[Any], Any]:
    found = draw(nodes())
    names = st.sampled_from([each["metadata"]["name"] for each in found])
    placed = [pod(f"p{n}", draw(names), volumes=draw(pod_volumes(2))) for n in range(draw(st.integers(0, 4)))]
    own = draw(pod_volumes(3))
    if draw(st.integers(0, 4)) == 0:
        own.append({"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}})
    return found, placed, draw(storage()), pod("new", volumes=own)


def plain(verdict: str | dict[str, tuple[str, ...]]) -> str | dict[str, set[str]]:
    return verdict if isinstance(verdict, str) else {node: set(found) for node, found in verdict.items()}


@settings(max_examples=150, deadline=None)
@given(clusters())
def test_the_same_nodes_and_reasons(cluster: tuple[list[Any], list[Any], list[Any], Any]) -> None:
    found, placed, objects, new = cluster
    world, reference = StorageWorld(found, placed, objects), VolumeReference(found, placed, objects)
    assert world.verdict(new) == plain(reference.verdict(new))


@settings(max_examples=75, deadline=None)
@given(clusters(), clusters(), st.integers(0, 2**32))
def test_the_same_after_changes(
    before: tuple[list[Any], list[Any], list[Any], Any],
    after: tuple[list[Any], list[Any], list[Any], Any],
    some: int,
) -> None:
    """What was counted for one decision is right for the next, whatever has come, changed and gone."""
    found, placed, objects, new = before
    world = StorageWorld(found, placed, objects)
    world.verdict(new)
    _, more, others, _ = after
    here = {each["metadata"]["name"] for each in found}
    more = [each for each in more if each["spec"]["nodeName"] in here]
    for each in placed[: some % 3]:
        world.snapshot.remove_pod(each["metadata"]["uid"])
    for each in more:
        world.place(each)
    left = {each["metadata"]["uid"]: each for each in (*placed[some % 3 :], *more)}
    now = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    for number, each in enumerate(others):
        key = each["kind"], each["metadata"]["name"]
        if some >> number & 1:
            world.put(each)
            now[key] = each
        elif some >> number & 2 and key in now:
            world.drop(now.pop(key))
    reference = VolumeReference(found, list(left.values()), now.values())
    assert world.verdict(new) == plain(reference.verdict(new))
