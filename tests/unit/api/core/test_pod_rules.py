"""Rules of pods by area: operating systems, restarts, resizing, status, security profiles, references."""

import pytest

from api.core.pod import (
    validate,
    validate_ephemeralcontainers_update,
    validate_resize_update,
    validate_status_update,
)
from api.core.pod_restart import may_restart
from tests.unit.api.kinds_sample import full_pod, texts

C = "spec.containers[0]"


def pod(container=None, **spec):
    made = full_pod(**{"containers": [{"name": "web", "image": "nginx:1", **(container or {})}], **spec})
    metadata = {**made["metadata"], "resourceVersion": "1"}
    return {**made, "metadata": metadata}


def static(obj):
    return {**obj, "metadata": {**obj["metadata"], "annotations": {"kubernetes.io/config.mirror": "u"}}}


SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["a"]}
TERM = {"topologyKey": "zone", "matchLabelKeys": ["a"]}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(
            pod(os={"name": ""}), ["spec.os.name: Required value: cannot be empty"], id="os-without-a-name"
        ),
        pytest.param(
            pod(os={"name": "plan9"}),
            ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'],
            id="os-unknown",
        ),
        pytest.param(
            pod({"securityContext": {"windowsOptions": {"runAsUserName": "a"}}}, os={"name": "linux"}),
            [
                f"{C}.securityContext.windowsOptions: Forbidden: windows options cannot be set for a "
                f"linux pod",
            ],
            id="windows-options-on-linux",
        ),
        pytest.param(
            pod(
                {"securityContext": {"privileged": False}},
                os={"name": "windows"},
                hostPID=True,
                securityContext={"fsGroup": 1},
            ),
            [
                "spec.securityContext.fsGroup: Forbidden: cannot be set for a windows pod",
                "spec.hostPID: Forbidden: cannot be set for a windows pod",
                f"{C}.securityContext.privileged: Forbidden: cannot be set for a windows pod",
            ],
            id="linux-on-windows",
        ),
        pytest.param(
            pod(
                {
                    "securityContext": {
                        "windowsOptions": {"runAsUserName": "a\\b\\c", "gmsaCredentialSpec": ""}
                    }
                }
            ),
            [
                f'{C}.securityContext.windowsOptions.gmsaCredentialSpec: Invalid value: "": '
                f"gmsaCredentialSpec cannot "
                "be an empty string",
                f'{C}.securityContext.windowsOptions.runAsUserName: Invalid value: "a\\\\b\\\\c": '
                f"runAsUserName cannot "
                "contain more than one backslash",
            ],
            id="windows-user",
        ),
        pytest.param(
            pod({"securityContext": {"windowsOptions": {"hostProcess": True}}}),
            [
                "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any "
                "hostProcess "
                "containers"
            ],
            id="host-process",
        ),
        pytest.param(
            pod(
                {
                    "restartPolicyRules": [
                        {"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}
                    ]
                }
            ),
            [f"{C}.restartPolicy: Required value: must specify restartPolicy when restart rules are used"],
            id="rules-need-a-policy",
        ),
        pytest.param(
            pod(
                {
                    "restartPolicy": "Never",
                    "restartPolicyRules": [
                        {"action": "DoNotRestart", "exitCodes": {"operator": "Equals"}},
                        {"action": "Restart"},
                    ],
                }
            ),
            [
                f'{C}.restartPolicyRules[0].action: Unsupported value: "DoNotRestart": supported values: '
                f'"Restart", '
                '"RestartAllContainers"',
                f'{C}.restartPolicyRules[0].exitCodes.operator: Unsupported value: "Equals": supported '
                f'values: "In", '
                '"NotIn"',
                f"{C}.restartPolicyRules[1].exitCodes: Required value: must be specified",
            ],
            id="odd-rules",
        ),
        pytest.param(
            pod(initContainers=[{"name": "i", "image": "b", "restartPolicy": "Odd"}]),
            [
                'spec.initContainers[0].restartPolicy: Unsupported value: "Odd": supported values: '
                '"Always", "Never", '
                '"OnFailure"'
            ],
            id="odd-policy",
        ),
        pytest.param(
            pod({"lifecycle": {"stopSignal": "SIGUSR1"}}),
            [f"{C}.lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`"],
            id="signal-of-no-system",
        ),
        pytest.param(pod({"lifecycle": {"stopSignal": "SIGUSR1"}}, os={"name": "linux"}), [], id="signal"),
        pytest.param(
            pod({"lifecycle": {"stopSignal": "SIGUSR1"}}, os={"name": "windows"}),
            [
                f'{C}.lifecycle.stopSignal: Unsupported value: "SIGUSR1": supported values: "SIGKILL", '
                f'"SIGTERM"'
            ],
            id="signal-of-windows",
        ),
        pytest.param(
            pod({"securityContext": {"seccompProfile": {"type": "Localhost"}, "appArmorProfile": {}}}),
            [
                f"{C}.securityContext.seccompProfile.localhostProfile: Required value: must be set when "
                f"seccomp type "
                "is Localhost",
                f"{C}.securityContext.appArmorProfile.type: Required value: type is required when "
                f"appArmorProfile is "
                "set",
            ],
            id="profiles",
        ),
        pytest.param(
            pod({"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": " a"}}}),
            [
                f'{C}.securityContext.appArmorProfile.localhostProfile: Invalid value: " a": must not be '
                f"padded with "
                "whitespace"
            ],
            id="padded-profile",
        ),
        pytest.param(
            pod(hostnameOverride="a" * 65),
            ["spec.hostnameOverride: Too long: may not be more than 64 bytes"],
            id="long-host-name",
        ),
        pytest.param(
            pod({"env": [{"name": "A", "valueFrom": {"fileKeyRef": {"key": "K", "volumeName": "v"}}}]}),
            [f"{C}.env[0].valueFrom.fileKeyRef.path: Required value"],
            id="file-key",
        ),
        pytest.param(
            pod({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.odd"}}}]}),
            [
                f'{C}.env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.odd": '
                f"supported values: "
                '"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", '
                '"requests.ephemeral-storage", "requests.memory"'
            ],
            id="resource-field",
        ),
        pytest.param(
            pod(topologySpreadConstraints=[SPREAD]),
            [
                "spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when "
                "labelSelector "
                "is not set"
            ],
            id="spread-keys",
        ),
        pytest.param(
            pod(topologySpreadConstraints=[{**SPREAD, "labelSelector": {"matchLabels": {"a": "b"}}}]),
            [
                'spec.topologySpreadConstraints[0].matchLabelKeys[0]: Invalid value: "a": exists in both '
                "matchLabelKeys and labelSelector"
            ],
            id="spread-key-twice",
        ),
        pytest.param(
            pod(
                affinity={
                    "podAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": [
                            {**TERM, "labelSelector": {}, "mismatchLabelKeys": ["a"]}
                        ]
                    }
                }
            ),
            [
                "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]"
                ".matchLabelKeys[0]: "
                'Invalid value: "a": exists in both matchLabelKeys and mismatchLabelKeys'
            ],
            id="affinity-keys",
        ),
        pytest.param(
            pod(overhead={"odd": "1"}),
            [
                'spec.overhead.limits[odd]: Invalid value: "odd": must be a standard resource type or '
                "fully qualified",
                'spec.overhead.limits[odd]: Invalid value: "odd": must be a standard resource for containers',
            ],
            id="overhead",
        ),
    ],
)
def test_specs(obj, expected):
    assert texts(validate(obj)) == expected


