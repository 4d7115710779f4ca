"""Attempts about which extenders are asked: in which order, and what comes of what they say."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from scheduler.asking import AskingAttempts, Overtaken, told_apart
from scheduler.attempt import Attempts, MakeRoom, Outcome, Placed, Refused
from scheduler.cluster import Cluster
from scheduler.configuration.model import ExtenderConfig, ManagedResource
from scheduler.extenders import Answer, NoAnswer, Question, Reply
from tests.unit.scheduler.build import PROFILE, node, pod

FILTERS = ExtenderConfig("http://one", filter_verb="filter", node_cache_capable=True)
ALSO = replace(FILTERS, url_prefix="http://two")
JUDGES = ExtenderConfig("http://judge", prioritize_verb="judge", weight=2, node_cache_capable=True)
ADVISES = ExtenderConfig("http://advice", preempt_verb="advise", node_cache_capable=True)
DOWN = NoAnswer("it is down")


class Talk:
    """A cluster of nodes a, b and c, a pod that is to be placed, and extenders that answer from a table:
    address -> answer, or a function of the question.
    """

    def __init__(self, *extenders: ExtenderConfig, placed: Any = (), **new: Any) -> None:
        profile = told_apart(PROFILE, extenders)
        self.cluster = Cluster({profile.name: profile})
        for name in "abc":
            self.cluster.node_changed(None, node(name), 0.0)
        self.pod = pod("new", **new)
        for each in (*placed, self.pod):
            self.cluster.pod_changed(None, each, 0.0)
        self.asking = AskingAttempts(Attempts(self.cluster), extenders)
        self.asked: list[tuple[str, Any]] = []

    def goes(self, answers: dict[str, Any], now: float = 0.0) -> Outcome | Overtaken:
        entry = self.cluster.queue.pop(now)
        assert entry is not None
        generator = self.asking.attempt(entry, lambda: now)
        try:
            questions = next(generator)
            while True:
                questions = generator.send([self._answer(question, answers) for question in questions])
        except StopIteration as end:
            outcome: Outcome | Overtaken = end.value
            return outcome

    def _answer(self, question: Question, answers: dict[str, Any]) -> Reply:
        body = question.body
        self.asked.append((question.extender.url_prefix[7:], body.get("NodeNames") or body))
        answer = answers[question.extender.url_prefix[7:]]
        found = answer(question) if callable(answer) else answer
        return found if isinstance(found, NoAnswer) else Answer(found)

    def where(self) -> str:
        entry = self.cluster.queue.find("new")
        return entry.where if entry is not None else ""


def leaves(*names: str, **failed: str) -> Any:
    return {"NodeNames": list(names), "FailedNodes": failed}


def only(*names: str) -> Callable[[Question], Any]:
    """Leave those of the names that are asked about."""
    return lambda question: leaves(*(name for name in question.body["NodeNames"] if name in names))


def node_of(outcome: Outcome | Overtaken) -> str:
    assert isinstance(outcome, Placed), outcome
    return outcome.node


def test_each_is_asked_about_what_those_before_have_left() -> None:
    talk = Talk(FILTERS, ALSO, JUDGES)
    answers = {"one": leaves("a", "b"), "two": leaves("b", "a"), "judge": [{"Host": "b", "Score": 1}]}
    assert node_of(talk.goes(answers)) == "b"
    assert talk.asked == [("one", ["a", "b", "c"]), ("two", ["a", "b"]), ("judge", ["a", "b"])]
    assert "new" in talk.cluster.assumed


def test_scores_are_weighed_and_added_to_the_plugins_own() -> None:
    full = [pod("old", "a", requests={"cpu": "2"})]
    talk = Talk(JUDGES, placed=full)
    assert node_of(talk.goes({"judge": [{"Host": "a", "Score": 10}]})) == "a"
    talk = Talk(JUDGES, placed=full)
    assert node_of(talk.goes({"judge": [{"Host": "a", "Score": 1}]})) in "bc"


@pytest.mark.parametrize(
    ("extenders", "answers", "asked"),
    [
        pytest.param([FILTERS, JUDGES], {"one": leaves("c")}, ["one"], id="one-node-is-not-compared"),
        pytest.param([FILTERS, ALSO], {"one": leaves()}, ["one"], id="none-is-not-asked-about"),
    ],
)
def test_nobody_is_asked_in_vain(
    extenders: list[ExtenderConfig], answers: dict[str, Any], asked: list[str]
) -> None:
    talk = Talk(*extenders)
    talk.goes(answers)
    assert [who for who, _ in talk.asked] == asked


def test_no_extender_is_asked_if_no_node_would_do() -> None:
    talk = Talk(FILTERS, requests={"cpu": "9"})
    assert isinstance(talk.goes({}), Refused)
    assert talk.asked == []


def test_reasons_of_extenders_and_plugins_are_told_together() -> None:
    talk = Talk(FILTERS, ALSO, placed=[pod("old", "a", requests={"cpu": "4"})], requests={"cpu": "1"})
    outcome = talk.goes({"one": leaves("b", c="no licence"), "two": leaves(b="no licence")})
    assert isinstance(outcome, Refused)
    assert outcome.message == (
        "0/3 nodes are available: 1 Insufficient cpu, 2 no licence. preemption: 0/3 nodes are available: "
        "3 No preemption victims found for incoming pod."
    )
    assert talk.where() == "unschedulable"


def test_a_pod_that_an_extender_refused_is_woken_by_whatever_happens() -> None:
    talk = Talk(FILTERS)
    talk.goes({"one": leaves()})
    talk.cluster.pod_changed(None, pod("other", "a"), 50.0)
    assert talk.where() == "active"


@pytest.mark.parametrize(
    ("extenders", "answers"),
    [
        pytest.param(
            [replace(FILTERS, ignorable=True), ALSO], {"one": DOWN, "two": leaves("b")}, id="filter"
        ),
        pytest.param([ALSO, JUDGES], {"two": leaves("b", "c"), "judge": DOWN}, id="prioritize-never-matters"),
    ],
)
def test_some_failures_are_passed_over(extenders: list[ExtenderConfig], answers: dict[str, Any]) -> None:
    assert node_of(Talk(*extenders).goes(answers)) in "bc"


def test_a_failure_that_matters_is_told_and_the_pod_is_tried_again() -> None:
    talk = Talk(FILTERS)
    outcome = talk.goes({"one": DOWN})
    assert isinstance(outcome, Refused)
    assert (outcome.message, outcome.reason, talk.where()) == ("it is down", "SchedulerError", "backoff")
    assert node_of(talk.goes({"one": leaves("c")}, now=1.0)) == "c"


def test_a_node_where_room_was_made_comes_first() -> None:
    talk = Talk(FILTERS, JUDGES)
    talk.cluster.nominate(talk.pod, "b")
    assert node_of(talk.goes({"one": only("a", "b")})) == "b"
    assert talk.asked == [("one", ["b"])]


def test_a_node_where_room_was_made_may_be_refused() -> None:
    talk = Talk(FILTERS, JUDGES)
    talk.cluster.nominate(talk.pod, "b")
    assert node_of(talk.goes({"one": only("a", "c"), "judge": [{"Host": "c", "Score": 1}]})) == "c"
    assert talk.asked == [("one", ["b"]), ("one", ["a", "b", "c"]), ("judge", ["a", "c"])]


LARGE = [pod(f"low-{name}", name, requests={"cpu": "4"}, priority=1) for name in "ab"] + [
    pod("low-c", "c", requests={"cpu": "4"}, priority=2)
]
WANTS = {"requests": {"cpu": "3"}, "priority": 10}


def victims(**uids: str) -> Any:
    return {"NodeNameToMetaVictims": {name: {"Pods": [{"UID": uid}]} for name, uid in uids.items()}}


def test_extenders_choose_among_candidates() -> None:
    talk = Talk(ADVISES, placed=LARGE, **WANTS)
    outcome = talk.goes({"advice": victims(c="low-c")})
    assert isinstance(outcome, MakeRoom)
    assert (outcome.plan.node, [each["metadata"]["uid"] for each in outcome.plan.victims]) == ("c", ["low-c"])
    (_, body) = talk.asked[0]
    assert body["NodeNameToMetaVictims"]["a"]["Pods"] == [{"UID": "low-a"}]
    assert talk.where() == "unschedulable"


@pytest.mark.parametrize(
    ("extender", "answer", "message"),
    [
        pytest.param(ADVISES, victims(), "no candidate node for preemption", id="none-is-left"),
        pytest.param(ADVISES, DOWN, "it is down", id="no-answer"),
    ],
)
def test_extenders_may_forbid_preemption(extender: ExtenderConfig, answer: Any, message: str) -> None:
    talk = Talk(extender, placed=LARGE, **WANTS)
    outcome = talk.goes({"advice": answer})
    assert isinstance(outcome, Refused)
    assert outcome.message == f"0/3 nodes are available: 3 Insufficient cpu. preemption: {message}"


def test_advice_that_does_not_matter_is_passed_over() -> None:
    talk = Talk(replace(ADVISES, ignorable=True), placed=LARGE, **WANTS)
    outcome = talk.goes({"advice": DOWN})
    assert isinstance(outcome, MakeRoom)
    assert outcome.plan.node in "ab"


def test_a_reason_against_a_node_that_was_left_after_all_is_not_told() -> None:
    talk = Talk(FILTERS, ALSO)
    outcome = talk.goes({"one": leaves("a", a="odd", b="busy", c="busy"), "two": leaves()})
    assert isinstance(outcome, Refused)
    assert outcome.message.startswith("0/3 nodes are available: 2 busy. ")


@pytest.mark.parametrize("advises", [[], [ADVISES]])
def test_nobody_is_ended_for_what_only_an_extender_refuses(advises: list[ExtenderConfig]) -> None:
    small = [pod(f"low-{name}", name, requests={"cpu": "1"}, priority=1) for name in "abc"]
    talk = Talk(FILTERS, *advises, placed=small, requests={"cpu": "1"}, priority=10)
    outcome = talk.goes({"one": leaves(a="busy", b="busy", c="busy")})
    assert isinstance(outcome, Refused)
    assert outcome.message.endswith("3 No preemption victims found for incoming pod.")


def test_a_node_that_an_extender_rules_out_for_good_is_no_candidate() -> None:
    talk = Talk(FILTERS, ADVISES, placed=LARGE[:2], **WANTS)
    answers = {"one": {"NodeNames": [], "FailedAndUnresolvableNodes": {"c": "no licence"}}}
    outcome = talk.goes({**answers, "advice": victims(b="low-b")})
    assert isinstance(outcome, MakeRoom)
    assert outcome.plan.node == "b"
    assert set(talk.asked[1][1]["NodeNameToMetaVictims"]) == {"a", "b"}


def meanwhile(happens: Callable[[], None], answer: Any) -> Callable[[Question], Any]:
    def reply(question: Question) -> Any:
        happens()
        return answer

    return reply


def test_a_pod_that_is_deleted_meanwhile_is_left_alone() -> None:
    talk = Talk(FILTERS)
    gone = meanwhile(lambda: talk.cluster.pod_changed(talk.pod, None, 0.0), leaves("a"))
    assert talk.goes({"one": gone}) == Overtaken()
    assert (talk.where(), talk.cluster.assumed) == ("", {})


def test_a_pod_that_is_changed_meanwhile_is_tried_again() -> None:
    talk = Talk(FILTERS)
    changed = pod("new", nodeSelector={"kubernetes.io/hostname": "b"})
    answer = meanwhile(lambda: talk.cluster.pod_changed(talk.pod, changed, 0.0), leaves("a"))
    assert talk.goes({"one": answer}) == Overtaken()
    assert talk.where() == "backoff"
    assert node_of(talk.goes({"one": only("a", "b")}, now=1.0)) == "b"


def test_a_node_that_is_closed_meanwhile_is_not_taken() -> None:
    talk = Talk(FILTERS, JUDGES)
    closed = node("a", unschedulable=True)
    answer = meanwhile(
        lambda: talk.cluster.node_changed(node("a"), closed, 0.0), [{"Host": "a", "Score": 10}]
    )
    assert node_of(talk.goes({"one": leaves("a", "b"), "judge": answer})) == "b"


@pytest.mark.parametrize("now", [pytest.param(None, id="gone"), pytest.param("closed", id="closed")])
def test_if_no_node_is_left_meanwhile_the_pod_is_tried_again(now: str | None) -> None:
    talk = Talk(FILTERS)
    later = node("a", unschedulable=True) if now else None
    answer = meanwhile(lambda: talk.cluster.node_changed(node("a"), later, 0.0), leaves("a"))
    assert talk.goes({"one": answer}) == Overtaken()
    assert talk.where() == "backoff"


def test_room_is_not_made_on_a_node_that_has_gone_meanwhile() -> None:
    """Who is asked second does not answer, and that does not matter; but the node goes meanwhile."""
    second = replace(ADVISES, url_prefix="http://second", ignorable=True)
    talk = Talk(ADVISES, second, placed=LARGE, **WANTS)
    gone = meanwhile(lambda: talk.cluster.node_changed(node("c"), None, 0.0), DOWN)
    assert talk.goes({"advice": victims(c="low-c"), "second": gone}) == Overtaken()
    assert talk.where() == "backoff"


def test_what_happens_meanwhile_wakes_the_pod_afterwards() -> None:
    talk = Talk(FILTERS)
    answer = meanwhile(lambda: talk.cluster.node_changed(None, node("d"), 0.0), leaves())
    assert isinstance(talk.goes({"one": answer}), Refused)
    assert talk.where() == "backoff"


def test_extenders_are_asked_about_the_pods_that_concern_them() -> None:
    about = replace(FILTERS, managed_resources=(ManagedResource("example.com/gpu"),))
    talk = Talk(about)
    assert not talk.asking.concerns(talk.pod)
    assert talk.asking.concerns(pod("gpu", requests={"example.com/gpu": "1"}))


def test_pods_that_are_asked_about_are_alike_to_none() -> None:
    about = replace(FILTERS, managed_resources=(ManagedResource("example.com/gpu"),))
    traits = told_apart(PROFILE, [about]).traits
    assert traits is not None
    gpu: Any = {"requests": {"example.com/gpu": "1"}}
    assert traits(pod("one")) == traits(pod("two"))
    assert traits(pod("one", **gpu)) != traits(pod("two", **gpu))
    assert told_apart(PROFILE, []) is PROFILE
