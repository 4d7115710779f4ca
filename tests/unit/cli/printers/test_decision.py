"""Decisions as people read them."""

from typing import Any

import pytest

from cli.printers import decision

META = {"metadata": {"name": "web", "namespace": "default"}}
SHORT: dict[str, Any] = {"plugin": "NodeResourcesFit", "reason": "Insufficient cpu", "final": False}
TAINT: dict[str, Any] = {
    "plugin": "TaintToleration",
    "reason": "node(s) had untolerated taint(s)",
    "final": True,
}
ALL: dict[str, Any] = {**SHORT, "nodes": 5, "examples": ["n1", "n2", "n3"]}


def scored(node: str, total: int, taints: int, fit: int) -> Any:
    return {"node": node, "total": total, "scores": {"TaintToleration": taints, "NodeResourcesFit": fit}}


PLACED: dict[str, Any] = {
    **META, "outcome": "Scheduled", "time": "T", "attempts": 1, "node": "n2", "nodeCount": 4,
    "feasibleCount": 2, "score": 390, "margin": 60, "runnerUp": "n1",
    "plugins": [{"name": "TaintToleration", "weight": 3}, {"name": "NodeResourcesFit", "weight": 1}],
    "best": [scored("n2", 390, 100, 90), scored("n1", 330, 80, 90)],
    "refused": [
        {**SHORT, "nodes": 1, "examples": ["n3"]}, {**SHORT, "final": True, "nodes": 1, "examples": ["n4"]},
    ],
}  # fmt: skip
PENDING: dict[str, Any] = {
    **META, "outcome": "Unschedulable", "message": "0/5 nodes are available: ...", "time": "T", "attempts": 3,
    "times": 3, "since": "S",
    "refused": [ALL],
    "now": {"nodeCount": 5, "feasibleCount": 0, "refused": [ALL]},
    "advice": [
        {"kind": "LowerRequest", "text": "lower it", "node": "n1", "nodes": 3, "patch": [{}]},
        {"kind": "AddToleration", "text": "tolerate it", "node": "n1", "nodes": 1, "patch": [{}]},
        {"kind": "FreeRoom", "text": "free it", "node": "n1", "nodes": 1,
         "delete": {"pods": ["a/b"], "others": 2}},
        {"kind": "AddNode", "text": "add a node like n1", "node": "n1", "nodes": 1},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        pytest.param(
            PLACED,
            """
pod default/web: placed on n2 (at T)
it scored 390, 60 more than n1, the next best of 2 nodes that would have done

NODE   SCORE   TaintToleration x3   NodeResourcesFit
n2     390     100                  90
n1     330     80                   90

Refused the pod then:
  2   Insufficient cpu   NodeResourcesFit   n3, n4
""",
            id="placed",
        ),
        pytest.param(
            PENDING,
            """
pod default/web: no node would do (at T, the 3rd time with this result since S)

All 5 nodes refuse it:
  5   Insufficient cpu   NodeResourcesFit   n1, n2, n3, ...

The smallest single changes that would let it run, the smallest first:
  1. lower it (n1 and 2 nodes more would take it)
  2. tolerate it (n1 would take it)
  3. free it: a/b, 2 of other namespaces
  4. add a node like n1
""",
            id="pending",
        ),
        pytest.param(
            {
                **PENDING, "times": 1, "attempts": 2, "advice": [],
                "nearest": {"node": "n1", "refused": [SHORT, TAINT]},
            },
            """
pod default/web: no node would do (at T, at the 2nd attempt)

All 5 nodes refuse it:
  5   Insufficient cpu   NodeResourcesFit   n1, n2, n3, ...

No single change of the pod or of one node would let it run.
n1 is the nearest to it: Insufficient cpu; node(s) had untolerated taint(s)
""",
            id="nothing-helps",
        ),
        pytest.param(
            {
                **META, "outcome": "Preempting", "time": "T", "attempts": 1, "node": "n1",
                "message": "0/2 nodes ...",
                "victims": {"pods": ["default/low"]}, "now": {"nodeCount": 2, "feasibleCount": 1, "refused": [
                    {**TAINT, "nodes": 1, "examples": ["n2"]}]},
            },
            """
pod default/web: no node would do; room is being made on n1 (at T)
It waits for these pods to end: default/low

By now 1 node would do; it is tried again in a moment.
When it was tried last: 0/2 nodes ...

1 of 2 nodes refuse it:
  1   node(s) had untolerated taint(s)   TaintToleration   n2
""",
            id="room-is-made",
        ),
        pytest.param(
            {**META, "outcome": "Scheduled", "time": "T", "attempts": 1, "node": "n1", "feasibleCount": 1,
             "gone": True,
             "earlier": [{"time": "S", "outcome": "Unschedulable", "message": "0/1 nodes ..."}]},
            """
pod default/web: placed on n1 (at T, the pod is gone)
1 node would have done, so none was scored

before, at S: no node would do
  0/1 nodes ...
""",
            id="gone-with-a-past",
        ),
        pytest.param(
            {**META, "outcome": "Gated", "message": "waiting for scheduling gates: [x]", "queue": "gated"},
            """
pod default/web: not to be tried yet
waiting for scheduling gates: [x]
""",
            id="gated",
        ),
        pytest.param(
            {**META, "outcome": "Held", "message": "pod group is unschedulable", "time": "T", "attempts": 1,
             "now": {"nodeCount": 2, "feasibleCount": 2, "refused": []},
             "podGroup": {"name": "g", "scheduled": "False", "message": "minCount (2) cannot be satisfied"}},
            """
pod default/web: it waits for the other pods of its group (at T)
pod group is unschedulable

Pod group g: minCount (2) cannot be satisfied
""",
            id="held-with-its-group",
        ),
        pytest.param(
            {**META, "outcome": "Unschedulable", "message": "no nodes available", "time": "T", "attempts": 1,
             "now": {"nodeCount": 0, "feasibleCount": 0, "refused": []}, "advice": []},
            """
pod default/web: no node would do (at T)

There are no nodes.

No single change of the pod or of one node would let it run.
""",
            id="no-nodes",
        ),
        pytest.param(
            {**META, "outcome": "Unschedulable", "message": "extender down", "time": "T", "attempts": 1,
             "nodeCount": 3, "feasibleCount": 0, "refused": [],
             "now": {"nodeCount": 3, "feasibleCount": 3, "refused": []}},
            """
pod default/web: not placed (at T)
extender down

By now 3 nodes would do; it is tried again in a moment.
""",
            id="no-node-is-to-blame",
        ),
        pytest.param(
            {**META, "outcome": "Unschedulable", "message": "extender down", "time": "T", "attempts": 1,
             "nodeCount": 3, "feasibleCount": 0, "refused": [], "gone": True},
            """
pod default/web: not placed (at T, the pod is gone)
extender down
""",
            id="gone-and-no-node-was-to-blame",
        ),
        pytest.param(
            {**META, "outcome": "Unschedulable", "message": "0/1 nodes ...", "time": "T", "attempts": 1,
             "gone": True, "refused": [{**SHORT, "nodes": 1}]},
            """
pod default/web: no node would do (at T, the pod is gone)

Refused the pod then:
  1   Insufficient cpu   NodeResourcesFit

0/1 nodes ...
""",
            id="gone-before-it-ran",
        ),
    ],
)  # fmt: skip
def test_why(doc: Any, expected: str) -> None:
    assert "\n".join(decision.why(doc)) == expected.strip("\n")


