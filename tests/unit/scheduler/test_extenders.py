"""What extenders are asked, and what their answers mean."""

from pathlib import Path
from typing import Any

import pytest

from scheduler.configuration.load import load
from scheduler.configuration.model import ExtenderConfig, ExtenderTLS, ManagedResource
from scheduler.decide import Outside
from scheduler.extender_client import endpoint
from scheduler.extenders import (
    Answer,
    ExtenderError,
    NoAnswer,
    bind_question,
    filter_question,
    interested,
    preempt_question,
    prioritize_question,
    read_binding,
    read_filter,
    read_preemption,
    read_scores,
    url,
)
from scheduler.preempt import Preemption
from tests.unit.scheduler.build import node, pod

EXTENDER = ExtenderConfig(
    "http://here/x/", filter_verb="f", preempt_verb="p", prioritize_verb="s", bind_verb="b", weight=3
)
CACHING = ExtenderConfig("http://there", filter_verb="f", preempt_verb="p", node_cache_capable=True)
NEW, NODES = pod("new"), [node("a"), node("b")]
GPU = ExtenderConfig("gpu", managed_resources=(ManagedResource("example.com/gpu"),))


def test_questions_to_an_extender_that_knows_nothing() -> None:
    asked = filter_question(EXTENDER, NEW, NODES)
    assert url(asked) == "http://here/x/f"
    assert asked.body == {"Pod": NEW, "Nodes": {"metadata": {}, "items": NODES}, "NodeNames": None}
    assert url(prioritize_question(EXTENDER, NEW, NODES)) == "http://here/x/s"
    binding = {"PodName": "new", "PodNamespace": "default", "PodUID": "new", "Node": "a"}
    assert bind_question(EXTENDER, NEW, "a").body == binding


def test_questions_to_an_extender_that_keeps_nodes() -> None:
    asked = filter_question(CACHING, NEW, NODES)
    assert (url(asked), asked.body) == (
        "http://there/f",
        {"Pod": NEW, "Nodes": None, "NodeNames": ["a", "b"]},
    )


def test_questions_about_victims() -> None:
    old = pod("old", "a")
    candidates = [Preemption("a", (old,), 1)]
    assert preempt_question(EXTENDER, NEW, candidates).body == {
        "Pod": NEW,
        "NodeNameToVictims": {"a": {"Pods": [old], "NumPDBViolations": 1}},
        "NodeNameToMetaVictims": None,
    }
    assert preempt_question(CACHING, NEW, candidates).body == {
        "Pod": NEW,
        "NodeNameToVictims": None,
        "NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "old"}], "NumPDBViolations": 1}},
    }


def asks(**resources: Any) -> Any:
    found = pod("new")
    found["spec"]["containers"].append({"name": "second", "resources": resources})
    return found


@pytest.mark.parametrize(
    ("new", "names"),
    [
        pytest.param(pod("new"), ["http://there"], id="not-its-resource"),
        pytest.param(asks(requests={"example.com/gpu": "1"}), ["gpu", "http://there"], id="requested"),
        pytest.param(asks(limits={"example.com/gpu": "1"}), ["gpu", "http://there"], id="limited"),
        pytest.param(asks(requests={"cpu": "1"}), ["http://there"], id="another-resource"),
    ],
)
def test_who_is_interested(new: Any, names: list[str]) -> None:
    assert [each.url_prefix for each in interested([GPU, CACHING], new)] == names


