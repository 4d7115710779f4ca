"""What defaulting, validating and checking a typical pod costs. `python -m bench.api_kinds` prints JSON.

The pod is one that a Deployment makes, after service account admission: one container with env, probe,
resources and two mounts; a token volume and two tolerations; about 3 kB.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from api.codec.table import to_table
from api.kinds import kind_of
from api.resource import Obj
from api.structure import normalise
from api.types.core_v1 import PODS

_ROUNDS = 5000
_BEST_OF = 5
_POD = "io.k8s.api.core.v1.Pod"
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def typical_pod() -> Obj:
    """Return the pod as a controller sends it, with what admission adds."""
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web-5d",
        "uid": "0d1f",
        "controller": True,
    }
    downward = {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}
    sources: list[Obj] = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": downward},
    ]
    container = {
        "name": "web",
        "image": "nginx:1.27",
        "ports": [{"containerPort": 80, "name": "http"}],
        "env": [
            {"name": "MODE", "value": "fast"},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"cpu": "200m", "memory": "128Mi"},
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
        "volumeMounts": [
            {"name": "cache", "mountPath": "/var/cache/web"},
            {"name": "kube-api-access-x7k2p", "mountPath": _TOKEN_PATH, "readOnly": True},
        ],
    }
    tolerations = [
        {
            "key": f"node.kubernetes.io/{key}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 300,
        }
        for key in ("not-ready", "unreachable")
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-5d-abcde",
            "namespace": "default",
            "labels": {"app": "web", "pod-template-hash": "5d"},
            "ownerReferences": [owner],
        },
        "spec": {
            "containers": [container],
            "serviceAccountName": "default",
            "tolerations": tolerations,
            "volumes": [
                {"name": "cache", "emptyDir": {}},
                {"name": "kube-api-access-x7k2p", "projected": {"sources": sources}},
            ],
        },
    }


def microseconds(function: Callable[..., Any], *arguments: Any) -> float:
    """Return the best mean time of a call."""
    best = float("inf")
    for _ in range(_BEST_OF):
        start = time.perf_counter()
        for _ in range(_ROUNDS):
            function(*arguments)
        best = min(best, time.perf_counter() - start)
    return best / _ROUNDS * 1e6


def main() -> None:
    rules, sent = kind_of(PODS), typical_pod()
    stored = rules.defaults(sent)
    stored["metadata"] = {**stored["metadata"], "resourceVersion": "1", "uid": "u"}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    figures = {
        "pod_defaults_new_us": microseconds(rules.defaults, sent),
        "pod_defaults_done_us": microseconds(rules.defaults, stored),
        "pod_validate_us": microseconds(rules.validate, stored),
        "pod_validate_update_us": microseconds(rules.validate_update, stored, stored),
        "pod_structure_us": microseconds(normalise, stored, _POD),
        "pod_table_row_us": microseconds(to_table, PODS, [stored], now),
    }
    for name, value in figures.items():
        print(orjson.dumps({"figure": name, "value": round(value, 1)}).decode())


if __name__ == "__main__":
    main()
