import pytest

from api.core.node_selector import new_node_selector

ONE = {"key": "zone", "operator": "In", "values": ["a", "b"]}
NAME = {"key": "metadata.name", "operator": "In", "values": ["n1"]}


@pytest.mark.parametrize(
    ("terms", "labels", "expected"),
    [
        pytest.param([{"matchExpressions": [ONE]}], {"zone": "a"}, True, id="label"),
        pytest.param([{"matchExpressions": [ONE]}], {"zone": "c"}, False, id="other-value"),
        pytest.param([{"matchFields": [NAME]}], {}, True, id="name"),
        pytest.param([{"matchFields": [NAME], "matchExpressions": [ONE]}], {}, False, id="both-must-hold"),
        pytest.param([{"matchExpressions": [ONE]}, {"matchFields": [NAME]}], {}, True, id="one-is-enough"),
        pytest.param([{}], {"zone": "a"}, False, id="empty-term"),
        pytest.param([], {"zone": "a"}, False, id="no-term"),
        pytest.param(
            [{"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["8"]}]}],
            {"cores": "16"}, True, id="more-than",
        ),
        pytest.param(
            [{"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}], {}, True, id="absent"
        ),
    ],
)  # fmt: skip
def test_a_node_selector_matches_by_labels_and_name(terms, labels, expected):
    assert new_node_selector({"nodeSelectorTerms": terms}).matches("n1", labels) is expected


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param([{"matchFields": [NAME]}], {"n1"}, id="one"),
        pytest.param(
            [{"matchFields": [NAME]}, {"matchFields": [{**NAME, "values": ["n2"]}]}], {"n1", "n2"}, id="two"
        ),
        pytest.param([{"matchFields": [NAME]}, {"matchExpressions": [ONE]}], None, id="labels-too"),
        pytest.param([{"matchFields": [{**NAME, "operator": "NotIn"}]}], None, id="all-but-one"),
        pytest.param([], set(), id="none"),
    ],
)
def test_the_names_that_a_selector_is_limited_to(terms, expected):
    assert new_node_selector({"nodeSelectorTerms": terms}).names == expected