@pytest.mark.parametrize(
    ("extender", "value", "left"),
    [
        pytest.param(EXTENDER, {"Nodes": {"items": [node("a")]}}, Outside(frozenset("a")), id="nodes"),
        pytest.param(EXTENDER, {"nodes": {"Items": [node("a")]}}, Outside(frozenset("a")), id="any-case"),
        pytest.param(CACHING, {"NodeNames": ["b"]}, Outside(frozenset("b")), id="names"),
        pytest.param(CACHING, {"NodeNames": None}, Outside(frozenset()), id="nothing"),
        pytest.param(EXTENDER, {"NodeNames": ["a"]}, Outside(frozenset()), id="names-of-one-that-gets-nodes"),
        pytest.param(
            CACHING,
            {
                "NodeNames": [],
                "FailedNodes": {"a": "full", "b": "old"},
                "FailedAndUnresolvableNodes": {"b": "broken"},
            },
            Outside(frozenset(), {"a": ("full", False), "b": ("broken", True)}),
            id="reasons",
        ),
    ],
)
def test_filtered_nodes(extender: ExtenderConfig, value: Any, left: Outside) -> None:
    assert read_filter(extender, Answer(value), ["a", "b"]) == left


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(NoAnswer("refused"), "refused", id="no-answer"),
        pytest.param(Answer({"Error": "no idea"}), "no idea", id="error"),
        pytest.param(Answer([]), "the answer is no ExtenderFilterResult", id="no-object"),
        pytest.param(
            Answer({"NodeNames": ["z"]}),
            'extender "http://there" claims a filtered node "z" which is not found in the input node list',
            id="unknown-node",
        ),
    ],
)
def test_bad_answers_to_filter(reply: Any, words: str) -> None:
    with pytest.raises(ExtenderError) as caught:
        read_filter(CACHING, reply, ["a", "b"])
    assert str(caught.value) == words


def test_scores_are_weighed_and_scaled() -> None:
    reply = Answer([{"Host": "a", "Score": 10}, {"host": "b", "score": 0}])
    assert read_scores(EXTENDER, reply) == {"a": 300, "b": 0}
    for bad in (NoAnswer("late"), Answer({}), Answer([{"Host": "a", "Score": "x"}])):
        with pytest.raises(ExtenderError):
            read_scores(EXTENDER, bad)


def meta(**nodes: list[str]) -> Answer:
    victims = {name: {"Pods": [{"UID": uid} for uid in uids]} for name, uids in nodes.items()}
    return Answer({"NodeNameToMetaVictims": victims})


def test_victims_that_are_left() -> None:
    here = {"a": [pod("one", "a"), pod("two", "a")], "b": []}
    assert read_preemption(EXTENDER, meta(a=["two"]), here) == [Preemption("a", (here["a"][1],), 0)]
    assert read_preemption(EXTENDER, Answer({}), here) == []
    lenient = ExtenderConfig("x", preempt_verb="p", ignorable=True)
    assert read_preemption(lenient, meta(a=["one"], b=[]), here) == [Preemption("a", (here["a"][0],), 0)]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(meta(a=[]), 'expected at least one victim pod on node "a"', id="nobody"),
        pytest.param(meta(z=["one"]), 'nodeinfo not found for node name "z"', id="unknown-node"),
        pytest.param(
            meta(a=["x"]),
            "extender: http://here/x/ claims to preempt pod (UID: x) on node: a, but the pod is not found on "
            "that node",
            id="unknown-pod",
        ),
    ],
)
def test_bad_answers_about_victims(reply: Any, words: str) -> None:
    with pytest.raises(ExtenderError) as caught:
        read_preemption(EXTENDER, reply, {"a": [pod("one", "a")]})
    assert str(caught.value) == words


def test_bindings() -> None:
    read_binding(Answer({}))
    with pytest.raises(ExtenderError, match="taken"):
        read_binding(Answer({"error": "taken"}))


@pytest.mark.parametrize(
    ("more", "insecure"),
    [
        pytest.param({}, False, id="nothing-said"),
        pytest.param({"enable_https": True}, True, id="no-authority-known"),
        pytest.param({"enable_https": True, "tls": ExtenderTLS(ca_data=b"x")}, False, id="authority"),
        pytest.param({"tls": ExtenderTLS(insecure=True, server_name="me")}, True, id="said-so"),
    ],
)
def test_trust(more: Any, insecure: bool) -> None:
    found = endpoint(ExtenderConfig("https://here/", **more))
    assert (found.server, found.insecure) == ("https://here", insecure)


def test_the_example_of_an_extender_is_about_its_resource_alone() -> None:
    file = Path(__file__).parents[3] / "deploy" / "examples" / "scheduler-extender.yaml"
    (found,) = load(file.read_bytes()).extenders
    assert (found.filter_verb, found.timeout_s, found.node_cache_capable) == ("filter", 1.0, True)
    assert found.managed_resources == (ManagedResource("example.com/gpu", ignored=True),)
    assert interested([found], NEW) == []
    assert interested([found], asks(limits={"example.com/gpu": "2"})) == [found]
