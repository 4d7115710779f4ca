import pytest

from nodeagent.cri import convert, observe
from nodeagent.cri.convert import BindMount, ContainerSettings, SandboxSettings
from nodeagent.cri.errors import CRIError
from nodeagent.hosts import DNSConfig
from nodeagent.pod.hash import spec_hash
from nodeagent.pod.observed import State
from nodeagent.resources import Limits
from proto.gen.cri import runtime_v1_pb2 as cri


def pod(*containers, **spec):
    metadata = {"name": "p", "namespace": "d", "uid": "u", "labels": {"app": "x"}, "annotations": {"n": "1"}}
    return {"metadata": metadata, "spec": {"containers": list(containers) or [{"name": "a"}], **spec}}


def sandbox(spec):
    return convert.sandbox_config(spec, SandboxSettings(2, "host", "/logs", "/cg", DNSConfig(("9.9.9.9",))))


def container(spec, one=None, **more):
    values = {"attempt": 1, "image_ref": "sha", "command": ("run",), "args": ("x",), "env": (("K", "v"),),
              "mounts": (), "limits": Limits(2, 1000, 64, 500), **more}  # fmt: skip
    return convert.container_config(spec, one or spec["spec"]["containers"][0], ContainerSettings(**values))


def security(spec):
    return container(spec).linux.security_context


def test_sandbox_identity():
    config = sandbox(pod())
    assert (config.metadata.uid, config.metadata.attempt, config.hostname) == ("u", 2, "host")
    assert dict(config.labels) == {
        "app": "x",
        "io.kubernetes.pod.name": "p",
        "io.kubernetes.pod.namespace": "d",
        "io.kubernetes.pod.uid": "u",
    }
    assert list(config.dns_config.servers) == ["9.9.9.9"]
    assert config.linux.cgroup_parent == "/cg"


def test_host_network_has_neither_name_nor_ports():
    ports = [{"containerPort": 80, "hostPort": 80}]
    config = sandbox(pod({"name": "a", "ports": ports}, hostNetwork=True))
    assert config.hostname == ""
    assert not config.port_mappings
    assert config.linux.security_context.namespace_options.network == cri.NODE


def test_ports_of_containers_and_sidecars_are_mapped():
    side = {"name": "s", "restartPolicy": "Always", "ports": [{"containerPort": 1, "protocol": "UDP"}]}
    main = {"name": "a", "ports": [{"containerPort": 80, "hostPort": 8080, "hostIP": "1.2.3.4"}]}
    mappings = sandbox(pod(main, initContainers=[side])).port_mappings
    assert [(one.protocol, one.container_port, one.host_port, one.host_ip) for one in mappings] == [
        (cri.UDP, 1, 0, ""),
        (cri.TCP, 80, 8080, "1.2.3.4"),
    ]


def test_container_identity_and_process():
    config = container(pod({"name": "a", "workingDir": "/w", "tty": True}))
    assert (config.metadata.name, config.metadata.attempt, config.log_path) == ("a", 1, "a/1.log")
    assert (list(config.command), list(config.args), config.working_dir) == (["run"], ["x"], "/w")
    assert [(one.key, one.value) for one in config.envs] == [("K", "v")]
    assert config.tty
    assert config.linux.resources.oom_score_adj == 500
    assert config.annotations["io.kubernetes.container.restartCount"] == "1"
    assert config.annotations["pelamis.dev/container-kind"] == "app"


def test_mounts():
    mount = BindMount("/host", "/inside", True, "HostToContainer", True)
    (found,) = container(pod(), mounts=(mount,)).mounts
    assert (found.host_path, found.container_path, found.readonly) == ("/host", "/inside", True)
    assert found.propagation == cri.PROPAGATION_HOST_TO_CONTAINER
    assert found.recursive_read_only


@pytest.mark.parametrize(
    ("spec", "pid"),
    [
        (pod(), cri.CONTAINER),
        (pod(shareProcessNamespace=True), cri.POD),
        (pod(hostPID=True), cri.NODE),
    ],
)
def test_pid_namespace(spec, pid):
    assert security(spec).namespace_options.pid == pid


def test_ephemeral_containers_see_their_target():
    options = container(pod(), target_id="t").linux.security_context.namespace_options
    assert (options.pid, options.target_id) == (cri.TARGET, "t")


def test_the_containers_user_wins_over_the_pods():
    own = {"name": "a", "securityContext": {"runAsUser": 2, "readOnlyRootFilesystem": True}}
    found = security(pod(own, securityContext={"runAsUser": 1, "runAsGroup": 3, "fsGroup": 4}))
    assert (found.run_as_user.value, found.run_as_group.value) == (2, 3)
    assert list(found.supplemental_groups) == [4]
    assert found.readonly_rootfs


def test_unset_users_are_not_sent():
    assert not security(pod()).HasField("run_as_user")


@pytest.mark.parametrize(
    ("own", "masked"), [({}, True), ({"privileged": True}, False), ({"procMount": "Unmasked"}, False)]
)
def test_masked_paths(own, masked):
    assert bool(security(pod({"name": "a", "securityContext": own})).masked_paths) is masked


@pytest.mark.parametrize(
    ("profile", "kind"),
    [
        (None, cri.SecurityProfile.Unconfined),
        ({"type": "RuntimeDefault"}, cri.SecurityProfile.RuntimeDefault),
        ({"type": "Localhost", "localhostProfile": "p.json"}, cri.SecurityProfile.Localhost),
    ],
)
def test_seccomp(profile, kind):
    spec = pod(securityContext={"seccompProfile": profile} if profile else {})
    assert security(spec).seccomp.profile_type == kind


def test_no_new_privileges_and_capabilities():
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}
    found = security(pod({"name": "a", "securityContext": own}))
    assert found.no_new_privs
    assert list(found.capabilities.drop_capabilities) == ["ALL"]
    assert list(found.capabilities.add_capabilities) == ["NET_ADMIN"]


def test_an_absent_limit_is_said_in_a_resize():
    found = convert.linux_resources(Limits(shares=5))
    assert (found.cpu_quota, found.memory_limit_in_bytes, found.cpu_shares) == (-1, -1, 5)


def test_observed_attempt():
    status = cri.ContainerStatus(
        id="c", metadata=cri.ContainerMetadata(name="a", attempt=1), state=cri.CONTAINER_EXITED,
        created_at=1_000_000_000, finished_at=-1, exit_code=3,
        annotations={"io.kubernetes.container.restartCount": "4", "io.kubernetes.container.hash": "h"},
    )  # fmt: skip
    seen = observe.container_observed(status, "s", "bye")
    assert (seen.name, seen.state, seen.restarts, seen.spec_hash) == ("a", State.EXITED, 4, "h")
    assert seen.created_at is not None
    assert seen.created_at.timestamp() == 1
    assert seen.finished_at is None
    assert seen.message == "bye"
    assert seen.failed


def test_hash_is_of_name_and_image():
    one = {"name": "a", "image": "x"}
    assert spec_hash(one) == spec_hash({**one, "env": []})
    assert spec_hash(one) != spec_hash({**one, "image": "y"})


def test_errors_speak_as_go_does():
    error = CRIError("no such thing", "NOT_FOUND")
    assert error.rpc_text == "rpc error: code = NotFound desc = no such thing"
    assert error.not_found
    assert not error.retryable
    assert CRIError("x", "UNAVAILABLE").retryable
