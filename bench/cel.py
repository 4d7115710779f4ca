"""What CEL expressions cost: compiling them, and evaluating them on a typical pod. `python -m
bench.cel` prints JSON.
"""

import time
from collections.abc import Callable
from typing import Any

import orjson

from api.cel.cost import Budget
from api.cel.environment import Environment
from api.cel.errors import CostExceeded
from api.cel.types import DYN
from bench.api_kinds import typical_pod

_ROUNDS = {"eval": 20_000, "compile": 300}
_BEST_OF = 5

EXPRESSIONS = {
    "number": "object.spec.replicas <= 5",
    "text": "object.metadata.namespace == 'default'",
    "has": "has(object.spec.serviceAccountName) && object.spec.serviceAccountName != ''",
    "in": "object.metadata.labels['app'] in ['web', 'db', 'cache']",
    "all": "object.spec.containers.all(c, c.image.startsWith('nginx'))",
    "all_resources": "object.spec.containers.all(c, has(c.resources.limits) && c.image.contains(':'))",
    "nested": "object.spec.containers.all(c, c.volumeMounts.all(m, m.mountPath.startsWith('/var')))",
    "optional": "object.?metadata.?labels.?tier.orValue('none') == 'none'",
    "quantity": "quantity(object.spec.containers[0].resources.limits.memory).isLessThan(quantity('1Gi'))",
    "matches": "object.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "message": "'pod ' + object.metadata.name + ': ' + string(size(object.spec.containers)) + ' containers'",
    "mutation": "Object{metadata: Object.metadata{labels: {'checked': 'true'}}}",
}


def microseconds(function: Callable[..., Any], rounds: int, *arguments: Any) -> float:
    """Return the best mean CPU time of a call."""
    best = float("inf")
    for _ in range(_BEST_OF):
        start = time.process_time()
        for _ in range(rounds):
            function(*arguments)
        best = min(best, time.process_time() - start)
    return best / rounds * 1e6


def longest_ms() -> float:
    """Return how long an evaluation runs until its limit ends it."""
    program = Environment({"xs": DYN}).compile("xs.all(a, xs.all(b, a != b || true))")
    start = time.process_time()
    try:
        program.evaluate({"xs": list(range(3000))}, Budget(10**9))
    except CostExceeded:
        return (time.process_time() - start) * 1e3
    raise AssertionError("the limit did not end it")


def main() -> None:
    pod = typical_pod()
    pod["spec"] = {**pod["spec"], "replicas": 3, "containers": pod["spec"]["containers"] * 3}
    environment = Environment({"object": DYN}, objects=("Object",))
    bindings, budget = {"object": pod}, Budget(10**15)
    for name, text in EXPRESSIONS.items():
        program = environment.compile(text)
        figures = {
            "eval": microseconds(program.evaluate, _ROUNDS["eval"], bindings, budget),
            "compile": microseconds(environment.compile, _ROUNDS["compile"], text),
        }
        for what, value in figures.items():
            print(orjson.dumps({"figure": f"cel_{what}_{name}_us", "value": round(value, 2)}).decode())
    print(orjson.dumps({"figure": "cel_longest_evaluation_ms", "value": round(longest_ms(), 1)}).decode())


if __name__ == "__main__":
    main()
