"""Refusals of the kinds of storage, in upstream's words."""

from typing import Any

import pytest

from api.kinds import kind_of
from api.resource import Resource
from api.types import storage_v1
from tests.unit.api.kinds_sample import texts

OF: dict[str, Resource[Any]] = {
    "class": storage_v1.STORAGECLASSES,
    "attributes": storage_v1.VOLUMEATTRIBUTESCLASSES,
    "attachment": storage_v1.VOLUMEATTACHMENTS,
    "driver": storage_v1.CSIDRIVERS,
    "node": storage_v1.CSINODES,
    "capacity": storage_v1.CSISTORAGECAPACITIES,
}


def obj(kind, body):
    scope = {"namespace": "d"} if OF[kind].namespaced else {}
    made = {"metadata": {"name": "x", "resourceVersion": "1", **scope}, **body}
    return kind_of(OF[kind]).defaults(made)


ATTACHED = {"attacher": "a.io", "nodeName": "n", "source": {"persistentVolumeName": "pv"}}
INLINE = {"csi": {"driver": "a.io", "volumeHandle": "h"}, "accessModes": ["ReadWriteOnce"]}
DRIVER = {"name": "a.io", "nodeID": "n"}


def term(key="zone", *values):
    return {"matchLabelExpressions": [{"key": key, "values": list(values)}]}


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        pytest.param("class", {"provisioner": "a.io/b"}, [], id="class"),
        pytest.param(
            "class",
            {"reclaimPolicy": "Recycle", "volumeBindingMode": "Later"},
            [
                "provisioner: Required value",
                'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
                'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", '
                '"WaitForFirstConsumer"',
            ],
            id="class-values",
        ),
        pytest.param(
            "class",
            {"provisioner": "p", "parameters": {"": "x"}},
            ['parameters: Invalid value: "": field can not be empty.'],
            id="empty-parameter",
        ),
        pytest.param(
            "class",
            {"provisioner": "p", "parameters": {f"k{n}": "v" for n in range(513)}},
            ["parameters: Too long: may not be more than 512 bytes"],
            id="many-parameters",
        ),
        pytest.param(
            "class",
            {"provisioner": "p", "allowedTopologies": [term("zone", "a", "a"), term("zone", "a"), term("b")]},
            [
                'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"',
                'allowedTopologies[1].matchLabelExpressions: Duplicate value: ""',
                "allowedTopologies[2].matchLabelExpressions[0].values: Required value",
            ],
            id="topologies",
        ),
        pytest.param(
            "attributes",
            {},
            [
                "driverName: Required value",
                "parameters: Required value: must contain at least one key/value pair",
            ],
            id="attributes",
        ),
        pytest.param("attachment", {"spec": ATTACHED}, [], id="attachment"),
        pytest.param(
            "attachment",
            {"spec": {"source": {"persistentVolumeName": ""}, "attacher": "a.io", "nodeName": "n"}},
            ["spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName"],
            id="empty-volume",
        ),
        pytest.param(
            "attachment",
            {"spec": {**ATTACHED, "source": {"persistentVolumeName": "pv", "inlineVolumeSpec": INLINE}}},
            [
                "spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and "
                "persistentVolumeName"
            ],
            id="two-sources",
        ),
        pytest.param(
            "attachment",
            {"spec": {**ATTACHED, "source": {"inlineVolumeSpec": {"capacity": {"storage": "1"}}}}},
            [
                "spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of "
                "inline volumes",
                "spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of "
                "inline volumes",
                "spec.source.inlineVolumeSpec.accessModes: Required value",
            ],
            id="inline",
        ),
        pytest.param(
            "attachment",
            {"spec": ATTACHED, "status": {"attachError": {"message": "x" * 1025, "errorCode": -1}}},
            [
                "status.attachError.message: Too long: may not be more than 262144 bytes",
                "status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, "
                "inclusive",
            ],
            id="attach-error",
        ),
        pytest.param(
            "driver",
            {
                "spec": {
                    "fsGroupPolicy": "Some", "volumeLifecycleModes": ["Brief"],
                    "nodeAllocatableUpdatePeriodSeconds": 9,
                    "tokenRequests": [{"audience": "a", "expirationSeconds": 1}, {"audience": "a"}],
                }
            },
            [
                'spec.fsGroupPolicy: Unsupported value: "Some": supported values: "File", "None", '
                '"ReadWriteOnceWithFSType"',
                "spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less "
                "than 10 minutes",
                'spec.tokenRequests[1].audience: Duplicate value: "a"',
                'spec.volumeLifecycleModes: Unsupported value: "Brief": supported values: "Persistent", '
                '"Ephemeral"',
                "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to "
                "10 seconds",
            ],
            id="driver",
        ),
        pytest.param("node", {"spec": {"drivers": [DRIVER]}}, [], id="node"),
        pytest.param(
            "node",
            {
                "spec": {
                    "drivers": [
                        {"name": "a.io", "allocatable": {"count": -1}},
                        {**DRIVER, "nodeID": "x" * 193, "topologyKeys": ["k", "k"]},
                    ]
                }
            },
            [
                "spec.drivers[0].nodeID: Required value",
                "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0",
                f'spec.drivers[1].nodeID: Invalid value: "{"x" * 193}": must be 192 characters or less',
                'spec.drivers[1].name: Duplicate value: "a.io"',
                'spec.drivers[1]: Duplicate value: "k"',
            ],
            id="node-drivers",
        ),
        pytest.param(
            "capacity",
            {"storageClassName": "c", "capacity": "-1", "nodeTopology": {"matchExpressions": [{"key": "a"}]}},
            [
                'nodeTopology.matchExpressions[0].operator: Invalid value: "": not a valid selector operator',
                'capacity: Invalid value: "-1": must be greater than or equal to 0',
            ],
            id="capacity",
        ),
    ],
)  # fmt: skip
def test_validate(kind, body, expected):
    found = texts(kind_of(OF[kind]).validate(obj(kind, body)))
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


