"""What the server makes of a new pod: selectors that follow its labels, and warnings."""

import pytest

from api.core.pod import validate
from api.core.pod_label_keys import with_label_keys
from api.core.pod_warnings import spec_warnings
from api.field import Path
from tests.unit.api.kinds_sample import full_pod, texts

TERM = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}
SPREAD = {**TERM, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}


def pod(**spec):
    made = full_pod(**spec)
    return {**made, "metadata": {**made["metadata"], "labels": {"app": "web", "hash": "1"}}}


def expressions(**operators):
    return [{"key": key, "operator": operator, "values": ["1"]} for key, operator in operators.items()]


def test_label_keys_become_part_of_the_selector():
    affinity = {
        "podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [{**TERM, "matchLabelKeys": ["hash", "no"]}]
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {**TERM, "mismatchLabelKeys": ["hash"]}}
            ]
        },
    }
    given = pod(affinity=affinity, topologySpreadConstraints=[{**SPREAD, "matchLabelKeys": ["hash"]}])
    made = with_label_keys(given)
    found = made["spec"]["affinity"]
    (required,) = found["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (wish,) = found["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    (spread,) = made["spec"]["topologySpreadConstraints"]
    assert required["labelSelector"]["matchExpressions"] == expressions(hash="In")
    assert wish["podAffinityTerm"]["labelSelector"]["matchExpressions"] == expressions(hash="NotIn")
    assert spread["labelSelector"]["matchExpressions"] == expressions(hash="In")
    assert validate(made) == []
    assert "matchExpressions" not in given["spec"]["topologySpreadConstraints"][0]["labelSelector"]


def test_a_key_that_is_selected_already_is_refused():
    term = {**TERM, "matchLabelKeys": ["app"]}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    assert [error.body for error in validate(with_label_keys(pod(affinity=affinity)))] == [
        'Invalid value: "app": exists in both matchLabelKeys and labelSelector'
    ]


def test_a_pod_without_terms_stays_the_same():
    given = pod()
    assert with_label_keys(given) is given
    assert texts(validate(given)) == []


C = "spec.containers[0]"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param(
            {"nodeSelector": {"beta.kubernetes.io/os": "linux"}},
            [
                'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" '
                "instead"
            ],
            id="old-label",
        ),
        pytest.param(
            {"volumes": [{"name": "v", "gitRepo": {"repository": "r"}}]},
            ["spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"],
            id="old-volume",
        ),
        pytest.param(
            {"imagePullSecrets": [{"name": "a"}, {"name": "a"}, {}]},
            [
                'spec.imagePullSecrets[1]: duplicate name "a"',
                'spec.imagePullSecrets[2]: invalid empty name ""',
            ],
            id="secrets",
        ),
        pytest.param(
            {"terminationGracePeriodSeconds": -1},
            [
                "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will "
                "be treated as 1"
            ],
            id="grace",
        ),
        pytest.param(
            {"containers": [{"name": "a", "resources": {"requests": {"memory": "100m"}}}]},
            [f'{C}.resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer'],
            id="part-of-a-byte",
        ),
        pytest.param(
            {"containers": [{"name": "a", "env": [{"name": "A"}, {"name": "A"}]}]},
            [f'{C}.env[1]: hides previous definition of "A", which may be dropped when using apply'],
            id="variable-twice",
        ),
        pytest.param(
            {"containers": [{"name": "a", "ports": [{"containerPort": 80}, {"containerPort": 80}]}]},
            [f"{C}.ports[1]: duplicate port definition with {C}.ports[0]"],
            id="port-twice",
        ),
    ],
)
def test_warnings(spec, expected):
    assert spec_warnings(spec, Path("spec")) == expected
