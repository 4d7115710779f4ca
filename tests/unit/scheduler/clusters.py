"""Random small clusters and pods, for hypothesis: few things at a time, or hardly any pod would fit anywhere.

Normally the same ones every time; with PELAMIS_FRESH=1 new ones, ten times as many (`tests/run.sh nightly`).
"""

import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from tests.unit.scheduler.build import node, pod, spread, term

FRESH = os.environ.get("PELAMIS_FRESH") == "1"
NAMESPACES = {"default": {"team": "a"}, "other": {"team": "b"}}
KEYS = st.sampled_from(["zone", "rack", "kubernetes.io/hostname"])
APPS = st.sampled_from(["web", "db"])
FEW: dict[str, Any] = {"max_size": 2}
MB = 1024 * 1024

ALL = frozenset({"affinity", "spread", "taints", "small", "nodes", "ports"})
FEATURES = [
    frozenset({"affinity"}), frozenset({"spread"}), frozenset({"spread", "taints"}),
    frozenset({"nodes", "taints", "images"}), frozenset({"small", "ports", "images"}), ALL,
]  # fmt: skip


def examples(count: int) -> settings:
    """Return the settings of a test that looks at so many clusters."""
    return settings(max_examples=count * 10 if FRESH else count, derandomize=not FRESH, deadline=None)


@st.composite
def nodes(draw: st.DrawFn, features: frozenset[str]) -> list[Any]:
    found = []
    for number in range(draw(st.integers(2, 6))):
        labels = {}
        if draw(st.integers(0, 5)):
            labels["zone"] = draw(st.sampled_from("abc"))
            labels["topology.kubernetes.io/zone"] = labels["zone"]
        if draw(st.integers(0, 2)):
            labels["rack"] = draw(st.sampled_from("xy"))
        if "nodes" in features:
            labels["cores"] = draw(st.sampled_from(["4", "16", "many"]))
        taint = st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from(["NoSchedule", "PreferNoSchedule", "PreferNoSchedule"]),
        )
        taints = draw(st.lists(taint, **FEW)) if "taints" in features else []
        sizes: list[dict[str, str]] = [
            {}, {"cpu": "2"}, {"memory": "1Gi"}, {"pods": "2"}, {"cpu": "0"}, {"example.com/gpu": "1"},
        ]  # fmt: skip
        offers = draw(st.sampled_from(sizes)) if "small" in features else {}
        images = {"app:1": 400 * MB, "app:2": 90 * MB}
        held = draw(st.sets(st.sampled_from(list(images)))) if "images" in features else set()
        cordoned = "nodes" in features and draw(st.integers(0, 5)) == 0
        found.append(
            node(
                f"n{number}",
                labels,
                taints=taints,
                offers=offers,
                unschedulable=cordoned,
                images={each: images[each] for each in held},
            )
        )
    return found


@st.composite
def affinity_terms(draw: st.DrawFn) -> Any:
    more: dict[str, Any] = draw(
        st.sampled_from(
            [
                {},
                {},
                {"namespaces": ["other"]},
                {"namespaceSelector": {}},
                {"namespaceSelector": {"matchLabels": {"team": "b"}}},
                {"matchLabelKeys": ["version"]},
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
            "requiredDuringSchedulingIgnoredDuringExecution": st.lists(affinity_terms(), max_size=1),
            "preferredDuringSchedulingIgnoredDuringExecution": st.lists(weighted, min_size=1, max_size=2),
        },
    )
    return draw(st.fixed_dictionaries({}, optional={"podAffinity": kind, "podAntiAffinity": kind}))


@st.composite
def node_terms(draw: st.DrawFn) -> Any:
    expression = st.sampled_from(
        [
            {"key": "zone", "operator": "In", "values": ["a", "b"]},
            {"key": "zone", "operator": "NotIn", "values": ["a"]},
            {"key": "rack", "operator": "Exists"},
            {"key": "rack", "operator": "DoesNotExist"},
            {"key": "cores", "operator": "Gt", "values": ["8"]},
            {"key": "cores", "operator": "Lt", "values": ["8"]},
        ]
    )
    name = {"key": "metadata.name", "operator": draw(st.sampled_from(["In", "NotIn"])), "values": ["n1"]}
    term: dict[str, Any] = {"matchExpressions": draw(st.lists(expression, **FEW))}
    if draw(st.integers(0, 4)) == 0:
        term["matchFields"] = [name]
    return term


@st.composite
def node_affinities(draw: st.DrawFn) -> Any:
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        terms = draw(st.lists(node_terms(), min_size=1, max_size=2))
        found["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    weighted = st.fixed_dictionaries({"weight": st.integers(1, 100), "preference": node_terms()})
    found["preferredDuringSchedulingIgnoredDuringExecution"] = draw(st.lists(weighted, **FEW))
    return found


@st.composite
def constraints(draw: st.DrawFn) -> Any:
    more: dict[str, Any] = {}
    if draw(st.booleans()):
        more["nodeTaintsPolicy"] = draw(st.sampled_from(["Honor", "Ignore"]))
        more["nodeAffinityPolicy"] = draw(st.sampled_from(["Honor", "Ignore"]))
    if draw(st.integers(0, 3)) == 0:
        more["matchLabelKeys"] = ["version"]
    hard = draw(st.booleans())
    if hard and draw(st.booleans()):
        more["minDomains"] = draw(st.integers(1, 3))
    return spread(draw(KEYS), draw(st.integers(1, 2)), hard, **more)


@st.composite
def pods(draw: st.DrawFn, features: frozenset[str], name: str, on: str = "") -> Any:
    amounts = {
        "cpu": st.sampled_from(["0", "300m", "1"]),
        "memory": st.sampled_from(["100Mi", "1Gi"]),
        **({"example.com/gpu": st.just("1")} if "small" in features else {}),
    }
    spec: dict[str, Any] = {}
    if "affinity" in features and draw(st.integers(0, 3)):
        spec["affinity"] = draw(affinities())
    if "nodes" in features and not on:
        spec.setdefault("affinity", {})["nodeAffinity"] = draw(node_affinities())
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
        tolerations: list[Any] = [{"operator": "Exists"}, {"key": "a", "operator": "Exists"}]
        spec["tolerations"] = [draw(st.sampled_from(tolerations))]
    if "ports" in features and draw(st.booleans()):
        port = {"containerPort": 1, "hostPort": draw(st.sampled_from([80, 81]))}
        more = draw(st.sampled_from([{}, {"hostIP": "10.0.0.1"}, {"hostIP": "10.0.0.2", "protocol": "UDP"}]))
        spec["ports"] = [{**port, **more}]
    return pod(
        name,
        on,
        {"app": draw(APPS), "version": draw(st.sampled_from("12"))},
        namespace=draw(st.sampled_from(["default", "other"])),
        requests=draw(st.fixed_dictionaries({}, optional=amounts)),
        terminating=bool(on) and draw(st.integers(0, 4)) == 0,
        image=draw(st.sampled_from(["app:1", "app:2"])),
        **spec,
    )


@st.composite
def clusters(draw: st.DrawFn, features: frozenset[str]) -> tuple[list[Any], list[Any], Any]:
    found = draw(nodes(features))
    names = st.sampled_from([each["metadata"]["name"] for each in found])
    count = draw(st.integers(0, 10))
    placed = [draw(pods(features, f"p{number}", draw(names))) for number in range(count)]
    return found, placed, draw(pods(features, "new"))
