"""New pods with what classes and limits of the cluster add to them."""

from typing import Any

import pytest

from api.errors import Forbidden
from api.types.core_v1 import LIMITRANGES
from api.types.node_v1 import RUNTIMECLASSES
from api.types.scheduling_v1 import PRIORITYCLASSES
from cli.whatif.admission import admit
from cli.whatif.live import Live

VIP = {"metadata": {"name": "vip"}, "value": 1000}
USUAL = {"metadata": {"name": "usual"}, "value": 7, "globalDefault": True}
LIMITS = {
    "metadata": {"name": "l", "namespace": "home"},
    "spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "300m"}, "max": {"cpu": "2"}}]},
}
VM = {
    "metadata": {"name": "vm"},
    "handler": "vm",
    "overhead": {"podFixed": {"cpu": "250m"}},
    "scheduling": {"nodeSelector": {"vm": "yes"}},
}


def _pod(**spec: Any) -> Any:
    requests = spec.pop("requests", {})
    container = {"name": "main", "image": "app:1", "resources": {"requests": requests} if requests else {}}
    return {
        "metadata": {"generateName": "p-", "labels": {"app": "p"}},
        "spec": {"containers": [container], **spec},
    }


@pytest.mark.parametrize(
    ("classes", "spec", "priority"),
    [
        ([], {}, 0),
        ([VIP, USUAL], {}, 7),
        ([VIP, USUAL], {"priorityClassName": "vip"}, 1000),
        ([], {"priorityClassName": "system-node-critical"}, 2_000_001_000),
    ],
)
def test_priority(classes, spec, priority):
    pod = admit(_pod(**spec), "home", Live({PRIORITYCLASSES: classes}))
    assert (pod["spec"]["priority"], pod["metadata"]["namespace"]) == (priority, "home")


def test_limits_of_the_namespace():
    live = Live({LIMITRANGES: [LIMITS]})
    assert admit(_pod(), "home", live)["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "300m"}
    assert "requests" not in admit(_pod(), "other", live)["spec"]["containers"][0]["resources"]


def test_runtime_classes_add_overhead_and_a_place():
    spec = admit(_pod(runtimeClassName="vm"), "home", Live({RUNTIMECLASSES: [VM]}))["spec"]
    assert (spec["overhead"], spec["nodeSelector"]) == ({"cpu": "250m"}, {"vm": "yes"})


def test_label_keys_become_part_of_selectors():
    spread = {
        "topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["app"],
        "labelSelector": {"matchLabels": {"x": "y"}},
    }  # fmt: skip
    pod = admit(_pod(topologySpreadConstraints=[spread]), "home", Live({}))
    assert "app" in repr(pod["spec"]["topologySpreadConstraints"][0]["labelSelector"])


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"priorityClassName": "none"}, "no PriorityClass with name none was found"),
        ({"runtimeClassName": "none"}, 'RuntimeClass "none" not found'),
        ({"requests": {"cpu": "3"}}, "maximum cpu usage per Container is 2"),
    ],
)
def test_refused(spec, text):
    with pytest.raises(Forbidden, match=text):
        admit(_pod(**spec), "home", Live({LIMITRANGES: [LIMITS]}))
