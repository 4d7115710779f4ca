"""What a pod does on a node: order of containers, probes, restarts, environment, volumes, limits, endings."""

import base64
import json
import shlex
from datetime import datetime

import pytest

from tests.e2e.harness import BUSYBOX, eventually
from tests.e2e.space import FOREVER, PYTHON, Space, conditions, container, pod, state, with_python

SHARED = [{"name": "shared", "mountPath": "/shared"}]
EMPTY = [{"name": "shared", "emptyDir": {}}]


def _time(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


# -- order


def _told(space: Space, reasons: set[str]) -> dict[str, list[str]]:
    """Wait for Events with all these reasons; they come a moment after what they tell of."""

    def read() -> dict[str, list[str]] | None:
        found: dict[str, list[str]] = {}
        for event in space.items("events"):
            found.setdefault(event["reason"], []).append(event["message"])
        return found if reasons <= set(found) else None

    messages: dict[str, list[str]] = eventually(read, f"events {sorted(reasons)}")
    return messages


def test_init_containers_run_one_after_the_other(space):
    inits = [
        container("echo one >> /shared/order", "one", volumeMounts=SHARED),
        container("echo two >> /shared/order", "two", volumeMounts=SHARED),
    ]
    main = container(f"echo main >> /shared/order; {FOREVER}", volumeMounts=SHARED)
    (one,) = space.run(pod("ordered", main, initContainers=inits, volumes=EMPTY))
    assert space.exec("ordered", "cat /shared/order") == "one\ntwo\nmain\n"
    done = [c["state"]["terminated"] for c in one["status"]["initContainerStatuses"]]
    assert [d["reason"] for d in done] == ["Completed", "Completed"]
    assert _time(done[0]["finishedAt"]) <= _time(done[1]["startedAt"])
    assert conditions(one)["Initialized"] == "True"


def test_a_failing_init_container_holds_the_pod(space):
    space.create("pods", pod("held", initContainers=[container("exit 3", "bad")]))
    one = space.wait(
        "held",
        lambda p: p["status"].get("initContainerStatuses", [{}])[0].get("restartCount", 0) >= 1,
        "restarts its init container",
    )
    assert one["status"]["phase"] == "Pending"
    assert "running" not in state(one)["state"]
    space.create("pods", pod("never", initContainers=[container("exit 3", "bad")], restartPolicy="Never"))
    ended = space.phase("never", "Failed")
    assert ended["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


def test_a_sidecar_starts_first_and_ends_last(space, tmp_path):
    side = container(
        "trap 'echo side-ends >> /shared/order; exit 0' TERM; echo side >> /shared/order; "
        "while :; do sleep 1 & wait $!; done",
        "side",
        restartPolicy="Always",
        volumeMounts=SHARED,
    )
    main = container(
        "echo main >> /shared/order; sleep 1; echo main-ends >> /shared/order", volumeMounts=SHARED
    )
    folder = [{"name": "shared", "hostPath": {"path": str(tmp_path)}}]
    job = pod("job", main, initContainers=[side], restartPolicy="Never", volumes=folder)
    job["spec"]["terminationGracePeriodSeconds"] = 5
    space.create("pods", job)
    one = space.phase("job", "Succeeded")
    assert one["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    order = (tmp_path / "order").read_text().split()
    assert order == ["side", "main", "main-ends", "side-ends"]


# -- probes and restarts


def test_a_failed_liveness_probe_restarts_with_back_off(space):
    probe = {"exec": {"command": ["test", "-f", "/tmp/alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    main = container(f"touch /tmp/alive; {FOREVER}", livenessProbe=probe)
    space.run(pod("mortal", main))
    space.exec("mortal", "rm /tmp/alive")
    one = space.wait("mortal", lambda p: state(p)["restartCount"] == 1 and state(p)["ready"], "restarts")
    assert "terminated" in state(one)["lastState"]
    space.exec("mortal", "rm /tmp/alive")
    space.reason("mortal", "CrashLoopBackOff")
    messages = _told(space, {"Unhealthy", "BackOff"})
    assert any("Liveness probe failed" in text for text in messages["Unhealthy"])


def test_crashes_back_off_longer_each_time(space):
    space.create("pods", pod("crashes", container("exit 9")))
    one = space.wait("crashes", lambda p: state(p)["restartCount"] >= 1, "is restarted")
    assert state(one)["lastState"]["terminated"]["exitCode"] == 9
    one = space.reason("crashes", "CrashLoopBackOff")
    assert "back-off" in state(one)["state"]["waiting"]["message"]
    assert one["status"]["phase"] == "Running"
    assert conditions(one)["ContainersReady"] == "False"


@pytest.mark.parametrize(
    "action",
    [
        pytest.param({"exec": {"command": ["test", "-f", "/www/index.html"]}}, id="exec"),
        pytest.param({"httpGet": {"path": "/index.html", "port": 8080}}, id="http"),
        pytest.param({"tcpSocket": {"port": 8080}}, id="tcp"),
    ],
)
def test_startup_probes_hold_the_others_back(space, action):
    serve = "sleep 2; mkdir /www; echo hi > /www/index.html; httpd -f -p 8080 -h /www"
    main = container(
        serve,
        startupProbe={**action, "periodSeconds": 1, "failureThreshold": 30},
        livenessProbe={**action, "periodSeconds": 1, "failureThreshold": 1},
    )
    space.create("pods", pod("slow", main))
    early = space.wait("slow", lambda p: "running" in state(p)["state"], "runs")
    assert state(early)["started"] is False
    one = space.ready("slow")
    assert state(one)["started"] is True
    assert state(one)["restartCount"] == 0


def test_a_failed_startup_probe_restarts(space):
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2}
    space.create("pods", pod("stuck", container(startupProbe=probe)))
    space.wait("stuck", lambda p: state(p)["restartCount"] >= 1, "is restarted")


def test_restart_policies_and_phases(space):
    once = container("if [ -f /shared/x ]; then exit 0; fi; touch /shared/x; exit 1", volumeMounts=SHARED)
    space.create("pods", pod("again", once, restartPolicy="OnFailure", volumes=EMPTY))
    space.create("pods", pod("fine", container("echo ok > /dev/termination-log"), restartPolicy="Never"))
    space.create("pods", pod("broken", container("exit 4"), restartPolicy="Never"))
    assert state(space.phase("again", "Succeeded"))["restartCount"] == 1
    fine = space.phase("fine", "Succeeded")
    assert (
        state(fine)["state"]["terminated"] | {"exitCode": 0, "reason": "Completed", "message": "ok\n"}
        == (state(fine)["state"]["terminated"])
    )
    broken = space.phase("broken", "Failed")
    assert state(broken)["state"]["terminated"]["exitCode"] == 4
    assert state(broken)["state"]["terminated"]["reason"] == "Error"
    assert conditions(broken)["Ready"] == "False"


# -- what cannot start


def test_a_missing_image_backs_off(space):
    main = {"name": "main", "image": "localhost:1/no/such:image", "imagePullPolicy": "IfNotPresent"}
    space.create("pods", pod("noimage", main))
    one = space.wait(
        "noimage",
        lambda p: state(p)["state"]["waiting"]["reason"] in ("ErrImagePull", "ImagePullBackOff"),
        "fails to pull",
    )
    assert one["status"]["phase"] == "Pending"
    one = space.reason("noimage", "ImagePullBackOff")
    assert "localhost:1/no/such:image" in state(one)["state"]["waiting"]["message"]
    _told(space, {"Pulling", "Failed", "BackOff"})
    space.create("pods", pod("neverpull", {**main, "imagePullPolicy": "Never"}))
    space.reason("neverpull", "ErrImageNeverPull")


def test_missing_configuration_is_named_and_healed(space):
    main = container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "a"}}}])
    space.create("pods", pod("waits", main))
    one = space.reason("waits", "CreateContainerConfigError")
    assert 'configmap "later" not found' in state(one)["state"]["waiting"]["message"]
    space.create("configmaps", {"metadata": {"name": "later"}, "data": {"a": "found"}})
    space.ready("waits")
    assert space.exec("waits", "echo $A") == "found\n"


