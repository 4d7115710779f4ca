"""The smaller parts of pods: volumes, mounts, references, security, gates, DNS, status."""

from typing import Any

import pytest

from api.core.pod import validate, validate_status_update
from tests.unit.api.kinds_sample import full_pod, texts

C, V = "spec.containers[0]", "spec.volumes[0]"


def errors_of(**spec: Any) -> list[str]:
    return texts(validate(full_pod(**{"serviceAccountName": "default", **spec})))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            {"emptyDir": {"sizeLimit": "-1"}},
            [f"{V}.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"],
            id="negative-size",
        ),
        pytest.param({"hostPath": {}}, [f"{V}.hostPath.path: Required value"], id="host-path"),
        pytest.param(
            {"hostPath": {"path": "/a", "type": "Tree"}},
            [
                f'{V}.hostPath.type: Unsupported value: "Tree": supported values: "", "BlockDevice", '
                f'"CharDevice", '
                '"Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"'
            ],
            id="host-path-type",
        ),
        pytest.param({"secret": {}}, [f"{V}.secret.secretName: Required value"], id="secret"),
        pytest.param(
            {"configMap": {"items": [{"key": "", "path": "../a"}]}},
            [
                f"{V}.configMap.name: Required value",
                f"{V}.configMap.items[0].key: Required value",
                f"{V}.configMap.items[0].path: Invalid value: \"../a\": must not contain '..'",
            ],
            id="items",
        ),
        pytest.param(
            {"downwardAPI": {"items": [{"path": "a"}]}},
            [f"{V}.downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"],
            id="downward-without-a-source",
        ),
        pytest.param(
            {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "status.podIP"}}]}},
            [
                f'{V}.downwardAPI.fieldRef.fieldPath: Unsupported value: "status.podIP": supported values: '
                '"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", '
                '"metadata.uid"'
            ],
            id="downward-field",
        ),
        pytest.param(
            {"downwardAPI": {"items": [{"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}]}},
            [f"{V}.downwardAPI.resourceFieldRef.containerName: Required value"],
            id="downward-container",
        ),
        pytest.param(
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}]}},
            [
                f"{V}.projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 5: "
                "may not specify a duration less than 10 minutes"
            ],
            id="short-token",
        ),
        pytest.param(
            {
                "projected": {
                    "sources": [
                        {"secret": {"name": "s", "items": [{"key": "a", "path": "p"}]}},
                        {"configMap": {"name": "c", "items": [{"key": "a", "path": "p"}]}},
                    ]
                }
            },
            [f'{V}.projected: Invalid value: "c": conflicting duplicate paths'],
            id="conflict",
        ),
        pytest.param(
            {"persistentVolumeClaim": {}},
            [f"{V}.persistentVolumeClaim.claimName: Required value"],
            id="claim",
        ),
        pytest.param(
            {"ephemeral": {}}, [f"{V}.ephemeral.volumeClaimTemplate: Required value"], id="ephemeral"
        ),
        pytest.param({"image": {}}, [f"{V}.image.reference: Required value"], id="image"),
        pytest.param({"nfs": {"path": "/a"}}, [f"{V}.nfs.server: Required value"], id="nfs"),
        pytest.param(
            {"csi": {"driver": "a" * 64}},
            [f"{V}.csi.driver: Too long: may not be more than 63 bytes"],
            id="csi",
        ),
    ],
)
def test_volumes(source, expected):
    assert errors_of(volumes=[{"name": "v", **source}]) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            {"volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/a"}]},
            [f'{C}.volumeMounts[1].mountPath: Invalid value: "/a": must be unique'],
            id="one-place-twice",
        ),
        pytest.param(
            {"volumeMounts": [{"name": "v", "mountPath": "/a", "subPath": "/x/../y"}]},
            [
                f'{C}.volumeMounts.subPath: Invalid value: "/x/../y": must be a relative path',
                f"{C}.volumeMounts.subPath: Invalid value: \"/x/../y\": must not contain '..'",
            ],
            id="sub-path",
        ),
        pytest.param(
            {"volumeMounts": [{"name": "v", "mountPath": "/a", "mountPropagation": "Bidirectional"}]},
            [
                f"{C}.volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is "
                f"available only "
                "to privileged containers"
            ],
            id="propagation",
        ),
        pytest.param(
            {"volumeMounts": [{"name": "v", "mountPath": "/a", "recursiveReadOnly": "Enabled"}]},
            [f"{C}.volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true"],
            id="recursive",
        ),
        pytest.param(
            {"volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]},
            [
                f'{C}.volumeDevices[0].name: Invalid value: "v": can only use volume source type of '
                "PersistentVolumeClaim or Ephemeral for block mode"
            ],
            id="device",
        ),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]},
            [f"{C}.env[0].valueFrom.secretKeyRef.key: Required value"],
            id="no-key",
        ),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {}}]},
            [
                f'{C}.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, '
                f"`resourceFieldRef`, "
                "`configMapKeyRef`, `secretKeyRef`, or `fileKeyRef`"
            ],
            id="no-source",
        ),
        pytest.param(
            {"envFrom": [{"prefix": "A"}]},
            [f'{C}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
            id="env-from",
        ),
        pytest.param(
            {"resizePolicy": [{"resourceName": "disk", "restartPolicy": "NotRequired"}]},
            [f'{C}.resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"'],
            id="resize-policy",
        ),
        pytest.param(
            {"resources": {"requests": {"example.com/gpu": "1"}}},
            [f"{C}.resources.limits: Required value: Limit must be set for non overcommitable resources"],
            id="device-without-limit",
        ),
        pytest.param(
            {"resources": {"limits": {"disk": "1"}}},
            [
                f'{C}.resources.{which}[disk]: Invalid value: "disk": {text}'
                for which in ("limits", "requests")
                for text in (
                    "must be a standard resource type or fully qualified",
                    "must be a standard resource for containers",
                )
            ],
            id="no-such-resource",
        ),
        pytest.param(
            {"securityContext": {"runAsUser": -1}},
            [
                f"{C}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, "
                f"inclusive"
            ],
            id="user",
        ),
        pytest.param(
            {"securityContext": {"seccompProfile": {"type": "Localhost"}}},
            [
                f"{C}.securityContext.seccompProfile.localhostProfile: Required value: "
                "must be set when seccomp type is Localhost"
            ],
            id="seccomp",
        ),
        pytest.param(
            {"lifecycle": {"postStart": {"httpGet": {"port": 0}}}},
            [
                f"{C}.lifecycle.postStart.httpGet.port: Invalid value: 0: must be between 1 and 65535, "
                f"inclusive"
            ],
            id="hook-port",
        ),
        pytest.param(
            {"readinessProbe": {"grpc": {"port": 1}, "terminationGracePeriodSeconds": 1}},
            [
                f"{C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: "
                "must not be set for readinessProbes"
            ],
            id="readiness-grace",
        ),
    ],
)
def test_containers(fields, expected):
    container = {"name": "a", "image": "b:1", **fields}
    assert errors_of(volumes=[{"name": "v", "emptyDir": {}}], containers=[container]) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {
                "serviceAccountName": "",
                "volumes": [
                    {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}
                ],
            },
            [
                "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: "
                "must not be specified when serviceAccountName is not set"
            ],
            id="token-without-account",
        ),
        pytest.param(
            {"hostUsers": False, "hostNetwork": True},
            ["spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false"],
            id="own-users-and-the-host",
        ),
        pytest.param(
            {"shareProcessNamespace": True, "hostPID": True},
            [
                "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID "
                "cannot both be enabled"
            ],
            id="shared-and-host-processes",
        ),
        pytest.param(
            {"dnsConfig": {"nameservers": ["1.1.1.1"] * 4}},
            [
                'spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","1.1.1.1","1.1.1.1","1.1.1.1"]: '
                "must not have more than 3 nameservers"
            ],
            id="nameservers",
        ),
        pytest.param(
            {"hostAliases": [{"ip": "x"}]},
            [
                'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or '
                "2001:db8::ffff)"
            ],
            id="alias",
        ),
        pytest.param(
            {"schedulingGates": [{"name": "a.io/b"}, {"name": "a.io/b"}]},
            ['spec.schedulingGates[1]: Duplicate value: "a.io/b"'],
            id="gate-twice",
        ),
        pytest.param(
            {"resourceClaims": [{"name": "gpu"}]},
            [
                'spec.resourceClaims[0]: Invalid value: {"name":"gpu"}: must specify one of: '
                "`resourceClaimName`, "
                "`resourceClaimTemplateName`"
            ],
            id="claim-of-nothing",
        ),
        pytest.param(
            {
                "resources": {"requests": {"cpu": "100m"}},
                "containers": [{"name": "a", "image": "b:1", "resources": {"requests": {"cpu": "1"}}}],
            },
            [
                'spec.resources.requests[cpu]: Invalid value: "100m": must be greater than or equal to '
                "aggregate "
                "container requests of 1"
            ],
            id="pod-level-requests-too-small",
        ),
        pytest.param(
            {
                "tolerations": [
                    {
                        "key": "a",
                        "operator": "Exists",
                        "value": "b",
                        "effect": "NoSchedule",
                        "tolerationSeconds": 1,
                    }
                ]
            },
            [
                'spec.tolerations[0].effect: Invalid value: "NoSchedule": '
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
                'spec.tolerations[0].operator: Invalid value: "b": value must be empty when `operator` '
                "is 'Exists'",
            ],
            id="toleration",
        ),
        pytest.param(
            {
                "topologySpreadConstraints": [
                    {
                        "maxSkew": 1,
                        "topologyKey": "zone",
                        "whenUnsatisfiable": "ScheduleAnyway",
                        "minDomains": 1,
                    }
                ]
                * 2
            },
            [
                "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: "
                'Duplicate value: "{zone, ScheduleAnyway}"',
                "spec.topologySpreadConstraints[0].minDomains: Invalid value: 1: can only use minDomains if "
                "whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
                "spec.topologySpreadConstraints[1].minDomains: Invalid value: 1: can only use minDomains if "
                "whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
            ],
            id="spread",
        ),
    ],
)
def test_specs(spec, expected):
    assert errors_of(**spec) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(
            {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}, [], id="dual-stack"
        ),
        pytest.param(
            {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]},
            [
                'status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: '
                "may specify no more than one IP for each IP family"
            ],
            id="two-of-a-family",
        ),
        pytest.param(
            {"hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.2"}]},
            ['status.hostIPs[0].ip: Invalid value: "10.0.0.2": must be equal to `hostIP`'],
            id="host-ip",
        ),
    ],
)
def test_status(status, expected):
    old = full_pod()
    old["metadata"]["resourceVersion"] = "1"
    assert texts(validate_status_update({**old, "status": status}, old)) == expected


@pytest.mark.parametrize(
    ("cost", "fine"),
    [
        pytest.param("0", True, id="zero"),
        pytest.param("-10", True, id="negative"),
        pytest.param("1.5", False, id="fraction"),
        pytest.param("99999999999", False, id="too-large"),
    ],
)
def test_deletion_cost(cost, fine):
    pod = full_pod(serviceAccountName="default")
    pod["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": cost}
    assert (validate(pod) == []) is fine
