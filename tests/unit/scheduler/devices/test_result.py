"""Allocations as claims hold them."""

from typing import Any

import pytest

from api.dra.resourceclaim import validate_status_update
from tests.unit.scheduler.devices.build import (
    allocations,
    claim,
    class_,
    device,
    exactly,
    first,
    result,
    slice_,
    wish,
)

GPU = slice_("s", device("a"), device("b"), node="n1")


def term(**labels: str) -> Any:
    return {"matchExpressions": [{"key": k, "operator": "In", "values": [v]} for k, v in labels.items()]}


def selector(*terms: Any) -> Any:
    return {"nodeSelectorTerms": list(terms)}


ONLY_N1 = selector({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]})


def test_the_devices_and_the_node():
    made = allocations([GPU], claim("c", exactly(count=2)))
    assert made == [
        {"devices": {"results": [result("r", "n1", "a"), result("r", "n1", "b")]}, "nodeSelector": ONLY_N1}
    ]


def test_each_claim_has_its_own():
    made = allocations([GPU], claim("c", exactly("x")), claim("d", exactly("y")))
    assert [one["devices"]["results"][0]["request"] for one in made] == ["x", "y"]


def test_what_is_asked_of_a_device_is_told():
    tolerations = [{"key": "k", "operator": "Exists"}]
    odd = device("a", bindingConditions=["up"], bindingFailureConditions=["no"])
    wanted = exactly(tolerations=tolerations, adminAccess=True)
    (made,) = allocations([slice_("s", odd, allNodes=True)], claim("c", wanted))
    (found,) = made["devices"]["results"]
    assert found == result(
        "r",
        "pool",
        "a",
        adminAccess=True,
        tolerations=tolerations,
        bindingConditions=["up"],
        bindingFailureConditions=["no"],
    )
    assert "nodeSelector" not in made


def test_shares_have_names_that_differ():
    nic = device("nic", allowMultipleAllocations=True, capacity={"bandwidth": "10G", "queues": "8"})
    wanted = {"capacity": {"requests": {"bandwidth": "2000M", "queues": "1"}}}
    both = [claim(name, exactly("x", **wanted), exactly("y", **wanted)) for name in "cd"]  # type: ignore[arg-type]
    made = allocations([slice_("s", nic, node="n1")], *both)
    results = [each for one in made for each in one["devices"]["results"]]
    assert len({each["shareID"] for each in results}) == 4
    assert {each["consumedCapacity"]["bandwidth"] for each in results} == {"2G"}


@pytest.mark.parametrize(
    ("reach", "expected"),
    [
        pytest.param([{"allNodes": True}], None, id="all-nodes"),
        pytest.param([{"nodeSelector": selector(term(zone="a"))}], selector(term(zone="a")), id="labels"),
        pytest.param(
            [
                {"nodeSelector": selector(term(zone="a"))},
                {"nodeSelector": selector(term(rack="r", zone="a"))},
            ],
            selector(term(zone="a", rack="r")),
            id="both",
        ),
        pytest.param(
            [{"nodeSelector": selector(term(zone="a"))}, {"nodeName": "n1"}], ONLY_N1, id="one-is-local"
        ),
        pytest.param(
            [{"nodeSelector": selector(term(zone="a"), term(rack="r"))}], ONLY_N1, id="alternatives"
        ),
    ],
)
def test_the_nodes_of_an_allocation(reach, expected):
    slices = [slice_(f"s{n}", device("a"), pool=f"p{n}", **each) for n, each in enumerate(reach)]
    wanted = claim("c", exactly(count=len(slices)))
    (made,) = allocations(slices, wanted, labels={"zone": "a", "rack": "r"})
    assert made.get("nodeSelector") == expected


def test_a_device_that_binds_to_its_node():
    (made,) = allocations([slice_("s", device("a", bindsToNode=True), allNodes=True)], claim("c", exactly()))
    assert made["nodeSelector"] == ONLY_N1


def test_devices_that_say_their_nodes_themselves():
    both = [device("a", nodeSelector=selector(term(zone="a"))), device("b", nodeName="n1")]
    slices = [slice_("s", *both, perDeviceNodeSelection=True)]
    (made,) = allocations(slices, claim("c", exactly()), labels={"zone": "a"})
    assert made["nodeSelector"] == selector(term(zone="a"))
    (made,) = allocations(slices, claim("c", exactly(count=2)), labels={"zone": "a"})
    assert made["nodeSelector"] == ONLY_N1


def opaque(text: str, *requests: str) -> Any:
    made = {"opaque": {"driver": "gpu.example.com", "parameters": {"say": text}}}
    return {**made, "requests": list(requests)} if requests else made


def configs(made: Any) -> list[tuple[str, str, list[str]]]:
    return [
        (each["source"], each["opaque"]["parameters"]["say"], each.get("requests", []))
        for each in made["devices"].get("config", [])
    ]


TWO_CLASSES = [
    GPU,
    class_("gpu", config=[opaque("gpu")]),
    class_("fast", config=[opaque("f1"), opaque("f2")]),
]


@pytest.mark.parametrize(
    ("requests", "config", "expected"),
    [
        pytest.param([exactly()], [], [("FromClass", "gpu", [])], id="of-the-class"),
        pytest.param(
            [exactly("x"), exactly("y", of="fast")],
            [],
            [("FromClass", "gpu", ["x"]), ("FromClass", "f1", ["y"]), ("FromClass", "f2", ["y"])],
            id="of-two-classes",
        ),
        pytest.param([exactly("x"), exactly("y")], [], [("FromClass", "gpu", [])], id="of-one-class-for-all"),
        pytest.param(
            [exactly("x")],
            [opaque("all"), opaque("x", "x"), opaque("y", "y")],
            [("FromClass", "gpu", []), ("FromClaim", "all", []), ("FromClaim", "x", [])],
            id="of-the-claim",
        ),
        pytest.param(
            [exactly("x"), exactly("y")],
            [opaque("x", "x"), opaque("both", "x", "y")],
            [("FromClass", "gpu", []), ("FromClaim", "x", ["x"]), ("FromClaim", "both", [])],
            id="of-some-requests",
        ),
        pytest.param(
            [first("r", fast=wish(3, of="fast"), slow=wish())],
            [opaque("fast", "r/fast"), opaque("slow", "r/slow"), opaque("any", "r")],
            [("FromClass", "gpu", []), ("FromClaim", "slow", []), ("FromClaim", "any", [])],
            id="of-the-alternative",
        ),
        pytest.param(
            [first("r", slow=wish(), fast=wish(of="fast")), exactly("s", of="fast")],
            [opaque("one", "r/slow", "r/fast")],
            [
                ("FromClass", "gpu", ["r/slow"]),
                ("FromClass", "f1", ["s"]),
                ("FromClass", "f2", ["s"]),
                ("FromClaim", "one", ["r/slow", "r/fast"]),
            ],
            id="two-names-of-one-request",
        ),
    ],
)
def test_the_configuration(requests, config, expected):
    (made,) = allocations(TWO_CLASSES, claim("c", *requests, config=config))
    assert configs(made) == expected


def test_the_server_takes_an_allocation():
    nic = device("nic", allowMultipleAllocations=True, capacity={"bandwidth": "10G"})
    given = [slice_("s", nic, nodeSelector=selector(term(zone="a"))), class_("gpu", config=[opaque("gpu")])]
    wanted = claim("c", first("r", one=wish()), config=[opaque("one", "r/one")])
    (made,) = allocations(given, wanted, labels={"zone": "a"})
    assert validate_status_update({**wanted, "status": {"allocation": made}}, wanted) == []