HERE = {"present": True, "feasible": False}
COMPARED = {
    "present": True, "feasible": True, "refused": [], "better": 1,
    "scored": scored("n1", 330, 80, 90), "winner": scored("n2", 390, 100, 90),
}  # fmt: skip


@pytest.mark.parametrize(
    ("doc", "told", "expected"),
    [
        pytest.param(
            PLACED,
            {"then": {**HERE, "refused": [SHORT]},
             "now": {**HERE, "refused": [{**SHORT, "fact": "cpu: ..."}, TAINT]},
             "needs": [
                 {"plugin": "NodeResourcesFit", "advice": {"text": "free it", "delete": {"pods": ["a/b"]}}},
                 {"plugin": "TaintToleration", "advice": {"text": "tolerate it", "patch": [{}]}},
             ], "enough": True},
            """
pod default/web is on n2

When the scheduler decided, at T, n1 refused it:
  Insufficient cpu (NodeResourcesFit)

Now n1 refuses it:
  Insufficient cpu (NodeResourcesFit): cpu: ...
  node(s) had untolerated taint(s) (TaintToleration)

What would have to change:
  - free it: a/b
  - tolerate it
All of these together are enough.
""",
            id="refused",
        ),
        pytest.param(
            PLACED,
            {"then": COMPARED, "now": {**COMPARED, "better": 0}, "needs": [], "enough": True},
            """
pod default/web is on n2

When the scheduler decided, at T, n1 would have done.
  1 node scored more:
  PLUGIN             n1    n2
  TaintToleration    80    100
  NodeResourcesFit   90    90
  with weights       330   390

Now n1 would do.
  None scored more; one was drawn:
  PLUGIN             n1    n2
  TaintToleration    80    100
  NodeResourcesFit   90    90
  with weights       330   390
""",
            id="outscored",
        ),
        pytest.param(
            PENDING,
            {"then": None, "now": {**HERE, "refused": [TAINT]}, "needs": [
                {"plugin": "TaintToleration", "advice": None}], "enough": False},
            """
pod default/web is on no node yet

What was said of single nodes then is no longer kept.

Now n1 refuses it:
  node(s) had untolerated taint(s) (TaintToleration)

What would have to change:
  - what TaintToleration says; no single change does it
""",
            id="only-a-summary",
        ),
        pytest.param(
            PLACED,
            {"then": {"present": False}, "now": {"present": False}},
            """
pod default/web is on n2

When the scheduler decided, at T, n1 was not there.

Now n1 is not there.
""",
            id="no-such-node",
        ),
        pytest.param({**PLACED, "node": "n1"}, {}, "pod default/web is on n1", id="it-is-there"),
    ],
)  # fmt: skip
def test_why_not(doc: Any, told: Any, expected: str) -> None:
    lines = decision.why_not({**doc, "onNode": {"node": "n1", **told}})
    assert "\n".join(lines) == expected.strip("\n")
