"""Typed decoding: unknown fields, nulls, canonical forms, and Go's words for wrong types."""

import pytest

from api.codec.json import DecodeError
from api.codec.typed import conform

POD = "io.k8s.api.core.v1.Pod"
DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
SECRET = "io.k8s.api.core.v1.Secret"
LEASE = "io.k8s.api.coordination.v1.Lease"


def pod(**container):
    return {"spec": {"containers": [{"name": "a", **container}]}}


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        pytest.param(
            POD,
            pod(resources={"limits": {"cpu": 1, "memory": "1024Mi"}}),
            pod(resources={"limits": {"cpu": "1", "memory": "1Gi"}}),
            id="quantities are canonical",
        ),
        pytest.param(
            POD,
            {"metadata": {"creationTimestamp": None, "name": "x"}, "status": None},
            {"metadata": {"name": "x"}},
            id="nulls go",
        ),
        pytest.param(
            POD, {"metadata": {"labels": {"a": None}}}, {"metadata": {"labels": {"a": ""}}}, id="null label"
        ),
        pytest.param(POD, pod(args=["a", None]), pod(args=["a", ""]), id="null element"),
        pytest.param(
            POD,
            {"metadata": {"creationTimestamp": "2026-01-01T02:00:00.5+02:00"}},
            {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}},
            id="times are in UTC and seconds",
        ),
        pytest.param(
            LEASE,
            {"spec": {"renewTime": "2026-01-01T00:00:00Z"}},
            {"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}},
            id="micro times have six digits",
        ),
        pytest.param(
            POD,
            pod(readinessProbe={"httpGet": {"port": "http"}}),
            pod(readinessProbe={"httpGet": {"port": "http"}}),
            id="int or string",
        ),
    ],
)
def test_the_kept_form(kind, given, kept):
    before = repr(given)
    result = conform(given, kind)
    assert (result.obj, result.unknown) == (kept, [])
    assert repr(given) == before


def test_an_object_without_faults_is_returned_as_it_is():
    obj = pod(image="x", ports=[{"containerPort": 80}])
    assert conform(obj, POD).obj is obj


def test_unknown_fields_are_listed_in_order_and_dropped():
    obj = {"spec": {"containers": [{"name": "a", "imag": "x", "ports": [{"x": 1}]}], "foo": {}}, "bar": 1}
    result = conform(obj, POD)
    assert result.unknown == ["spec.containers[0].imag", "spec.containers[0].ports[0].x", "spec.foo", "bar"]
    assert result.obj == {"spec": {"containers": [{"name": "a", "ports": [{}]}]}}


@pytest.mark.parametrize(
    ("kind", "obj", "message"),
    [
        pytest.param(
            DEPLOYMENT,
            {"spec": {"replicas": "3"}},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
            id="text for a number",
        ),
        pytest.param(
            DEPLOYMENT,
            {"spec": {"replicas": 3000000000}},
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas "
            "of type int32",
            id="beyond 32 bits",
        ),
        pytest.param(
            POD,
            {"spec": {"containers": {}}},
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers "
            "of type []v1.Container",
            id="object for a list",
        ),
        pytest.param(
            POD,
            {"metadata": {"labels": {"a": 1}}},
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
            id="number for a label",
        ),
        pytest.param(
            POD,
            {"spec": "x"},
            "json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec",
            id="text for a struct",
        ),
        pytest.param(
            POD,
            {"spec": {"hostNetwork": "true"}},
            "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
            id="text for a bool",
        ),
        pytest.param(
            POD,
            pod(resources={"limits": {"cpu": "x"}}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            id="no quantity",
        ),
        pytest.param(SECRET, {"data": {"a": "!!"}}, "illegal base64 data at input byte 0", id="no base64"),
        pytest.param(
            POD,
            {"metadata": {"creationTimestamp": "yesterday"}},
            'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
            id="no time",
        ),
    ],
)
def test_wrong_types_are_named_as_go_does(kind, obj, message):
    with pytest.raises(DecodeError) as caught:
        conform(obj, kind)
    assert str(caught.value) == message
