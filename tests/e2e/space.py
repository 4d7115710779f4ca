"""A namespace of a test and what tests do in it: make pods and services, wait for them, look into them."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.harness import BUSYBOX, Cluster, eventually

WEB = "mkdir -p /www; hostname > /www/index.html; httpd -f -p 8080 -h /www"
FOREVER = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"


def container(script: str = FOREVER, name: str = "main", **more: Any) -> dict[str, Any]:
    """A busybox container that runs a shell script."""
    return {"name": name, "image": BUSYBOX, "command": ["sh", "-c", script], **more}


def pod(name: str, *containers: dict[str, Any], labels: dict[str, str] | None = None, **spec: Any) -> Any:
    """A pod that goes fast. One container that runs for ever if none is given."""
    given = {"terminationGracePeriodSeconds": 1, "containers": list(containers) or [container()], **spec}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {"app": name}},
        "spec": given,
    }


def web(name: str, labels: dict[str, str] | None = None, ready: bool = True, **spec: Any) -> Any:
    """A pod that serves its own name over HTTP on port 8080."""
    probe: dict[str, Any] = (
        {"readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}} if ready else {}
    )
    main = container(WEB, ports=[{"name": "http", "containerPort": 8080}], **probe)
    return pod(name, main, labels=labels, **spec)


PYTHON = str(Path(sys.executable).resolve())


def with_python(one: dict[str, Any]) -> dict[str, Any]:
    """Give a pod the machine's own Python, for what busybox cannot do (UDP, verified TLS)."""
    folders = [f for f in sorted({"/usr", "/lib", "/lib64", sys.base_prefix}) if Path(f).exists()]
    volumes = [{"name": f"python-{i}", "hostPath": {"path": folder}} for i, folder in enumerate(folders)]
    mounts = [
        {"name": f"python-{i}", "mountPath": folder, "readOnly": True} for i, folder in enumerate(folders)
    ]
    one["spec"].setdefault("volumes", []).extend(volumes)
    for each in one["spec"]["containers"]:
        each.setdefault("volumeMounts", []).extend(mounts)
    return one


def deployment(name: str, replicas: int = 2) -> dict[str, Any]:
    """A Deployment of containers that do nothing and go fast."""
    labels = {"app": name}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container()]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


@dataclass(frozen=True)
class Space:
    """One namespace."""

    cluster: Cluster
    name: str

    def path(self, kind: str, name: str = "") -> str:
        """Return the path of a core or apps collection, or of an object in it."""
        root = "/apis/apps/v1" if kind in ("deployments", "replicasets", "statefulsets") else "/api/v1"
        return f"{root}/namespaces/{self.name}/{kind}" + (f"/{name}" if name else "")

    def create(self, kind: str, obj: Any) -> dict[str, Any]:
        return self.cluster.call("POST", self.path(kind), obj)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return self.cluster.call("GET", self.path(kind, name))

    def items(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        query = f"?labelSelector={selector}" if selector else ""
        found: list[dict[str, Any]] = self.cluster.call("GET", self.path(kind) + query)["items"]
        return found

    def patch(self, kind: str, name: str, body: Any) -> dict[str, Any]:
        return self.cluster.call("PATCH", self.path(kind, name), body, "application/merge-patch+json")

    def delete(self, kind: str, name: str, **options: Any) -> Any:
        return self.cluster.call("DELETE", self.path(kind, name), options or None)

    def is_gone(self, kind: str, name: str) -> bool:
        return self.cluster.request("GET", self.path(kind, name)).code == 404

    def run(self, *pods: dict[str, Any]) -> list[dict[str, Any]]:
        """Create pods and wait until all are ready; return them."""
        for one in pods:
            self.create("pods", one)
        return [self.ready(one["metadata"]["name"]) for one in pods]

    def ready(self, name: str, timeout_s: float = 60) -> dict[str, Any]:
        return self.wait(name, lambda one: conditions(one).get("Ready") == "True", "is ready", timeout_s)

    def phase(self, name: str, phase: str, timeout_s: float = 60) -> dict[str, Any]:
        return self.wait(name, lambda one: one["status"]["phase"] == phase, f"is {phase}", timeout_s)

    def reason(self, name: str, reason: str, timeout_s: float = 60) -> dict[str, Any]:
        """Wait until a container of the pod waits for `reason`."""

        def waits(one: dict[str, Any]) -> bool:
            states = [item["state"] for item in one["status"]["containerStatuses"]]
            return any(state.get("waiting", {}).get("reason") == reason for state in states)

        return self.wait(name, waits, f"waits with {reason}", timeout_s)

    def wait(
        self, name: str, is_so: Callable[[dict[str, Any]], Any], what: str, timeout_s: float = 60
    ) -> dict[str, Any]:
        """Return the pod when `is_so` of it; on failure show its status."""
        last: list[Any] = [{}]

        def look() -> Any:
            last[0] = self.get("pods", name)
            return last[0] if is_so(last[0]) else None

        try:
            found: dict[str, Any] = eventually(look, f"pod {name} {what}", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(last[0].get('status'), indent=1)}") from None
        return found

    def exec(self, name: str, script: str, container: str = "", check: bool = True) -> str:
        """Run a shell script in a container; return what it printed."""
        chosen = ["-c", container] if container else []
        return self.cluster.kubectl(
            "exec", "-n", self.name, name, *chosen, "--", "sh", "-c", script, check=check, timeout_s=60
        )

    def logs(self, name: str, *words: str) -> str:
        return self.cluster.kubectl("logs", "-n", self.name, name, *words, timeout_s=30)

    def service(self, name: str, selector: dict[str, str] | None, ports: Any = None, **spec: Any) -> Any:
        """Create a service of port 80 to 8080."""
        given = ports or [{"name": "http", "port": 80, "targetPort": 8080}]
        body = {"metadata": {"name": name}, "spec": {"ports": given, **spec}}
        if selector is not None:
            body["spec"]["selector"] = selector
        return self.create("services", body)


def conditions(obj: dict[str, Any]) -> dict[str, str]:
    """Return the statuses of an object's conditions by type."""
    return {item["type"]: item["status"] for item in obj.get("status", {}).get("conditions", [])}


def state(one: dict[str, Any], name: str = "main") -> dict[str, Any]:
    """Return the status of a container by its name."""
    found: dict[str, Any] = next(c for c in one["status"]["containerStatuses"] if c["name"] == name)
    return found
