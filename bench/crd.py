"""What the steps of creating a custom object cost: `python -m bench.crd` prints them in microseconds of CPU.

The object is one that operators have: a workload of some components, each with a container, ports, resources,
environment and conditions in its status; about 3 kB. Its schema has defaults, keyed lists, patterns, enums,
and, for the last figures, six rules.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from api.crd.columns import columns_of
from api.crd.structural import Structural
from api.resource import Obj

_ROUNDS = 2000
_BEST_OF = 5
_RULES = "x-kubernetes-validations"


def _text(**more: Any) -> Obj:
    return {"type": "string", **more}


def _object(required: tuple[str, ...] = (), **fields: Any) -> Obj:
    return {"type": "object", "properties": fields, **({"required": list(required)} if required else {})}


def _list(items: Obj, *keys: str, most: int = 20) -> Obj:
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)} if keys else {}
    return {"type": "array", "items": items, "maxItems": most, **keyed}


def _schema(with_rules: bool) -> Obj:
    port = _object(
        ("port",),
        name=_text(maxLength=15),
        port={"type": "integer", "minimum": 1, "maximum": 65535},
        protocol=_text(enum=["TCP", "UDP"], default="TCP"),
    )
    amounts: Obj = {
        "type": "object",
        "additionalProperties": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, _text()]},
    }
    component = _object(
        ("name", "image"),
        name=_text(maxLength=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        image=_text(maxLength=200, minLength=1),
        replicas={"type": "integer", "default": 1, "minimum": 0, "maximum": 100},
        minReplicas={"type": "integer", "default": 1, "minimum": 0},
        ports=_list(port, "port"),
        resources=_object(requests=amounts, limits=amounts),
        env=_list(_object(("name",), name=_text(maxLength=100), value=_text(maxLength=500)), "name"),
    )
    spec = _object(
        ("components",),
        components=_list(component, "name"),
        mode=_text(enum=["Fast", "Safe"], default="Safe"),
        paused={"type": "boolean", "default": False},
        labels={"type": "object", "additionalProperties": _text(maxLength=63), "maxProperties": 20},
    )
    if with_rules:
        component[_RULES] = [
            {"rule": "self.replicas >= self.minReplicas", "message": "too few replicas"},
            {"rule": "!has(self.ports) || self.ports.all(p, p.port > 0)"},
            {"rule": "self.image.contains(':')"},
        ]
        spec[_RULES] = [
            {"rule": "self.components.exists(c, c.replicas > 0)"},
            {"rule": "self.mode != 'Fast' || !self.paused"},
            {"rule": "self.components.size() >= oldSelf.components.size()"},
        ]
    condition = _object(("type", "status"), type=_text(), status=_text(), reason=_text(), message=_text())
    status = _object(conditions=_list(condition, "type"), ready={"type": "integer"})
    return _object(spec=spec, status=status)


def _component(number: int) -> Obj:
    return {
        "name": f"component-{number}",
        "image": f"registry.example.com/team/component-{number}:1.27.{number}",
        "replicas": 3,
        "minReplicas": 1,
        "ports": [
            {"name": "http", "port": 8080, "protocol": "TCP"},
            {"name": "metrics", "port": 9090, "protocol": "TCP"},
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"cpu": 1, "memory": "128Mi"},
        },
        "env": [{"name": f"SETTING_{each}", "value": f"value of setting {each}"} for each in range(4)],
    }


def typical_object() -> Obj:
    """Return the object as a client sends it again and again: complete, with a status."""
    return {
        "apiVersion": "example.com/v1",
        "kind": "Workload",
        "metadata": {
            "name": "shop",
            "namespace": "default",
            "labels": {"app": "shop"},
            "annotations": {"example.com/owner": "team"},
        },
        "spec": {
            "components": [_component(number) for number in range(6)],
            "mode": "Safe",
            "paused": False,
            "labels": {"tier": "front"},
        },
        "status": {
            "ready": 3,
            "conditions": [
                {"type": kind, "status": "True", "reason": "Fine", "message": "all is well"}
                for kind in ("Ready", "Progressing")
            ],
        },
    }


def _structural(with_rules: bool) -> Structural:
    version = {"name": "v1", "schema": {"openAPIV3Schema": _schema(with_rules)}}
    return Structural.compile(version)


def _microseconds(call: Callable[[], Any], rounds: int = _ROUNDS) -> float:
    best = float("inf")
    for _ in range(_BEST_OF):
        start = time.thread_time()
        for _ in range(rounds):
            call()
        best = min(best, time.thread_time() - start)
    return round(best / rounds * 1e6, 2)


def main() -> None:
    obj = typical_object()
    sparse = {**obj, "spec": {**obj["spec"], "components": [
        {key: value for key, value in component.items() if key not in ("replicas", "minReplicas")}
        for component in obj["spec"]["components"]
    ]}}  # fmt: skip
    unknown = {**obj, "spec": {**obj["spec"], "unknown": 1}}
    wrong = {**obj, "spec": {**obj["spec"], "mode": "Odd"}}
    changed = {**obj, "spec": {**obj["spec"], "paused": True}}
    plain, ruled = _structural(False), _structural(True)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    columns = columns_of({"additionalPrinterColumns": [
        {"name": "Ready", "type": "integer", "jsonPath": ".status.ready"},
        {"name": "Mode", "type": "string", "jsonPath": ".spec.mode"},
    ]})  # fmt: skip
    figures = {
        "object_bytes": len(orjson.dumps(obj)),
        "conform_us": _microseconds(lambda: plain.conform(obj)),
        "conform_with_unknown_us": _microseconds(lambda: plain.conform(unknown)),
        "default_us": _microseconds(lambda: plain.default(obj)),
        "default_of_12_us": _microseconds(lambda: plain.default(sparse)),
        "validate_us": _microseconds(lambda: plain.validate(obj)),
        "validate_wrong_us": _microseconds(lambda: plain.validate(wrong)),
        "validate_with_rules_us": _microseconds(lambda: ruled.validate(obj)),
        "validate_update_with_rules_us": _microseconds(lambda: ruled.validate_update(changed, obj)),
        "row_us": _microseconds(lambda: columns.cells(obj, now)),
        "compile_us": _microseconds(lambda: _structural(False), 50),
        "compile_with_rules_us": _microseconds(lambda: _structural(True), 50),
    }
    for name, figure in figures.items():
        print(orjson.dumps({"figure": f"crd_{name}", "value": figure}).decode())


if __name__ == "__main__":
    main()
