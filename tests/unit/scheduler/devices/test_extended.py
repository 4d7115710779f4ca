"""Claims for extended resources: which container gets which request."""

from typing import Any

import pytest

from scheduler.devices.extended import class_of, extended_claim
from tests.unit.scheduler.devices.build import class_, objects

GPU, NIC = "example.com/gpu", "example.com/nic"
CLASSES = {GPU: class_("gpus"), NIC: class_("nics")}


def container(name: str, sidecar: bool = False, **amounts: str) -> Any:
    requests = {"cpu": "1", **{f"example.com/{resource}": amount for resource, amount in amounts.items()}}
    made: dict[str, Any] = {"name": name, "resources": {"requests": requests}}
    return {**made, "restartPolicy": "Always"} if sidecar else made


def pod(*containers: Any, inits: Any = ()) -> Any:
    return {
        "metadata": {"name": "p", "namespace": "default", "uid": "p"},
        "spec": {"containers": list(containers), "initContainers": list(inits)},
    }


def requests(each: Any, *resources: str) -> list[str]:
    made = extended_claim(each, {name: CLASSES[name] for name in resources or (GPU,)})
    return [f"{r['name']}: {r['exactly']['count']} {r['exactly']['deviceClassName']}" for r in made.requests]


def mappings(each: Any, *resources: str) -> list[str]:
    made = extended_claim(each, {name: CLASSES[name] for name in resources or (GPU,)})
    return [f"{m['containerName']} {m['requestName']}" for m in made.mappings]


@pytest.mark.parametrize(
    ("each", "expected", "used"),
    [
        pytest.param(
            pod(container("a", gpu="2")),
            ["container-0-request-1: 2 gpus"],
            ["a container-0-request-1"],
            id="one",
        ),
        pytest.param(
            pod(container("a", gpu="1"), container("b"), container("c", gpu="3")),
            ["container-0-request-1: 1 gpus", "container-2-request-1: 3 gpus"],
            ["a container-0-request-1", "c container-2-request-1"],
            id="two",
        ),
        pytest.param(
            pod(container("a", gpu="2"), inits=[container("i", gpu="2")]),
            ["container-1-request-1: 2 gpus"],
            ["a container-1-request-1", "i container-1-request-1"],
            id="init-uses-what-comes",
        ),
        pytest.param(
            pod(container("a", gpu="2"), inits=[container("i", gpu="5")]),
            ["container-0-request-1: 3 gpus", "container-1-request-1: 2 gpus"],
            ["a container-1-request-1", "i container-1-request-1", "i container-0-request-1"],
            id="init-needs-more",
        ),
        pytest.param(
            pod(container("a", gpu="1"), container("b", gpu="2"), inits=[container("i", gpu="1")]),
            ["container-1-request-1: 1 gpus", "container-2-request-1: 2 gpus"],
            ["a container-1-request-1", "b container-2-request-1", "i container-1-request-1"],
            id="init-uses-no-more-than-it-needs",
        ),
        pytest.param(
            pod(
                container("a"),
                inits=[container("i", gpu="1"), container("j", gpu="3"), container("k", gpu="2")],
            ),
            ["container-1-request-1: 3 gpus"],
            ["i container-1-request-1", "j container-1-request-1", "k container-1-request-1"],
            id="inits-share",
        ),
        pytest.param(
            pod(container("a"), inits=[container("s", sidecar=True, gpu="2"), container("i", gpu="2")]),
            ["container-0-request-1: 2 gpus", "container-1-request-1: 2 gpus"],
            ["s container-0-request-1", "i container-1-request-1"],
            id="a-sidecar-before-keeps-what-it-has",
        ),
        pytest.param(
            pod(container("a"), inits=[container("i", gpu="2"), container("s", sidecar=True, gpu="2")]),
            ["container-1-request-1: 2 gpus"],
            ["s container-1-request-1", "i container-1-request-1"],
            id="a-sidecar-after-lends",
        ),
        pytest.param(pod(container("a", gpu="0")), [], [], id="none"),
    ],
)
def test_requests_of_one_resource(each, expected, used):
    assert requests(each) == expected
    assert mappings(each) == used


def test_several_resources():
    each = pod(container("a", gpu="1", nic="2"))
    assert requests(each, GPU, NIC) == ["container-0-request-1: 1 gpus", "container-0-request-2: 2 nics"]
    assert requests(each, NIC) == ["container-0-request-2: 2 nics"]


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        pytest.param(GPU, "b-newer", id="the-newest"),
        pytest.param(NIC, "d", id="of-equals-the-first-by-name"),
        pytest.param("deviceclass.resource.kubernetes.io/e", "e", id="by-its-own-name"),
        pytest.param("deviceclass.resource.kubernetes.io/nobody", None, id="unknown-name"),
        pytest.param("example.com/other", None, id="unknown"),
        pytest.param("cpu", None, id="not-extended"),
        pytest.param("kubernetes.io/gpu", None, id="native"),
    ],
)
def test_the_class_of_a_resource(resource, expected):
    def named(name: str, of: str, since: str) -> Any:
        made = class_(name, extendedResourceName=of)
        made["metadata"]["creationTimestamp"] = since
        return made

    known = objects(
        named("a-older", GPU, "2026-01-01T00:00:00Z"),
        named("b-newer", GPU, "2026-01-02T00:00:00Z"),
        named("e", NIC, "2026-01-01T00:00:00Z"),
        named("d", NIC, "2026-01-01T00:00:00Z"),
    )
    found = class_of(resource, known)
    assert (found and found["metadata"]["name"]) == expected
