"""What selectors see of devices, and what they say of them."""

import pytest

from api.dra.matching import SelectorError, bindings_of, satisfies

DRIVER = "gpu.example.com"
GPU = {
    "name": "gpu-0",
    "attributes": {
        "model": {"string": "h100"},
        "index": {"int": 3},
        "healthy": {"bool": True},
        "driverVersion": {"version": "1.12.0"},
        "other.example.com/numa": {"int": 1},
        "links": {"strings": ["a", "b"]},
        "supports": {"versions": ["1.0.0", "2.0.0"]},
    },
    "capacity": {"memory": {"value": "80Gi"}, "other.example.com/lanes": {"value": "16"}},
    "allowMultipleAllocations": True,
}
MINE, THEIRS = 'device.attributes["gpu.example.com"]', 'device.attributes["other.example.com"]'


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param('device.driver == "gpu.example.com"', True, id="driver"),
        pytest.param(f'{MINE}.model == "h100"', True, id="attribute-without-domain-is-the-drivers"),
        pytest.param(f"{MINE}.index > 3", False, id="number"),
        pytest.param(f"{MINE}.healthy", True, id="bool"),
        pytest.param(f'{MINE}.driverVersion.isGreaterThan(semver("1.9.9"))', True, id="version"),
        pytest.param(f"{THEIRS}.numa == 1", True, id="other-domain"),
        pytest.param(f'"numa" in {MINE}', False, id="domains-are-apart"),
        pytest.param(f'"b" in {MINE}.links', True, id="list"),
        pytest.param(f'{MINE}.supports.exists(v, v == semver("2.0.0"))', True, id="versions"),
        pytest.param(
            'device.capacity["gpu.example.com"].memory.compareTo(quantity("80Gi")) == 0', True, id="capacity"
        ),
        pytest.param(
            'device.capacity["other.example.com"].lanes.isLessThan(quantity("8"))', False, id="less-capacity"
        ),
        pytest.param("device.allowMultipleAllocations", True, id="shared"),
        pytest.param('"x" in device.attributes["nobody.example.com"]', False, id="unknown-domain-is-empty"),
        pytest.param('has(device.attributes["nobody.example.com"].x)', False, id="has-in-unknown-domain"),
        pytest.param('"nobody.example.com" in device.attributes', False, id="unknown-domain-is-not-listed"),
        pytest.param("device.attributes.size() == 2", True, id="domains-are-counted"),
        pytest.param("device.attributes.exists(d, d == 'other.example.com')", True, id="domains-in-a-loop"),
        pytest.param("device.attributes.all(d, v, v.size() > 0)", True, id="domains-with-their-attributes"),
        pytest.param(
            'device.attributes[?"nobody.example.com"].orValue({"a": 1}).size() == 0', True, id="optional"
        ),
        pytest.param(
            'device.attributes["nobody.example.com"].?x.orValue("none") == "none"', True, id="optional-field"
        ),
        pytest.param("type(device.attributes) == map", True, id="a-map"),
        pytest.param('device.capacity == {} || device.attributes == device.attributes', True, id="equal"),
        pytest.param(
            f'cel.bind(mine, {MINE}, mine.model == "h100" && mine.index == 3)', True, id="bound-to-a-name"
        ),
    ],
)  # fmt: skip
def test_a_selector_sees_the_device(expression, expected):
    assert satisfies(expression, bindings_of(GPU, DRIVER)) is expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param(
            f'{MINE}.colour == "red"',
            "CEL runtime error: no such key: colour. Consider using CEL optional chaining (?), has() macro, "
            "or orValue() for optional fields",
            id="missing-attribute",
        ),
        pytest.param(f"{MINE}.model > 3", "CEL runtime error: no such overload", id="wrong-type"),
        pytest.param(
            f"{MINE}.model",
            "CEL runtime error: CEL result of type string could not be converted to bool: type conversion "
            "error from 'string' to 'bool'",
            id="not-a-bool",
        ),
        pytest.param(
            "device.driver", "CEL compile error: must evaluate to bool or the unknown type, not string",
            id="known-not-to-be-a-bool",
        ),
    ],
)  # fmt: skip
def test_a_selector_without_an_answer_says_why(expression, message):
    with pytest.raises(SelectorError) as caught:
        satisfies(expression, bindings_of(GPU, DRIVER))
    assert str(caught.value) == message


def test_a_selector_that_costs_too_much_is_stopped():
    numbers = ", ".join("1" * 20)
    inner = f"[{numbers}].all(c, [{numbers}].all(d, [{numbers}].all(e, true)))"
    with pytest.raises(SelectorError, match="actual cost limit exceeded"):
        satisfies(f"[{numbers}].all(a, [{numbers}].all(b, {inner}))", bindings_of(GPU, DRIVER))


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        pytest.param({}, "attribute a: unsupported attribute value", id="no-value"),
        pytest.param(
            {"version": "one"}, "attribute a: parse semantic version: No Major.Minor.Patch elements found",
            id="no-version",
        ),
    ],
)  # fmt: skip
def test_odd_attributes_are_told(attribute, message):
    with pytest.raises(SelectorError, match=message):
        bindings_of({"attributes": {"a": attribute}}, DRIVER)
