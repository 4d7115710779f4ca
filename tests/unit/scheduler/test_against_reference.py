"""Random clusters: the columns and the slow rules agree on every node and every score."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scheduler.build import World, node, pod, spread, term
from tests.unit.scheduler.reference import Reference

NAMESPACES = {"default": {"team": "a"}, "other": {"team": "b"}}
KEYS = st.sampled_from(["zone", "rack", "kubernetes.io/hostname"])
APPS = st.sampled_from(["web", "db"])
FEW: dict[str, Any] = {"max_size": 2}


# What a cluster of a test has: few things at a time, or hardly any pod would fit anywhere.
ALL = frozenset({"affinity", "spread", "taints", "small"})
FEATURES = [frozenset({"affinity"}), frozenset({"spread"}), frozenset({"spread", "taints"}), ALL]


@st.composite
def nodes(draw: st.DrawFn, features: frozenset[str]) -> list[Any]:
    found = []
    for number in range(draw(st.integers(2, 6))):
        labels = {}
        if draw(st.integers(0, 5)):
            labels["zone"] = draw(st.sampled_from("abc"))
        if draw(st.integers(0, 2)):
            labels["rack"] = draw(st.sampled_from("xy"))
        taint = st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from(["NoSchedule", "PreferNoSchedule", "PreferNoSchedule"]),
        )
        taints = draw(st.lists(taint, **FEW)) if "taints" in features else []
        sizes: list[dict[str, str]] = [{}, {"cpu": "2"}, {"memory": "1Gi"}, {"pods": "2"}, {"cpu": "0"}]
        offers = draw(st.sampled_from(sizes)) if "small" in features else {}
        found.append(node(f"n{number}", labels, taints=taints, offers=offers))
    return found


@st.composite
def affinity_terms(draw: st.DrawFn) -> Any:
    more: dict[str, Any] = draw(
        st.sampled_from(
            [
                {},
                {"namespaces": ["other"]},
                {"namespaceSelector": {}},
                {"namespaceSelector": {"matchLabels": {"team": "b"}}},
            ]
        )
    )
    return term(draw(KEYS), draw(APPS), **more)


@st.composite
def affinities(draw: st.DrawFn) -> Any:
    weighted = st.fixed_dictionaries({"weight": st.integers(1, 100), "podAffinityTerm": affinity_terms()})
    kind = st.fixed_dictionaries(
        {},
        optional={
            "requiredDuringSchedulingIgnoredDuringExecution": st.lists(affinity_terms(), **FEW),
            "preferredDuringSchedulingIgnoredDuringExecution": st.lists(weighted, **FEW),
        },
    )
    return draw(st.fixed_dictionaries({}, optional={"podAffinity": kind, "podAntiAffinity": kind}))


@st.composite
def constraints(draw: st.DrawFn) -> Any:
    more: dict[str, Any] = {}
    if draw(st.booleans()):
        more["nodeTaintsPolicy"] = draw(st.sampled_from(["Honor", "Ignore"]))
        more["nodeAffinityPolicy"] = draw(st.sampled_from(["Honor", "Ignore"]))
    hard = draw(st.booleans())
    if hard and draw(st.booleans()):
        more["minDomains"] = draw(st.integers(1, 3))
    return spread(draw(KEYS), draw(st.integers(1, 2)), hard, **more)


@st.composite
def pods(draw: st.DrawFn, features: frozenset[str], name: str, on: str = "") -> Any:
    requests = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "cpu": st.sampled_from(["0", "300m", "1"]),
                "memory": st.sampled_from(["100Mi", "1Gi"]),
            },
        )
    )
    spec: dict[str, Any] = {}
    if "affinity" in features and draw(st.booleans()):
        spec["affinity"] = draw(affinities())
    if "spread" in features and not on:
        spec["topologySpreadConstraints"] = draw(
            st.lists(
                constraints(),
                min_size=1,
                max_size=3,
                unique_by=lambda c: (c["topologyKey"], c["whenUnsatisfiable"]),
            )
        )
    if draw(st.integers(0, 4)) == 0:
        spec["nodeSelector"] = draw(st.sampled_from([{}, {"zone": "a"}]))
    if "taints" in features and draw(st.booleans()):
        spec["tolerations"] = [
            draw(st.sampled_from([{"operator": "Exists"}, {"key": "a", "operator": "Exists"}]))
        ]
    return pod(
        name,
        on,
        {"app": draw(APPS)},
        namespace=draw(st.sampled_from(["default", "other"])),
        requests=requests,
        terminating=bool(on) and draw(st.integers(0, 4)) == 0,
        **spec,
    )


@st.composite
def clusters(draw: st.DrawFn, features: frozenset[str]) -> tuple[list[Any], list[Any], Any]:
    found = draw(nodes(features))
    names = st.sampled_from([each["metadata"]["name"] for each in found])
    count = draw(st.integers(0, 10))
    placed = [draw(pods(features, f"p{number}", draw(names))) for number in range(count)]
    return found, placed, draw(pods(features, "new"))


@pytest.mark.parametrize("features", FEATURES, ids=lambda features: "+".join(sorted(features)))
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_the_same_nodes_and_scores(features: frozenset[str], data: st.DataObject) -> None:
    found, placed, new = data.draw(clusters(features))
    world = World(found, placed, **NAMESPACES)
    reference = Reference(found, placed, NAMESPACES)
    assert world.feasible(new) == reference.feasible(new)
    assert world.totals(new) == reference.totals(new)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_same_after_changes(data: st.DataObject) -> None:
    """What was counted for one decision is right for the next, whatever has come and gone."""
    found, placed, new = data.draw(clusters(ALL))
    world = World(found, placed, **NAMESPACES)
    world.totals(new)
    gone = data.draw(st.sets(st.integers(0, max(0, len(placed) - 1))))
    left = [each for number, each in enumerate(placed) if number not in gone]
    for number in gone:
        if number < len(placed):
            world.snapshot.remove_pod(placed[number]["metadata"]["uid"])
    changed: list[Any] = [
        {**each, "metadata": {**each["metadata"], "labels": {"zone": "b"}}} for each in found[:1]
    ]
    for each in changed:
        world.snapshot.set_node(each)
    reference = Reference([*changed, *found[1:]], left, NAMESPACES)
    assert world.feasible(new) == reference.feasible(new)
    assert world.totals(new) == reference.totals(new)
