"""Arguments of upstream's plugins: defaults and faults."""

from typing import Any

import pytest

from api.field import Path
from scheduler.configuration.arguments import errors, go_duration, with_defaults


@pytest.mark.parametrize(
    ("plugin", "given", "found"),
    [
        pytest.param(
            "NodeResourcesFit",
            {},
            {
                "scoringStrategy": {
                    "type": "LeastAllocated",
                    "resources": [{"name": "cpu", "weight": 1}, {"name": "memory", "weight": 1}],
                }
            },
            id="fit",
        ),
        pytest.param(
            "NodeResourcesFit",
            {"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "a.b/c"}]}},
            {"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "a.b/c", "weight": 1}]}},
            id="weights-of-none-are-one",
        ),
        pytest.param(
            "PodTopologySpread",
            {"defaultingType": ""},
            {"defaultingType": "System", "defaultConstraints": []},
            id="spread",
        ),
        pytest.param("VolumeBinding", {}, {"bindTimeoutSeconds": 600}, id="volumes"),
        pytest.param("Mine", {"a": 1}, {"a": 1}, id="others-are-left-alone"),
    ],
)
def test_defaults(plugin: str, given: Any, found: Any) -> None:
    assert with_defaults(plugin, given) == found


def spread(**more: Any) -> dict[str, Any]:
    return {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", **more}


def added(kind: str, term: Any) -> dict[str, Any]:
    if kind == "required":
        terms = {"nodeSelectorTerms": [term]}
        return {"addedAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    wishes = [{"weight": 1, "preference": term}]
    return {"addedAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wishes}}


RATIO = "RequestedToCapacityRatio"


@pytest.mark.parametrize(
    ("plugin", "args", "words"),
    [
        pytest.param(
            "DefaultPreemption",
            {"minCandidateNodesPercentage": 0, "minCandidateNodesAbsolute": 0},
            [
                "args.minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as "
                "minCandidateNodesAbsolute",
                "args.minCandidateNodesAbsolute: Invalid value: 0: cannot be zero at the same time as "
                "minCandidateNodesPercentage",
            ],
            id="no-candidates",
        ),
        pytest.param(
            "DefaultPreemption",
            {"minCandidateNodesPercentage": 101, "minCandidateNodesAbsolute": -1},
            [
                "args.minCandidateNodesPercentage: Invalid value: 101: not in valid range [0, 100]",
                "args.minCandidateNodesAbsolute: Invalid value: -1: not in valid range [0, inf)",
            ],
            id="candidates-out-of-range",
        ),
        pytest.param(
            "InterPodAffinity",
            {"hardPodAffinityWeight": 101},
            ["args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]"],
            id="hard-weight",
        ),
        pytest.param(
            "PodTopologySpread",
            {"defaultConstraints": [spread()]},
            ['args.defaultingType: Invalid value: "System": when .defaultConstraints are not empty'],
            id="constraints-of-the-system",
        ),
        pytest.param(
            "PodTopologySpread",
            {"defaultingType": "Mine"},
            ['args.defaultingType: Unsupported value: "Mine": supported values: "System", "List"'],
            id="unknown-defaulting",
        ),
        pytest.param(
            "PodTopologySpread",
            {
                "defaultingType": "List",
                "defaultConstraints": [
                    spread(maxSkew=0, topologyKey="", whenUnsatisfiable=""),
                    spread(labelSelector={}, whenUnsatisfiable="Never"),
                    spread(labelSelector=None, whenUnsatisfiable="Never"),
                ],
            },
            [
                "args.defaultConstraints[0].maxSkew: Invalid value: 0: not in valid range (0, inf)",
                "args.defaultConstraints[0].topologyKey: Required value: can not be empty",
                "args.defaultConstraints[0].whenUnsatisfiable: Required value: can not be empty",
                'args.defaultConstraints[1].whenUnsatisfiable: Unsupported value: "Never": supported values: '
                '"DoNotSchedule", "ScheduleAnyway"',
                "args.defaultConstraints[1].labelSelector: Forbidden: constraint must not define a selector, "
                "as they deduced for each pod",
                'args.defaultConstraints[2].whenUnsatisfiable: Unsupported value: "Never": supported values: '
                '"DoNotSchedule", "ScheduleAnyway"',
                'args.defaultConstraints[2]: Duplicate value: "{zone, Never}"',
            ],
            id="constraints",
        ),
        pytest.param(
            "NodeResourcesBalancedAllocation",
            {"resources": [{"name": "cpu"}, {"name": "cpu", "weight": 2}]},
            [
                'args.resources[1].name: Duplicate value: "cpu"',
                "args.resources[1].weight: Invalid value: 2: must be 1",
            ],
            id="balanced",
        ),
        pytest.param(
            "NodeResourcesFit",
            {
                "ignoredResourceGroups": ["a/b"],
                "scoringStrategy": {"type": "Best", "resources": [{"name": "cpu", "weight": 101}]},
            },
            [
                'args.ignoredResourceGroups[0]: Invalid value: "a/b": '
                "resource group name can't contain '/'",
                'args.scoringStrategy.type: Unsupported value: "Best": supported values: "LeastAllocated", '
                '"MostAllocated", "RequestedToCapacityRatio"',
                "args.scoringStrategy.resources[0].weight: Invalid value: 101: resource weight of cpu not in "
                "valid range (0, 100]",
            ],
            id="fit",
        ),
        pytest.param(
            "NodeResourcesFit",
            {"scoringStrategy": {"type": RATIO}},
            [
                "args.scoringStrategy.requestedToCapacityRatio: Required value: must be specified when type "
                "is RequestedToCapacityRatio"
            ],
            id="no-curve",
        ),
        pytest.param(
            "NodeResourcesFit",
            {"scoringStrategy": {"type": "LeastAllocated", "requestedToCapacityRatio": {}}},
            [
                "args.scoringStrategy.requestedToCapacityRatio: Forbidden: must be nil when type is not "
                "RequestedToCapacityRatio"
            ],
            id="a-curve-for-nothing",
        ),
        pytest.param(
            "NodeResourcesFit",
            {"scoringStrategy": {"type": RATIO, "requestedToCapacityRatio": {}}},
            [
                "args.scoringStrategy.requestedToCapacityRatio.shape: Required value: at least one point "
                "must be specified"
            ],
            id="an-empty-curve",
        ),
        pytest.param(
            "NodeResourcesFit",
            {
                "scoringStrategy": {
                    "type": RATIO,
                    "requestedToCapacityRatio": {
                        "shape": [{"utilization": 50, "score": 11}, {"utilization": 50}, {"utilization": 101}]
                    },
                }
            },
            [
                "args.scoringStrategy.requestedToCapacityRatio.shape[1].utilization: Invalid value: 50: "
                "values must be sorted in increasing order",
                "args.scoringStrategy.requestedToCapacityRatio.shape[0].score: Invalid value: 11: not in "
                "valid range [0, 10]",
                "args.scoringStrategy.requestedToCapacityRatio.shape[2].utilization: Invalid value: 101: not "
                "in valid range [0, 100]",
            ],
            id="a-bad-curve",
        ),
        pytest.param(
            "VolumeBinding",
            {"bindTimeoutSeconds": -1, "shape": []},
            [
                "args.bindTimeoutSeconds: Invalid value: -1: invalid BindTimeoutSeconds, should not be a "
                "negative value",
                "args.shape: Invalid value: []: unexpected field `shape`, remove it or turn on the feature "
                "gate StorageCapacityScoring",
            ],
            id="volumes",
        ),
        pytest.param(
            "DynamicResources",
            {"filterTimeout": -1.0, "bindingTimeout": 0.5},
            [
                'args.filterTimeout: Invalid value: "-1s": must be zero or positive',
                'args.bindingTimeout: Invalid value: "500ms": must be at least 1 second',
            ],
            id="claims",
        ),
        pytest.param(
            "NodeAffinity",
            added("required", {"matchExpressions": [{"key": "a", "operator": "Is"}]}),
            [
                "args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]."
                'matchExpressions[0].operator: Unsupported value: "Is": supported values: "In", "NotIn", '
                '"Exists", "DoesNotExist", "Gt", "Lt"'
            ],
            id="operator",
        ),
        pytest.param(
            "NodeAffinity",
            added(
                "preferred",
                {
                    "matchExpressions": [{"key": "a", "operator": "In"}],
                    "matchFields": [
                        {"key": "metadata.name", "operator": "In", "values": ["a", "b"]},
                        {"key": "metadata.name", "operator": "Gt"},
                    ],
                },
            ),
            [
                "args.addedAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].matchExpressions[0]."
                "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
                "args.addedAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].matchFields[0]."
                "values: Invalid value: 2: must have one element",
                "args.addedAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].matchFields[1]."
                'operator: Unsupported value: "Gt": supported values: "In", "NotIn"',
            ],
            id="values",
        ),
        pytest.param("NodeAffinity", {}, [], id="nothing-added"),
        pytest.param("Mine", {"a": 1}, [], id="not-upstream's"),
    ],
)
def test_faults(plugin: str, args: Any, words: list[str]) -> None:
    assert [str(each) for each in errors(plugin, with_defaults(plugin, args), Path("args"))] == words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (15.0, "15s"), (90.5, "1m30.5s"), (3600.0, "1h0m0s"), (-0.25, "-250ms"), (-61.0, "-1m1s")],
)
def test_durations_are_written_as_go_does(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
