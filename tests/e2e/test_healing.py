"""What breaks is mended: containers, pods, a node, and every process of the cluster, one after the other."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.harness import BUSYBOX, Cluster, eventually

WEB = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {{app: web}}}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations:
      - {{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 2}}
      - {{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 2}}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {{matchLabels: {{app: web}}}}
      containers:
      - name: web
        image: {BUSYBOX}
        command: [sh, -c, "mkdir /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www"]
        ports: [{{name: http, containerPort: 8080}}]
        readinessProbe: {{tcpSocket: {{port: http}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"""


@pytest.fixture
def web(cluster) -> Iterator[Cluster]:
    """Three web pods behind a Service, one on each node."""
    with cluster.namespace("healing") as namespace:
        cluster.apply(WEB, "-n", namespace)
        cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=90s")
        cluster.namespace_name = namespace
        yield cluster
        eventually(lambda: all_nodes_ready(cluster), "all nodes ready again", 60)
    eventually(lambda: "healing" not in cluster.kubectl("get", "ns", "-o", "name"), "namespace gone", 90)


def all_nodes_ready(cluster: Cluster) -> bool:
    return cluster.kubectl("get", "nodes", "--no-headers").count(" Ready ") == 3


def web_pods(cluster: Cluster) -> list[dict]:
    return cluster.items("pods", "-n", cluster.namespace_name, "-l", "app=web")


def ready_pods(cluster: Cluster) -> dict[str, dict]:
    """Return the ready, living pods by name."""
    found = {}
    for pod in web_pods(cluster):
        conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
        if conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]:
            found[pod["metadata"]["name"]] = pod
    return found


def restarts(cluster: Cluster) -> dict[str, tuple[str, int]]:
    """Return container id and restart count of every web pod."""
    statuses = {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0] for pod in web_pods(cluster)}
    return {name: (status["containerID"], status["restartCount"]) for name, status in statuses.items()}


def service_address(cluster: Cluster) -> str:
    return str(cluster.get("service", "web", "-n", cluster.namespace_name)["spec"]["clusterIP"])


class Visitor:
    """Asks the Service again and again from the machine, and keeps when it was not answered."""

    def __init__(self, address: str) -> None:
        self._command = ["curl", "-s", "-o", "/dev/null", "-m", "1", f"http://{address}/"]
        self._stop = threading.Event()
        self.asked = 0
        self.failures: list[float] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.asked += 1
            if subprocess.run(self._command, check=False).returncode:
                self.failures.append(time.monotonic())

    def longest_outage_s(self) -> float:
        """Return the time from the first to the last failure of the longest run of failures."""
        longest, began, last = 0.0, 0.0, -10.0
        for moment in self.failures:
            began = moment if moment - last > 3.0 else began
            longest, last = max(longest, moment - began), moment
        return longest

    @contextmanager
    def visiting(self) -> Iterator["Visitor"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join()


def container_pid(cluster: Cluster, pod: dict) -> int:
    """Return the process id of a pod's web server, seen from the machine."""
    wanted = pod["metadata"]["uid"]
    for folder in sorted(Path("/proc").glob("[0-9]*")):
        with suppress(OSError):
            if wanted in (folder / "cgroup").read_text() and "httpd" in (folder / "cmdline").read_text():
                return int(folder.name)
    raise AssertionError(f"no process of pod {pod['metadata']['name']}")


def test_a_killed_container_is_restarted(web):
    name, pod = next(iter(ready_pods(web).items()))
    os.kill(container_pid(web, pod), signal.SIGKILL)

    def restarted():
        status = next(p for p in web_pods(web) if p["metadata"]["name"] == name)["status"][
            "containerStatuses"
        ][0]
        return status["restartCount"] == 1 and status["ready"] and status

    status = eventually(restarted, "the container runs again", 30)
    assert status["lastState"]["terminated"]["exitCode"] == 137


def test_a_deleted_pod_is_replaced(web):
    before = set(ready_pods(web))
    gone = next(iter(before))
    web.kubectl("delete", "pod", gone, "-n", web.namespace_name)
    after = eventually(lambda: len(found := set(ready_pods(web))) == 3 and found, "three pods again", 30)
    assert gone not in after
    assert len(after & before) == 2


def test_a_dead_node_is_noticed_its_pods_are_replaced_and_it_is_used_again(web):
    victim = next(p["spec"]["nodeName"] for p in ready_pods(web).values())
    visitor = Visitor(service_address(web))
    with visitor.visiting():
        began = time.monotonic()
        web.pelamis("stop", "--node", victim)
        noticed = eventually(
            lambda: _ready_status(web, victim) == "Unknown" and time.monotonic(), "NotReady", 40
        )
        replaced = eventually(
            lambda: (
                sum(p["spec"]["nodeName"] != victim for p in ready_pods(web).values()) == 3
                and time.monotonic()
            ),
            "three pods on the other nodes",
            60,
        )
        taints = {taint["key"] for taint in web.get("node", victim)["spec"].get("taints", [])}
        assert "node.kubernetes.io/unreachable" in taints
        # A proxy may choose the dead node's pod until it is known to be dead; then never again.
        settled = time.monotonic()
        time.sleep(3)
        assert [f for f in visitor.failures if f > settled] == []
        web.pelamis("start", "--node", victim)
        eventually(lambda: all_nodes_ready(web), "the node is back", 60)
        eventually(lambda: len(web_pods(web)) == 3, "the lost pods are forgotten", 60)
    print(
        f"noticed after {noticed - began:.1f} s, replaced after {replaced - began:.1f} s, "
        f"{len(visitor.failures)} of {visitor.asked} requests failed"
    )
    assert visitor.failures == [] or visitor.failures[-1] < settled
    web.kubectl("scale", "deployment/web", "--replicas=6", "-n", web.namespace_name)
    eventually(
        lambda: (
            len(found := ready_pods(web)) == 6
            and any(p["spec"]["nodeName"] == victim for p in found.values())
        ),
        "the node gets pods again",
        60,
    )


def _ready_status(cluster: Cluster, node: str) -> str:
    conditions = cluster.get("node", node)["status"]["conditions"]
    return str(next(c["status"] for c in conditions if c["type"] == "Ready"))


def _victims() -> list[str]:
    node = [f"node-1-{part}" for part in ("agent", "containerd", "proxy", "dns")]
    return ["apiserver", "scheduler", "controllers", "etcd", *node]


@pytest.mark.parametrize("victim", _victims())
def test_a_killed_process_loses_nothing_and_restarts_no_container(web, victim):
    before = restarts(web)
    web.kubectl("create", "configmap", "kept", "--from-literal=a=1", "-n", web.namespace_name)
    process = web.processes()[victim]
    visitor = Visitor(service_address(web))
    with visitor.visiting():
        os.kill(process["pid"], signal.SIGKILL)
        eventually(
            lambda: (
                (now := web.processes()[victim])["pid"] not in (0, process["pid"])
                and now["state"] == "running"
                and now["age_s"] > 1
            ),
            f"{victim} runs again",
            30,
        )
        eventually(lambda: web.kubectl("get", "--raw", "/readyz") == "ok", "the API answers", 30)
        assert web.get("configmap", "kept", "-n", web.namespace_name)["data"] == {"a": "1"}
        # The whole chain works again: a new pod is scheduled, started, and seen to be ready.
        web.kubectl("scale", "deployment/web", "--replicas=4", "-n", web.namespace_name)
        eventually(lambda: len(ready_pods(web)) == 4, "a fourth pod", 60)
    after = restarts(web)
    assert {name: after[name] for name in before} == before, "a healthy container was restarted"
    assert visitor.failures == []