def sized(cpu="1", **more):
    return {"resources": {"limits": {"cpu": cpu, **more}, "requests": {"cpu": cpu, **more}}}


def with_init(cpu, sidecar):
    policy = {"restartPolicy": "Always"} if sidecar else {}
    return pod(
        sized(memory="1Gi"),
        initContainers=[{"name": "i", "image": "b", **policy, **sized(cpu, memory="1Gi")}],
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(pod(sized()), pod(sized("2")), [], id="cpu"),
        pytest.param(
            static(pod(sized())),
            static(pod(sized("2"))),
            ["[]: Forbidden: static pods cannot be resized"],
            id="static",
        ),
        pytest.param(
            pod(sized(), resources={"limits": {"cpu": "2"}}),
            pod(sized(), resources={"limits": {"cpu": "3"}}),
            ["[]: Forbidden: pods with pod-level resources cannot be resized"],
            id="pod-level",
        ),
        pytest.param(
            pod(os={"name": "windows"}),
            pod(sized(), os={"name": "windows"}),
            ["[]: Forbidden: windows pods cannot be resized"],
            id="windows",
        ),
        pytest.param(
            pod(sized(memory="1Gi")),
            pod({"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}),
            [
                'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
                f"{C}.resources.limits: Forbidden: resource limits cannot be removed",
            ],
            id="limits-gone",
        ),
        pytest.param(with_init("1", True), with_init("2", True), [], id="sidecar"),
        pytest.param(
            with_init("1", False),
            with_init("2", False),
            ["spec: Forbidden: resources for non-sidecar init containers are immutable"],
            id="init",
        ),
    ],
)
def test_resize(old, new, expected):
    assert texts(validate_resize_update(new, old)) == expected


def test_static_pods_have_no_ephemeral_containers():
    old = static(pod())
    assert texts(validate_ephemeralcontainers_update(old, old)) == [
        "[]: Forbidden: static pods do not support ephemeral containers"
    ]


ENDED = {"name": "web", "state": {"terminated": {"exitCode": 3}}}
RUNS = {"name": "web", "state": {"running": {}}}
RULE = {"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}],
        "restartPolicy": "Never"}  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "before", "after", "expected"),
    [
        pytest.param(
            {"restartPolicy": "Never"},
            {"containerStatuses": [ENDED]},
            {"containerStatuses": [RUNS]},
            ["status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"],
            id="never",
        ),
        pytest.param(
            {"restartPolicy": "Never", "container": RULE},
            {"containerStatuses": [ENDED]},
            {"containerStatuses": [RUNS]},
            [],
            id="by-its-rule",
        ),
        pytest.param(
            {},
            {"ephemeralContainerStatuses": [ENDED]},
            {"ephemeralContainerStatuses": [RUNS]},
            [
                "status.ephemeralContainerStatuses[0].state: Forbidden: may not be transitioned to "
                "non-terminated "
                "state"
            ],
            id="ephemeral",
        ),
        pytest.param(
            {},
            {"qosClass": "BestEffort"},
            {"qosClass": "Burstable"},
            ['status.qosClass: Invalid value: "Burstable": field is immutable'],
            id="qos",
        ),
        pytest.param(
            {},
            {},
            {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}]},
            [
                'status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.1"}]: may specify no more '
                "than one IP "
                "for each IP family",
                'status.podIPs[1]: Duplicate value: {"ip":"10.0.0.1"}',
            ],
            id="addresses",
        ),
        pytest.param(
            {},
            {},
            {"resourceClaimStatuses": [{"name": "x"}]},
            [
                'status.resourceClaimStatuses[0].name: Invalid value: "x": must match the name of an '
                "entry in "
                "`spec.resourceClaims`"
            ],
            id="claims",
        ),
    ],
)
def test_status(spec, before, after, expected):
    others = {name: value for name, value in spec.items() if name != "container"}
    old = {**pod(spec.get("container"), **others), "status": before}
    assert texts(validate_status_update({**old, "status": after}, old)) == expected


@pytest.mark.parametrize(
    ("policy", "container", "code", "expected"),
    [
        pytest.param("Never", {}, 1, False, id="never"),
        pytest.param("OnFailure", {}, 1, True, id="failure"),
        pytest.param("OnFailure", {}, 0, False, id="success"),
        pytest.param("Always", {"restartPolicy": "Never"}, 0, False, id="own-policy"),
        pytest.param("Never", RULE, 3, True, id="rule"),
        pytest.param("Never", RULE, 4, False, id="other-code"),
    ],
)
def test_what_may_restart(policy, container, code, expected):
    spec = {"restartPolicy": policy, "containers": [container]}
    assert may_restart(spec, container, code) is expected