@pytest.mark.parametrize(
    ("kind", "old", "new", "expected"),
    [
        pytest.param(
            "class",
            {"provisioner": "a", "reclaimPolicy": "Delete"},
            {"provisioner": "b", "reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer"},
            [
                "provisioner: Forbidden: updates to provisioner are forbidden.",
                "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
                'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
            ],
            id="class",
        ),
        pytest.param(
            "node",
            {"spec": {"drivers": [DRIVER]}},
            {"spec": {"drivers": [{**DRIVER, "allocatable": {"count": 3}}, {"name": "b.io", "nodeID": "n"}]}},
            [],
            id="node-limits-and-drivers-change",
        ),
        pytest.param(
            "node",
            {"spec": {"drivers": [DRIVER]}},
            {"spec": {"drivers": [{**DRIVER, "nodeID": "m"}]}},
            ["spec.drivers: Invalid value: "],
            id="node-id-stays",
        ),
        pytest.param(
            "driver",
            {"spec": {"attachRequired": True, "fsGroupPolicy": "File"}},
            {"spec": {"attachRequired": False, "fsGroupPolicy": "None"}},
            ["spec.attachedRequired: Invalid value: false: field is immutable"],
            id="driver",
        ),
        pytest.param(
            "capacity",
            {"storageClassName": "a", "capacity": "1"},
            {"storageClassName": "b", "capacity": "2"},
            ['storageClassName: Invalid value: "b": field is immutable'],
            id="capacity",
        ),
        pytest.param(
            "attachment",
            {"spec": ATTACHED},
            {"spec": {**ATTACHED, "nodeName": "m"}},
            ["spec: Invalid value: "],
            id="attachment",
        ),
    ],
)
def test_update(kind, old, new, expected):
    found = texts(kind_of(OF[kind]).validate_update(obj(kind, new), obj(kind, old)))
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)
