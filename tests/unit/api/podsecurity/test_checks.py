"""Every check of the Pod Security Standards, at the versions at which it changed."""

import pytest

from api.podsecurity.evaluate import details, violations
from api.podsecurity.level import Standard, parse_version

GOOD = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def baseline_pod(**spec) -> dict:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}], **spec}}


def restricted_pod(security=None, container=None, **spec) -> dict:
    """A pod that nothing is wrong with, but for what the arguments say."""
    pod_security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **(security or {})}
    made = {"name": "c", "securityContext": {**GOOD, **(container or {})}}
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [made], "securityContext": pod_security, **spec},
    }


def secured(**security) -> dict:
    return baseline_pod(containers=[{"name": "c", "securityContext": security}])


def with_pod_security(**security) -> dict:
    return baseline_pod(securityContext=security)


def annotated(**notes: str) -> dict:
    pod = baseline_pod()
    pod["metadata"]["annotations"] = {
        key.replace("__", "/").replace("_", "."): value for key, value in notes.items()
    }
    return pod


def found(level: str, version: str, pod: dict) -> str:
    return details(violations(Standard(level, parse_version(version)), pod))


@pytest.mark.parametrize(
    ("version", "pod", "expected"),
    [
        pytest.param("v1.0", baseline_pod(), "", id="plain"),
        pytest.param(
            "latest",
            baseline_pod(hostNetwork=True, hostPID=True, hostIPC=True),
            "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)",
            id="host-namespaces",
        ),
        pytest.param("v1.0", baseline_pod(hostNetwork=False), "", id="host-network-false"),
        pytest.param(
            "v1.0",
            baseline_pod(volumes=[{"name": "a", "hostPath": {"path": "/"}}, {"name": "b", "emptyDir": {}}]),
            'hostPath volumes (volume "a")',
            id="host-path",
        ),
        pytest.param(
            "v1.0",
            baseline_pod(volumes=[{"name": "a", "hostPath": {}}, {"name": "b", "hostPath": {}}]),
            'hostPath volumes (volumes "a", "b")',
            id="host-paths",
        ),
        pytest.param(
            "v1.0",
            baseline_pod(containers=[{"name": "c", "ports": [{"hostPort": 9090}, {"hostPort": 0}]}]),
            'hostPort (container "c" uses hostPort 9090)',
            id="host-port",
        ),
        pytest.param(
            "v1.0",
            baseline_pod(
                initContainers=[{"name": "i", "ports": [{"hostPort": 9090}]}],
                containers=[{"name": "c", "ports": [{"hostPort": 80}, {"containerPort": 1}]}],
            ),
            'hostPort (containers "i", "c" use hostPorts 80, 9090)',
            id="host-ports",
        ),
        pytest.param(
            "v1.34",
            baseline_pod(
                containers=[
                    {"name": "c", "livenessProbe": {"httpGet": {"host": "h"}}},
                    {"name": "a", "lifecycle": {"preStop": {"tcpSocket": {"host": "g"}}}},
                    {"name": "z", "readinessProbe": {"tcpSocket": {"host": ""}}},
                ]
            ),
            'probe or lifecycle host (containers "a", "c" use probe or lifecycle hosts "g", "h")',
            id="probe-hosts",
        ),
        pytest.param(
            "v1.33",
            baseline_pod(containers=[{"name": "c", "startupProbe": {"httpGet": {"host": "h"}}}]),
            "",
            id="probe-hosts-before-1.34",
        ),
        pytest.param(
            "v1.0",
            secured(privileged=True),
            'privileged (container "c" must not set securityContext.privileged=true)',
            id="privileged",
        ),
        pytest.param(
            "v1.0",
            baseline_pod(ephemeralContainers=[{"name": "e", "securityContext": {"privileged": True}}]),
            'privileged (container "e" must not set securityContext.privileged=true)',
            id="privileged-ephemeral",
        ),
        pytest.param(
            "v1.0",
            secured(capabilities={"add": ["NET_RAW", "CHOWN", "BPF"]}),
            'non-default capabilities (container "c" must not include "BPF", "NET_RAW" in '
            "securityContext.capabilities.add)",
            id="capabilities",
        ),
        pytest.param("v1.0", secured(capabilities={"add": ["CHOWN"]}), "", id="default-capabilities"),
        pytest.param(
            "v1.34",
            secured(procMount="Unmasked"),
            'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
            id="proc-mount",
        ),
        pytest.param(
            "v1.34",
            baseline_pod(
                hostUsers=False, containers=[{"name": "c", "securityContext": {"procMount": "Unmasked"}}]
            ),
            'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
            id="proc-mount-in-a-user-namespace-before-1.35",
        ),
        pytest.param(
            "v1.35",
            baseline_pod(
                hostUsers=False, containers=[{"name": "c", "securityContext": {"procMount": "Unmasked"}}]
            ),
            "",
            id="proc-mount-in-a-user-namespace",
        ),
        pytest.param(
            "v1.0",
            with_pod_security(seLinuxOptions={"type": "spc_t", "user": "u", "role": "r"}),
            'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be '
            "set; role may not be set)",
            id="selinux",
        ),
        pytest.param(
            "v1.30",
            secured(seLinuxOptions={"type": "container_engine_t"}),
            'seLinuxOptions (container "c" set forbidden securityContext.seLinuxOptions: type '
            '"container_engine_t")',
            id="selinux-engine-before-1.31",
        ),
        pytest.param(
            "v1.31", secured(seLinuxOptions={"type": "container_engine_t"}), "", id="selinux-engine"
        ),
        pytest.param("v1.0", secured(seLinuxOptions={"level": "s0"}), "", id="selinux-level"),
        pytest.param(
            "v1.18",
            annotated(seccomp_security_alpha_kubernetes_io__pod="unconfined"),
            'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")',
            id="seccomp-annotation",
        ),
        pytest.param(
            "v1.18",
            annotated(
                seccomp_security_alpha_kubernetes_io__pod="docker/default",
                container_seccomp_security_alpha_kubernetes_io__c="localhost/x",
            ),
            "",
            id="seccomp-annotations-that-are-fine",
        ),
        pytest.param(
            "v1.19",
            annotated(seccomp_security_alpha_kubernetes_io__pod="unconfined"),
            "",
            id="seccomp-annotation-since-1.19",
        ),
        pytest.param(
            "v1.19",
            baseline_pod(
                securityContext={"seccompProfile": {"type": "Unconfined"}},
                containers=[{"name": "c", "securityContext": {"seccompProfile": {"type": "Unconfined"}}}],
            ),
            'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to '
            '"Unconfined")',
            id="seccomp",
        ),
        pytest.param(
            "v1.0",
            secured(appArmorProfile={"type": "Unconfined"}),
            'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")',
            id="apparmor",
        ),
        pytest.param(
            "v1.0",
            annotated(container_apparmor_security_beta_kubernetes_io__c="unconfined"),
            "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
            '"container.apparmor.security.beta.kubernetes.io/c="unconfined"")',
            id="apparmor-annotation",
        ),
        pytest.param(
            "v1.0",
            annotated(container_apparmor_security_beta_kubernetes_io__c="localhost/p"),
            "",
            id="apparmor-annotation-that-is-fine",
        ),
        pytest.param(
            "v1.26",
            with_pod_security(
                sysctls=[{"name": "net.ipv4.ip_local_reserved_ports"}, {"name": "kernel.msgmax"}]
            ),
            "forbidden sysctls (net.ipv4.ip_local_reserved_ports, kernel.msgmax)",
            id="sysctls",
        ),
        pytest.param(
            "v1.27",
            with_pod_security(sysctls=[{"name": "net.ipv4.ip_local_reserved_ports"}]),
            "",
            id="sysctls-since-1.27",
        ),
        pytest.param(
            "v1.28",
            with_pod_security(sysctls=[{"name": "net.ipv4.tcp_keepalive_time"}]),
            "forbidden sysctls (net.ipv4.tcp_keepalive_time)",
            id="sysctls-before-1.29",
        ),
        pytest.param(
            "v1.29",
            with_pod_security(sysctls=[{"name": "net.ipv4.tcp_keepalive_time"}]),
            "",
            id="sysctls-since-1.29",
        ),
        pytest.param(
            "v1.31",
            with_pod_security(sysctls=[{"name": "net.ipv4.tcp_rmem"}]),
            "forbidden sysctls (net.ipv4.tcp_rmem)",
            id="sysctls-before-1.32",
        ),
        pytest.param(
            "latest", with_pod_security(sysctls=[{"name": "net.ipv4.tcp_rmem"}]), "", id="sysctls-latest"
        ),
        pytest.param(
            "v1.0",
            baseline_pod(
                securityContext={"windowsOptions": {"hostProcess": True}},
                containers=[{"name": "c", "securityContext": {"windowsOptions": {"hostProcess": True}}}],
            ),
            'hostProcess (pod and container "c" must not set '
            "securityContext.windowsOptions.hostProcess=true)",
            id="host-process",
        ),
    ],
)
def test_baseline(version: str, pod: dict, expected: str) -> None:
    assert found("baseline", version, pod) == expected
    assert found("privileged", version, pod) == ""


