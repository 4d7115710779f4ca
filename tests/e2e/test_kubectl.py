"""Stock kubectl of every version on the machine, doing its everyday work on real containers."""

import json
import socket
import subprocess
import time
import urllib.request

import pytest

from tests.e2e.harness import BUSYBOX, Failed, eventually, kubectls, run

WEB = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {{app: web}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: {BUSYBOX}
        command: [sh, -c, "mkdir /www; hostname > /www/index.html; echo serving; httpd -f -p 8080 -h /www"]
        ports: [{{name: http, containerPort: 8080}}]
        readinessProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"""


KUBECTLS = kubectls()
# The oldest and the newest kubectl do everything; those between do the everyday list.
ENDS = sorted({min(KUBECTLS), max(KUBECTLS)}) if KUBECTLS else []
EVERYDAY = {
    "test_apply_again_changes_nothing",
    "test_get_in_its_forms",
    "test_logs",
    "test_exec_keeps_streams_and_exit_codes_apart",
    "test_port_forward",
    "test_rollout_and_undo",
    "test_delete_waits_until_it_is_gone",
}


def pytest_generate_tests(metafunc):
    if "user" in metafunc.fixturenames:
        minors = list(KUBECTLS) if metafunc.function.__name__ in EVERYDAY else ENDS
        metafunc.parametrize("user", minors, indirect=True, scope="module", ids=[f"1.{m}" for m in minors])


@pytest.fixture(scope="module")
def user(request, cluster):
    """The cluster through one kubectl, with the web Deployment applied in a namespace of its own."""
    mine = cluster.with_kubectl(KUBECTLS[request.param])
    mine.minor = request.param
    with mine.namespace(f"kubectl-{mine.minor}") as namespace:
        mine.namespace_name = namespace
        mine.apply(WEB, "-n", namespace)
        mine.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=90s")
        yield mine


def test_there_is_a_kubectl():
    assert KUBECTLS, "no kubectl on this machine: apt-get install kubernetes-client"


def _k(user, *words, **more):
    return user.kubectl("-n", user.namespace_name, *words, **more)


def test_apply_again_changes_nothing(user):
    assert "deployment.apps/web unchanged" in user.apply(WEB, "-n", user.namespace_name)


def test_get_in_its_forms(user):
    assert "2/2" in _k(user, "get", "deployment", "web")
    wide = _k(user, "get", "pods", "-o", "wide", "-l", "app=web")
    assert "node-" in wide
    assert wide.splitlines()[0].split()[:5] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert "kind: Deployment" in _k(user, "get", "deploy/web", "-o", "yaml")
    assert _k(user, "get", "pods", "-o", "jsonpath={.items[*].status.phase}") == "Running Running"
    assert "app=web" in _k(user, "get", "pods", "--show-labels")
    assert _k(user, "get", "pods", "-l", "app=none").strip() == ""
    assert len(_k(user, "get", "po,svc,deploy,rs", "-o", "name").split()) == 5


def test_watch_shows_a_change(user):
    with user.follow("get", "pods", "-w", "-n", user.namespace_name, "-o", "name") as lines:
        lines.until("pod/web-")
        _k(user, "run", "seen", f"--image={BUSYBOX}", "--restart=Never", "--", "sleep", "60")
        lines.until("pod/seen")
    _k(user, "delete", "pod", "seen", "--grace-period=0", "--force")


def test_describe(user):
    text = _k(user, "describe", "deployment", "web")
    assert "ScalingReplicaSet" in text
    pod = _k(user, "get", "pods", "-l", "app=web", "-o", "name").split()[0]
    text = eventually(
        lambda: (
            (found := _k(user, "describe", pod)) and "Started" in found and "Scheduled" in found and found
        ),
        "events of the pod",
    )
    assert "Controlled By:  ReplicaSet/web-" in text
    assert "node-1" in user.kubectl("describe", "node", "node-1")
    assert "Endpoints:" in _k(user, "describe", "service", "web")


def test_logs(user):
    pod = _k(user, "get", "pods", "-l", "app=web", "-o", "name").split()[0]
    assert _k(user, "logs", pod) == "serving\n"
    assert _k(user, "logs", "-l", "app=web", "--tail=1").count("serving") == 2
    stamped = _k(user, "logs", pod, "--timestamps")
    assert stamped.endswith("Z serving\n") or "+" in stamped
    with user.follow("logs", "-f", pod, "-n", user.namespace_name) as lines:
        lines.until("serving")
        _k(user, "exec", pod, "--", "sh", "-c", "echo more > /proc/1/fd/1")
        lines.until("more")


def test_exec_keeps_streams_and_exit_codes_apart(user):
    pod = _k(user, "get", "pods", "-l", "app=web", "-o", "name").split()[0]
    words = [*user.command, "exec", "-i", pod, "-n", user.namespace_name, "--", "sh", "-c"]
    done = subprocess.run(
        [*words, "cat; echo out; echo err >&2; exit 7"],
        input="from stdin\n",
        capture_output=True,
        text=True,
        env=user.environment,
        timeout=30,
    )
    assert done.stdout == "from stdin\nout\n"
    # kubectl 1.30 and 1.31 may log that the server's greeting on stdout came before they listened.
    told = [
        line for line in done.stderr.splitlines() if "Unknown stream id 1, discarding message" not in line
    ]
    assert told[0] == "err"
    assert done.returncode == 7


def test_exec_with_a_terminal(user):
    pod = _k(user, "get", "pods", "-l", "app=web", "-o", "name").split()[0]
    line = f"{' '.join(user.command)} exec -it {pod} -n {user.namespace_name} -- sh -c 'tty; stty size'"
    printed = run(
        ["script", "-qec", line, "/dev/null"], env={**user.environment, "COLUMNS": "80", "LINES": "24"}
    )
    assert "/dev/pts/0" in printed


def test_a_big_stream_arrives_whole(user):
    pod = _k(user, "get", "pods", "-l", "app=web", "-o", "name").split()[0]
    out = _k(
        user, "exec", pod, "--", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done"
    )
    assert out.count("\n") == 20000


def test_port_forward(user):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["port-forward", "deployment/web", f"{port}:8080", "-n", user.namespace_name]
    with user.follow(*words) as lines:
        lines.until("Forwarding from 127.0.0.1")
        for _ in range(5):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                assert answer.read().startswith(b"web-")


def test_cp(user, tmp_path):
    pod = _k(user, "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
    source, back = tmp_path / "a", tmp_path / "b"
    source.write_bytes(bytes(range(256)) * 4096)
    _k(user, "cp", str(source), f"{pod}:/tmp/a")
    _k(user, "cp", f"{pod}:/tmp/a", str(back))
    assert back.read_bytes() == source.read_bytes()


def test_scale_and_wait(user):
    _k(user, "scale", "deployment/web", "--replicas=4")
    _k(user, "rollout", "status", "deployment/web", "--timeout=60s")
    assert len(_k(user, "get", "pods", "-l", "app=web", "-o", "name").split()) == 4
    _k(user, "scale", "deployment/web", "--replicas=2")
    eventually(
        lambda: len(_k(user, "get", "pods", "-l", "app=web", "-o", "name").split()) == 2, "two pods left"
    )


def _environments(user):
    """Return what each pod that is not on its way out has in its environment."""
    running = user.items("pods", "-l", "app=web", "-n", user.namespace_name)
    names = [p["metadata"]["name"] for p in running if "deletionTimestamp" not in p["metadata"]]
    return [_k(user, "exec", name, "--", "env") for name in names]


def test_rollout_and_undo(user):
    _k(user, "set", "env", "deployment/web", "COLOR=blue")
    _k(user, "rollout", "status", "deployment/web", "--timeout=60s")
    assert all("COLOR=blue" in text for text in _environments(user))
    assert len(_k(user, "rollout", "history", "deployment/web").strip().splitlines()) >= 4
    _k(user, "rollout", "undo", "deployment/web")
    _k(user, "rollout", "status", "deployment/web", "--timeout=60s")
    assert not any("COLOR=blue" in text for text in _environments(user))


def test_patch_label_annotate_edit(user):
    _k(user, "label", "deployment/web", "tier=front")
    _k(user, "annotate", "deployment/web", "note=hello world")
    _k(
        user,
        "patch",
        "deployment/web",
        "--type=json",
        "-p",
        '[{"op":"remove","path":"/metadata/labels/tier"}]',
    )
    _k(user, "patch", "deployment/web", "-p", '{"metadata":{"labels":{"tier":"back"}}}')
    found = json.loads(_k(user, "get", "deployment/web", "-o", "json"))
    assert found["metadata"]["labels"] == {"app": "web", "tier": "back"}


def test_server_side_apply_and_its_conflict(user):
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata: {a: '%s'}\n"
    _k(user, "apply", "--server-side", "--field-manager=one", "-f", "-", text=manifest % 1)
    with pytest.raises(Failed, match="conflict"):
        _k(user, "apply", "--server-side", "--field-manager=two", "-f", "-", text=manifest % 2)
    _k(
        user,
        "apply",
        "--server-side",
        "--field-manager=two",
        "--force-conflicts",
        "-f",
        "-",
        text=manifest % 2,
    )
    assert _k(user, "get", "configmap", "shared", "-o", "jsonpath={.data.a}") == "2"


def test_diff_and_dry_run(user):
    _k(user, "apply", "--dry-run=server", "-f", "-", text=WEB)
    with pytest.raises(Failed, match=r"replicas: 5"):
        _k(user, "diff", "-f", "-", text=WEB.replace("replicas: 2", "replicas: 5"))


def test_explain_api_resources_and_can_i(user):
    assert "restartPolicy" in user.kubectl("explain", "pod.spec")
    assert "FIELD" in user.kubectl("explain", "deployment.spec.replicas")
    listed = user.kubectl("api-resources")
    assert all(word in listed for word in ("deployments", "endpointslices", "deploy", "apps/v1"))
    assert "apps/v1" in user.kubectl("api-versions")
    assert user.kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    nobody = user.kubectl(
        "auth", "can-i", "create", "pods", "--as=system:serviceaccount:default:default", check=False
    )
    assert nobody.strip() == "no"
    assert "Kubernetes control plane" in user.kubectl("cluster-info")
    assert "v1.36" in user.kubectl("version")


def test_delete_waits_until_it_is_gone(user):
    _k(user, "run", "short", f"--image={BUSYBOX}", "--restart=Never", "--", "sleep", "600")
    _k(user, "wait", "--for=condition=Ready", "pod/short", "--timeout=60s")
    began = time.monotonic()
    _k(user, "delete", "pod", "short", "--grace-period=1")
    assert "not found" in user.kubectl_error("get", "pod", "short", "-n", user.namespace_name)
    assert time.monotonic() - began < 30


def test_a_one_off_pod_runs_to_its_end(user):
    words = ["run", "once", f"--image={BUSYBOX}", "--restart=Never", "--rm", "-i", "--quiet"]
    # The container waits for its input, so that kubectl is attached before anything is printed.
    out = _k(user, *words, "--", "sh", "-c", "cat; echo done", text="from stdin\n")
    assert out.splitlines()[:2] == ["from stdin", "done"]
    assert "not found" in user.kubectl_error("get", "pod", "once", "-n", user.namespace_name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ["get", "pod", "nope"], 'Error from server (NotFound): pods "nope" not found', id="no-object"
        ),
        pytest.param(
            ["get", "nonsense"], 'the server doesn\'t have a resource type "nonsense"', id="no-kind"
        ),
        pytest.param(["create", "configmap", "Bad_Name"], "is invalid: metadata.name", id="bad-name"),
        pytest.param(
            ["create", "configmap", "x", "-n", "missing-namespace"],
            'namespaces "missing-namespace" not found',
            id="no-namespace",
        ),
        pytest.param(["get", "pods", "-l", "a in"], "unable to parse requirement", id="bad-selector"),
    ],
)
def test_errors_in_upstreams_words(user, words, message):
    assert message in user.kubectl_error(*words)
