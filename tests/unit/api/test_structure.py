"""Structure: the fast way and the slow way agree; what is odd is put right, what is wrong is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.codec.json import DecodeError
from api.codec.typed import conform
from api.quantity import canonical
from api.resource import Resource
from api.structure import _QUANTITY, normalise, normalise_for
from api.types.apps_v1 import DEPLOYMENTS
from tests.unit.api.kinds_sample import full_pod

POD, DEPLOYMENT = "io.k8s.api.core.v1.Pod", "io.k8s.api.apps.v1.Deployment"


def test_an_ordinary_pod_is_itself():
    pod = full_pod()
    assert normalise(pod, POD).obj is pod


@pytest.mark.parametrize(
    ("spec", "kept", "unknown"),
    [
        pytest.param({"nodeSelector": None}, {}, [], id="null"),
        pytest.param({"replica": 1}, {}, ["spec.replica"], id="unknown"),
        pytest.param({"overhead": {"cpu": 0.5}}, {"overhead": {"cpu": "500m"}}, [], id="number-as-quantity"),
        pytest.param({"overhead": {"cpu": "1000m"}}, {"overhead": {"cpu": "1"}}, [], id="canonical-quantity"),
    ],
)
def test_put_right(spec, kept, unknown):
    pod = full_pod()
    given_pod = {**pod, "spec": {**pod["spec"], **spec}}
    found = normalise(given_pod, POD)
    assert found.obj == {**pod, "spec": {**pod["spec"], **kept}}
    assert found.unknown == unknown


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"replicas": "3"},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
            id="text-for-a-number",
        ),
        pytest.param(
            {"replicas": 1.5},
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type "
            "int32",
            id="half",
        ),
        pytest.param(
            {"replicas": 1.0},
            "json: cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type "
            "int32",
            id="a-float-is-no-integer",
        ),
        pytest.param(
            {"replicas": 1 << 31},
            "json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas "
            "of type int32",
            id="too-large",
        ),
        pytest.param(
            {"paused": "no"},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool",
            id="text-for-a-bool",
        ),
    ],
)
def test_refused(spec, message):
    with pytest.raises(DecodeError, match=re.escape(message)):
        normalise({"spec": spec}, DEPLOYMENT)


def test_a_bad_quantity_is_refused_in_upstreams_words():
    pod = full_pod(overhead={"cpu": "lots"})
    with pytest.raises(DecodeError, match="quantities must match the regular expression"):
        normalise(pod, POD)


def test_by_resource():
    deployment = {"spec": {"replicas": 1}}
    assert normalise_for(deployment, DEPLOYMENTS).obj is deployment
    custom: Resource = Resource("example.com", "v1", "things", "Thing")
    assert normalise_for({"any": None}, custom).obj == {"any": None}


@given(st.from_regex(_QUANTITY, fullmatch=True))
def test_what_passes_as_a_quantity_is_written_so(text):
    assert canonical(text) == text


@given(
    st.sampled_from(["replicas", "minReadySeconds"]),
    st.one_of(
        st.none(),
        st.integers(-(1 << 33), 1 << 33),
        st.floats(allow_nan=False),
        st.text(max_size=3),
        st.booleans(),
    ),
)
def test_both_ways_agree(name, value):
    obj = {"spec": {name: value}}
    try:
        slow = conform(obj, DEPLOYMENT).obj
    except DecodeError as error:
        with pytest.raises(DecodeError, match=re.escape(str(error))):
            normalise(obj, DEPLOYMENT)
    else:
        assert normalise(obj, DEPLOYMENT).obj == slow
