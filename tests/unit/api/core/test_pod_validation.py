"""Validation of pods: upstream's paths and words."""

from typing import Any

import pytest

from api.core.pod import validate
from api.resource import Obj
from tests.unit.api.kinds_sample import full_pod, texts

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
    "start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
C = "spec.containers[0]"


def with_container(**fields: Any) -> Obj:
    return full_pod(containers=[{"name": "a", "image": "b:1", **fields}])


def test_a_plain_pod_is_valid():
    assert validate(full_pod(serviceAccountName="default")) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"name": ""}, [f"{C}.name: Required value"], id="no-name"),
        pytest.param({"name": "A"}, [f'{C}.name: Invalid value: "A": {LABEL}'], id="bad-name"),
        pytest.param({"image": ""}, [f"{C}.image: Required value"], id="no-image"),
        pytest.param(
            {"image": " b"},
            [f'{C}.image: Invalid value: " b": must not have leading or trailing whitespace'],
            id="space-before-the-image",
        ),
        pytest.param(
            {"imagePullPolicy": "Sometimes"},
            [
                f'{C}.imagePullPolicy: Unsupported value: "Sometimes": '
                'supported values: "Always", "IfNotPresent", "Never"'
            ],
            id="pull-policy",
        ),
        pytest.param(
            {"ports": [{"name": "x"}]}, [f"{C}.ports[0].containerPort: Required value"], id="no-port"
        ),
        pytest.param(
            {"ports": [{"containerPort": 70000}]},
            [f"{C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
            id="port-too-large",
        ),
        pytest.param(
            {"ports": [{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}]},
            [f'{C}.ports[1].hostPort: Duplicate value: "TCP//9"'],
            id="one-host-port-twice",
        ),
        pytest.param(
            {"env": [{"name": "A=B", "value": "x"}]},
            [
                f'{C}.env[0].name: Invalid value: "A=B": a valid environment variable name must consist '
                f"only of "
                "printable ASCII characters other than '='"
            ],
            id="env-name",
        ),
        pytest.param(
            {"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            [f'{C}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
            id="value-and-source",
        ),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.what"}}}]},
            [
                f'{C}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.what": error converting '
                f"fieldPath: "
                "field label not supported: spec.what"
            ],
            id="unknown-field",
        ),
        pytest.param(
            {
                "env": [
                    {
                        "name": "A",
                        "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "3"}},
                    }
                ]
            },
            [
                f'{C}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": '
                "only divisor's values 1m and 1 are supported with the cpu resource"
            ],
            id="divisor",
        ),
        pytest.param(
            {"volumeMounts": [{"name": "no", "mountPath": "/a"}]},
            [f'{C}.volumeMounts[0].name: Not found: "no"'],
            id="no-such-volume",
        ),
        pytest.param(
            {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
            [f'{C}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
            id="request-above-limit",
        ),
        pytest.param(
            {"resources": {"limits": {"memory": "-1"}}},
            [
                f'{C}.resources.limits[memory]: Invalid value: "-1": must be greater than or equal to 0',
                f'{C}.resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
            ],
            id="negative",
        ),
        pytest.param(
            {"resources": {"limits": {"example.com/gpu": "500m"}}},
            [
                f'{C}.resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer',
                f'{C}.resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer',
            ],
            id="half-a-device",
        ),
        pytest.param(
            {"livenessProbe": {"periodSeconds": 1}},
            [f"{C}.livenessProbe: Required value: must specify a handler type"],
            id="probe-without-handler",
        ),
        pytest.param(
            {"livenessProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}, "successThreshold": 2}},
            [
                f"{C}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
                f"{C}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
            ],
            id="probe-with-two-handlers",
        ),
        pytest.param(
            {"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}},
            [
                f"{C}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than "
                "terminationGracePeriodSeconds (30)"
            ],
            id="sleep-beyond-grace",
        ),
        pytest.param(
            {"securityContext": {"privileged": True, "allowPrivilegeEscalation": False}},
            [
                f"{C}.securityContext: Invalid value: "
                f'{{"privileged":true,"allowPrivilegeEscalation":false}}: '
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            ],
            id="privileged-without-escalation",
        ),
    ],
)
def test_container(fields, expected):
    pod = with_container(**fields)
    pod["spec"]["containers"][0].update({name: fields[name] for name in ("name", "image") if name in fields})
    assert texts(validate(pod)) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"containers": []}, ["spec.containers: Required value"], id="no-containers"),
        pytest.param(
            {"restartPolicy": "Maybe"},
            [
                'spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", '
                '"OnFailure", "Never"'
            ],
            id="restart-policy",
        ),
        pytest.param(
            {"volumes": [{"name": "v", "hostPath": {"path": "../x"}}]},
            ["spec.volumes[0].hostPath.path: Invalid value: \"../x\": must not contain '..'"],
            id="host-path-upwards",
        ),
        pytest.param(
            {"volumes": [{"name": "v"}, {"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]},
            [
                "spec.volumes[1].secret: Forbidden: may not specify more than 1 volume type",
                'spec.volumes[1].name: Duplicate value: "v"',
            ],
            id="two-sources",
        ),
        pytest.param(
            {"volumes": [{"name": "v", "configMap": {"name": "c", "defaultMode": 511 + 1}}]},
            [
                "spec.volumes[0].configMap.defaultMode: Invalid value: 512: "
                "must be a number between 0 and 0777 (octal), both inclusive"
            ],
            id="mode",
        ),
        pytest.param(
            {"tolerations": [{"operator": "Equal", "value": "x"}]},
            [
                'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when '
                "`key` is empty, "
                'which means \\"match all values and all keys\\"'.replace("\\", "")
            ],
            id="toleration",
        ),
        pytest.param(
            {"activeDeadlineSeconds": 0},
            ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
            id="deadline",
        ),
        pytest.param(
            {
                "securityContext": {
                    "sysctls": [{"name": "foo-"}, {"name": "kernel.shmmax"}, {"name": "bar.."}]
                }
            },
            [
                f'spec.securityContext.sysctls[{at}].name: Invalid value: "{name}": must have at most 253 '
                f"characters "
                "and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
                for at, name in ((0, "foo-"), (2, "bar.."))
            ],
            id="sysctls",
        ),
        pytest.param(
            {
                "topologySpreadConstraints": [
                    {"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
                ]
            },
            ["spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"],
            id="spread",
        ),
        pytest.param(
            {"initContainers": [{"name": "web", "image": "a", "readinessProbe": {"tcpSocket": {"port": 1}}}]},
            [
                'spec.initContainers[0].name: Duplicate value: "web"',
                "spec.initContainers[0].readinessProbe: Forbidden: "
                "may not be set for init containers without restartPolicy=Always",
            ],
            id="init-container",
        ),
        pytest.param(
            {"dnsPolicy": "None"},
            ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
            id="dns",
        ),
        pytest.param(
            {"nodeName": "n", "schedulingGates": [{"name": "a.io/b"}]},
            ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
            id="gated-and-bound",
        ),
    ],
)
def test_spec(spec, expected):
    assert texts(validate(full_pod(serviceAccountName="default", **spec))) == expected


@pytest.mark.parametrize(
    ("affinity", "expected"),
    [
        pytest.param(
            {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
            [
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
                ".nodeSelectorTerms: "
                "Required value: must have at least one node selector term"
            ],
            id="no-terms",
        ),
        pytest.param(
            {
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 101, "podAffinityTerm": {"topologyKey": "zone"}}
                    ]
                }
            },
            [
                "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: "
                "Invalid value: 101: must be in the range 1-100"
            ],
            id="weight",
        ),
    ],
)
def test_affinity(affinity, expected):
    assert texts(validate(full_pod(serviceAccountName="default", affinity=affinity))) == expected