@pytest.mark.parametrize(
    ("version", "pod", "expected"),
    [
        pytest.param("latest", restricted_pod(), "", id="all-good"),
        pytest.param(
            "latest",
            baseline_pod(),
            'allowPrivilegeEscalation != false (container "c" must set '
            "securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "
            '"c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or '
            'container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" '
            'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
            id="plain-pod",
        ),
        pytest.param(
            "v1.7", restricted_pod(container={"allowPrivilegeEscalation": True}), "", id="escalation-1.7"
        ),
        pytest.param(
            "v1.8",
            restricted_pod(container={"allowPrivilegeEscalation": True}),
            'allowPrivilegeEscalation != false (container "c" must set '
            "securityContext.allowPrivilegeEscalation=false)",
            id="escalation-1.8",
        ),
        pytest.param(
            "v1.21",
            restricted_pod(container={"capabilities": {"add": ["BPF"]}}),
            'non-default capabilities (container "c" must not include "BPF" in '
            "securityContext.capabilities.add)",
            id="capabilities-1.21-are-those-of-baseline",
        ),
        pytest.param(
            "v1.22",
            restricted_pod(container={"capabilities": {"add": ["CHOWN", "NET_BIND_SERVICE"]}}),
            'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]; '
            'container "c" must not include "CHOWN" in securityContext.capabilities.add)',
            id="capabilities",
        ),
        pytest.param(
            "v1.24",
            {
                "metadata": {},
                "spec": {
                    **baseline_pod(os={"name": "windows"})["spec"],
                    "securityContext": {"runAsNonRoot": True},
                },
            },
            'allowPrivilegeEscalation != false (container "c" must set '
            "securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "
            '"c" must set securityContext.capabilities.drop=["ALL"]), seccompProfile (pod or '
            'container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
            id="windows-before-1.25",
        ),
        pytest.param(
            "v1.25",
            {
                "metadata": {},
                "spec": {
                    **baseline_pod(os={"name": "windows"})["spec"],
                    "securityContext": {"runAsNonRoot": True},
                },
            },
            "",
            id="windows",
        ),
        pytest.param(
            "v1.35",
            restricted_pod(hostUsers=False, container={"procMount": "Unmasked"}),
            'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
            id="proc-mount-in-a-user-namespace-is-told-once",
        ),
        pytest.param(
            "v1.0",
            restricted_pod(
                volumes=[{"name": "a", "hostPath": {}}, {"name": "b", "nfs": {}}, {"name": "c", "secret": {}}]
            ),
            'restricted volume types (volumes "a", "b" use restricted volume types "hostPath", "nfs")',
            id="volumes",
        ),
        pytest.param(
            "v1.0",
            restricted_pod(volumes=[{"name": "a", "novel": {}}]),
            'restricted volume types (volume "a" uses restricted volume type "unknown")',
            id="unknown-volume",
        ),
        pytest.param(
            "v1.0",
            restricted_pod(security={"runAsNonRoot": False}, container={"runAsNonRoot": False}),
            'runAsNonRoot != true (pod and container "c" must not set securityContext.runAsNonRoot=false)',
            id="root-asked-for",
        ),
        pytest.param(
            "v1.34",
            restricted_pod(security={"runAsNonRoot": None}, hostUsers=False),
            'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
            id="root-in-a-user-namespace-before-1.35",
        ),
        pytest.param(
            "latest",
            restricted_pod(security={"runAsNonRoot": None, "runAsUser": 0}, hostUsers=False),
            "",
            id="root-in-a-user-namespace",
        ),
        pytest.param("v1.22", restricted_pod(security={"runAsUser": 0}), "", id="user-0-before-1.23"),
        pytest.param(
            "v1.23",
            restricted_pod(security={"runAsUser": 0}, container={"runAsUser": 0}),
            'runAsUser=0 (pod and container "c" must not set runAsUser=0)',
            id="user-0",
        ),
        pytest.param(
            "v1.18", restricted_pod(security={"seccompProfile": None}), "", id="seccomp-not-asked-before-1.19"
        ),
        pytest.param(
            "v1.19",
            restricted_pod(security={"seccompProfile": {"type": "Unconfined"}}),
            'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
            id="seccomp-bad",
        ),
        pytest.param(
            "v1.19",
            restricted_pod(
                security={"seccompProfile": None}, container={"seccompProfile": {"type": "Localhost"}}
            ),
            "",
            id="seccomp-by-container",
        ),
        pytest.param(
            "v1.99",
            restricted_pod(hostPID=True),
            "host namespaces (hostPID=true)",
            id="a-version-of-the-future-is-the-latest",
        ),
    ],
)
def test_restricted(version: str, pod: dict, expected: str) -> None:
    assert found("restricted", version, pod) == expected


def test_several_reasons_are_in_upstreams_order() -> None:
    pod = baseline_pod(
        hostNetwork=True,
        containers=[{"name": "c", "securityContext": {"privileged": True, "procMount": "Unmasked"}}],
    )
    reasons = [violation.reason for violation in violations(Standard("restricted"), pod)]
    assert reasons == [
        "host namespaces", "privileged", "allowPrivilegeEscalation != false", "unrestricted capabilities",
        "procMount", "runAsNonRoot != true", "seccompProfile",
    ]  # fmt: skip