def test_a_pod_that_fits_nowhere_says_why(space):
    space.create("pods", pod("huge", container(resources={"requests": {"cpu": "1000"}})))
    one = space.wait("huge", lambda p: conditions(p).get("PodScheduled") == "False", "cannot be scheduled")
    (condition,) = [c for c in one["status"]["conditions"] if c["type"] == "PodScheduled"]
    assert condition["reason"] == "Unschedulable"
    assert "0/3 nodes are available: 3 Insufficient cpu" in condition["message"]


# -- environment and volumes


def test_environment(space):
    space.create("configmaps", {"metadata": {"name": "settings"}, "data": {"color": "blue", "SIZE": "7"}})
    space.create("secrets", {"metadata": {"name": "keys"}, "stringData": {"TOKEN": "s3cret"}})

    def field(name, path):
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    main = container(
        resources={"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}},
        envFrom=[{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}, "prefix": "P_"}],
        env=[
            {"name": "PLAIN", "value": "x"},
            {"name": "JOINED", "value": "$(PLAIN)-$(color)-$$(PLAIN)"},
            field("NAME", "metadata.name"),
            field("SPACE", "metadata.namespace"),
            field("ON", "spec.nodeName"),
            field("IP", "status.podIP"),
            field("HOST", "status.hostIP"),
            field("LABEL", "metadata.labels['app']"),
            field("ACCOUNT", "spec.serviceAccountName"),
            {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
        ],
    )
    (one,) = space.run(pod("env", main))
    found = dict(line.partition("=")[::2] for line in space.exec("env", "env").splitlines())
    expected = {
        "color": "blue",
        "SIZE": "7",
        "P_TOKEN": "s3cret",
        "JOINED": "x-blue-$(PLAIN)",
        "NAME": "env",
        "SPACE": space.name,
        "ON": one["spec"]["nodeName"],
        "IP": one["status"]["podIP"],
        "HOST": one["status"]["hostIP"],
        "LABEL": "env",
        "ACCOUNT": "default",
        "MEMORY": str(64 << 20),
        "HOSTNAME": "env",
    }
    assert found | expected == found
    assert "KUBERNETES_SERVICE_HOST" in found


def test_volumes_of_configuration(space):
    space.create("configmaps", {"metadata": {"name": "files"}, "data": {"a.txt": "one", "b.txt": "two"}})
    data = {"key": base64.b64encode(b"\x00\x01bin").decode()}
    space.create("secrets", {"metadata": {"name": "keys"}, "data": data})
    projected = {
        "sources": [
            {"serviceAccountToken": {"path": "token", "audience": "tests", "expirationSeconds": 3600}},
            {"configMap": {"name": "files", "items": [{"key": "a.txt", "path": "deep/a"}]}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        ]
    }
    main = container(
        volumeMounts=[
            {"name": "files", "mountPath": "/files"},
            {"name": "files", "mountPath": "/single/b", "subPath": "b.txt"},
            {"name": "keys", "mountPath": "/keys", "readOnly": True},
            {"name": "all", "mountPath": "/all"},
        ]
    )
    volumes = [
        {"name": "files", "configMap": {"name": "files"}},
        {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
        {"name": "all", "projected": projected},
    ]
    space.run(pod("volumes", main, volumes=volumes))
    assert space.exec("volumes", "cat /files/a.txt /files/b.txt /single/b /all/deep/a") == "onetwotwoone"
    assert space.exec("volumes", "od -An -tx1 /keys/key").split() == ["00", "01", "62", "69", "6e"]
    assert space.exec("volumes", "stat -L -c %a /keys/key").strip() == "400"
    assert 'app="volumes"' in space.exec("volumes", "cat /all/labels")
    assert space.exec("volumes", "cat /all/token").count(".") == 2
    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert sorted(space.exec("volumes", f"ls {token}").split()) == ["ca.crt", "namespace", "token"]
    space.patch("configmaps", "files", {"data": {"a.txt": "changed"}})
    eventually(
        lambda: space.exec("volumes", "cat /files/a.txt /all/deep/a") == "changedchanged",
        "the change of the ConfigMap reaches the container",
        90,
    )


def test_an_empty_dir_is_shared_and_outlives_a_container(space):
    writer = container(f"echo $RANDOM >> /shared/starts; {FOREVER}", "writer", volumeMounts=SHARED)
    reader = container(volumeMounts=SHARED)
    memory = [{"name": "shared", "emptyDir": {"medium": "Memory"}}]
    space.run(pod("two", writer, reader, volumes=memory))
    assert space.exec("two", "wc -l < /shared/starts").strip() == "1"
    assert "tmpfs" in space.exec("two", "grep ' /shared ' /proc/mounts")
    # The kernel ends the shell of this exec too, if it is there when the container's first one dies.
    space.exec("two", "kill 1", "writer", check=False)
    space.wait(
        "two", lambda p: state(p, "writer")["restartCount"] == 1 and state(p, "writer")["ready"], "restarts"
    )
    assert space.exec("two", "wc -l < /shared/starts").strip() == "2"


def test_host_path(space, tmp_path):
    (tmp_path / "given").write_text("from the host")
    tmp_path.chmod(0o755)
    volumes = [{"name": "shared", "hostPath": {"path": str(tmp_path), "type": "Directory"}}]
    space.run(pod("host", container(volumeMounts=SHARED), volumes=volumes))
    assert space.exec("host", "cat /shared/given; echo back > /shared/made") == "from the host"
    assert (tmp_path / "made").read_text() == "back\n"


# -- resources and security


def test_limits_reach_the_cgroup(space):
    limits = {"limits": {"cpu": "250m", "memory": "48Mi"}, "requests": {"cpu": "100m", "memory": "32Mi"}}
    space.run(pod("limited", container(resources=limits)))
    memory = space.exec(
        "limited",
        "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes",
    )
    assert int(memory) == 48 << 20
    cpu = space.exec(
        "limited",
        "cat /sys/fs/cgroup/cpu.max 2>/dev/null || "
        "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us",
    )
    quota, period = map(int, cpu.split())
    assert quota / period == 0.25


def test_too_much_memory_is_an_oom_kill(space):
    eat = "tail -c 200m /dev/zero > /dev/null; exit $?"
    limits = {"limits": {"memory": "24Mi"}}
    main = {"name": "main", "image": BUSYBOX, "command": ["sh", "-c", f"exec {eat}"], "resources": limits}
    space.create("pods", pod("greedy", main, restartPolicy="Never"))
    ended = state(space.phase("greedy", "Failed"))["state"]["terminated"]
    assert ended["exitCode"] == 137
    assert ended["reason"] == "OOMKilled"


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        pytest.param({}, "BestEffort", id="best-effort"),
        pytest.param({"requests": {"cpu": "10m"}}, "Burstable", id="burstable"),
        pytest.param({"limits": {"cpu": "10m", "memory": "32Mi"}}, "Guaranteed", id="guaranteed"),
    ],
)
def test_quality_of_service(space, resources, qos):
    space.create("pods", pod("qos", container(resources=resources), nodeName="none"))
    assert space.get("pods", "qos")["status"]["qosClass"] == qos
    space.delete("pods", "qos", gracePeriodSeconds=0)


def test_security_context(space):
    main = container(
        securityContext={
            "runAsUser": 1234,
            "runAsGroup": 55,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    )
    space.run(pod("secure", main, securityContext={"fsGroup": 77, "supplementalGroups": [88]}))
    assert space.exec("secure", "id -u; id -g; id -G").split()[:2] == ["1234", "55"]
    assert {"55", "77", "88"} <= set(space.exec("secure", "id -G").split())
    assert "Read-only" in space.exec("secure", "touch /x 2>&1; true")
    status = space.exec("secure", "cat /proc/self/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    root = container(securityContext={"runAsNonRoot": True})
    space.create("pods", pod("root", root))
    one = space.reason("root", "CreateContainerConfigError")
    assert "runAsNonRoot" in state(one)["state"]["waiting"]["message"]


# -- endings


def test_a_pod_ends_gracefully(space, tmp_path):
    tmp_path.chmod(0o777)
    main = container(
        "trap 'echo term >> /shared/order; exit 0' TERM; while :; do sleep 1 & wait $!; done",
        lifecycle={
            "postStart": {"exec": {"command": ["sh", "-c", "echo post-start >> /shared/order"]}},
            "preStop": {"exec": {"command": ["sh", "-c", "echo pre-stop >> /shared/order; sleep 1"]}},
        },
        volumeMounts=SHARED,
    )
    volumes = [{"name": "shared", "hostPath": {"path": str(tmp_path)}}]
    space.run(pod("polite", main, volumes=volumes, terminationGracePeriodSeconds=20))
    space.delete("pods", "polite")
    leaving = space.get("pods", "polite")
    assert leaving["metadata"]["deletionGracePeriodSeconds"] == 20
    eventually(lambda: space.is_gone("pods", "polite"), "the pod is gone", 15)
    assert (tmp_path / "order").read_text().split() == ["post-start", "pre-stop", "term"]


def test_a_deaf_pod_is_killed_after_its_grace_period(space, tmp_path):
    tmp_path.chmod(0o777)
    main = container(
        "trap '' TERM; while :; do date +%s > /shared/last; sleep 0.2; done", volumeMounts=SHARED
    )
    volumes = [{"name": "shared", "hostPath": {"path": str(tmp_path)}}]
    space.run(pod("deaf", main, volumes=volumes, terminationGracePeriodSeconds=2))
    asked = _time(space.delete("pods", "deaf")["metadata"]["deletionTimestamp"]).timestamp() - 2
    eventually(lambda: space.is_gone("pods", "deaf"), "the pod is gone", 20)
    assert 1 <= int((tmp_path / "last").read_text()) - asked <= 5


def test_a_deadline_ends_a_pod(space):
    space.create("pods", pod("late", activeDeadlineSeconds=2))
    one = space.phase("late", "Failed")
    assert one["status"]["reason"] == "DeadlineExceeded"


# -- identity


ASK = """
import json, ssl, sys, urllib.error, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
path, body = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
request = urllib.request.Request("https://kubernetes.default.svc" + path, body and body.encode())
request.add_header("Authorization", "Bearer " + open(folder + "token").read())
request.add_header("Content-Type", "application/json")
try:
    print(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=folder + "ca.crt"),
                                 timeout=10).read().decode())
except urllib.error.HTTPError as error:
    print(error.read().decode())
"""


def test_a_pod_asks_the_api_with_its_own_token(space):
    """With the machine's own Python, since busybox cannot verify certificates."""
    (one,) = space.run(with_python(pod("asks")))

    def ask(*words):
        return json.loads(space.exec("asks", shlex.join([PYTHON, "-I", "-c", ASK, *words])))

    review = '{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}'
    user = ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)["status"]["userInfo"]
    assert user["username"] == f"system:serviceaccount:{space.name}:default"
    assert user["extra"]["authentication.kubernetes.io/pod-uid"] == [one["metadata"]["uid"]]
    pods = f"/api/v1/namespaces/{space.name}/pods"
    assert ask(pods)["reason"] == "Forbidden"
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": space.name}],
    }
    space.cluster.call(
        "POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space.name}/rolebindings", binding
    )
    found = eventually(lambda: ask(pods).get("items"), "the role reaches the pod")
    assert [item["metadata"]["name"] for item in found] == ["asks"]
