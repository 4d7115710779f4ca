"""What one request of each kind costs the API server, and where it goes: `python -m bench.requests`.

The server runs in this process over the memory store, asked without a socket: everything from the filters to
the watch cache, but no TLS, no HTTP parser and no etcd, whose share `bench.apiserver` shows. Prints one JSON
line per kind: microseconds of CPU (median of five rounds), bytes allocated at most while one request is
answered, bytes kept afterwards, and the share of each stage in percent, from a profile.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import statistics
import sys
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvloop

from api.types.core_v1 import NAMESPACES
from apiserver.app import Server, build
from apiserver.config import Config
from apiserver.http.message import Request, Response, Stream, User
from bench.apiserver import pod
from kit.tasks import collect_rarely
from store.memory import MemoryBackend

PODS = "/api/v1/namespaces/bench/pods"
THINGS = "/apis/example.com/v1/namespaces/bench/things"
ADMIN = User("bench", ("system:masters", "system:authenticated"))
JSON, TABLE = "application/json", "application/json;as=Table;v=v1;g=meta.k8s.io"
_ROUNDS = 5
# Where a function's own time belongs, by its file; the first that fits.
_STAGES = (
    ("filters", ("apiserver/filters", "apiserver/authz", "apiserver/authn", "apiserver/guard",
                 "apiserver/flowcontrol", "apiserver/metrics", "kit/metrics", "apiserver/audit")),
    ("admission", ("apiserver/admission", "apiserver/webhooks", "api/podsecurity")),
    ("decode", ("api/codec", "api/structure", "apiserver/rest/body")),
    ("custom schema", ("api/crd", "api/cel")),
    ("managed fields", ("api/patch/apply", "api/patch/compare", "api/patch/fieldset", "api/patch/shape",
                        "api/patch/structured", "apiserver/rest/managed")),
    ("patch", ("api/patch",)),
    ("defaults, validation", ("api/",)),
    ("watch cache", ("apiserver/watchcache",)),
    ("store", ("store/",)),
    ("verbs", ("apiserver/",)),
)  # fmt: skip

Make = Callable[[int], Request]


@dataclass(frozen=True)
class Case:
    """`make(number)` returns the request of that number; `count` of them are timed at once."""

    name: str
    make: Make
    count: int = 400


def request(
    method: str, path: str, body: bytes = b"", kind: str = JSON, accept: str = JSON, **query: str
) -> Request:
    made = Request(
        method,
        path,
        {key: [value] for key, value in query.items()},
        {"user-agent": "bench/1", "content-type": kind, "accept": accept},
        body,
    )
    made.user = ADMIN
    return made


def _patch(number: int) -> bytes:
    return json.dumps({"metadata": {"annotations": {"n": str(number)}}}).encode()


def _config(number: int) -> bytes:
    return json.dumps({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name(0), "labels": {"n": str(number)}},
    }).encode()  # fmt: skip


def name(number: int) -> str:
    return f"p-{number:06}"


def _thing(number: int) -> bytes:
    return json.dumps(
        {"metadata": {"name": f"t-{number}"}, "spec": {"size": number, "tags": ["a", "b"]}}
    ).encode()


def cases(pods: int, count: int) -> list[Case]:
    """Return what is asked, in order: what is created last is deleted at the end."""
    merge, apply = "application/merge-patch+json", "application/apply-patch+yaml"
    return [
        Case("get", lambda n: request("GET", f"{PODS}/{name(n % pods)}"), count),
        Case("get, cached", lambda n: request("GET", f"{PODS}/{name(n % pods)}", resourceVersion="0"), count),
        Case("get, not there", lambda n: request("GET", f"{PODS}/none"), count),
        Case("list all", lambda n: request("GET", PODS, resourceVersion="0"), 20),
        Case("list, a page of 500", lambda n: request("GET", PODS, limit="500"), 20),
        Case("list, a page of 500 rows", lambda n: request("GET", PODS, accept=TABLE, limit="500"), 20),
        Case(
            "list by label, 1 of 100", lambda n: request("GET", PODS, labelSelector=f"shard=s{n % 100}"), 100
        ),
        Case("create", lambda n: request("POST", PODS, pod(pods + n)), count),
        Case("merge patch", lambda n: request("PATCH", f"{PODS}/{name(n % pods)}", _patch(n), merge), count),
        Case(
            "server-side apply",
            lambda n: request("PATCH", f"{PODS}/{name(0)}", _config(n), apply, fieldManager="a", force="1"),
            count,
        ),
        Case("delete", lambda n: request("DELETE", f"{PODS}/{name(pods + n)}"), count),
        Case("create, custom resource", lambda n: request("POST", THINGS, _thing(n)), count),
        Case("get, custom resource", lambda n: request("GET", f"{THINGS}/t-{n % 100}"), count),
        Case(
            "SubjectAccessReview",
            lambda n: request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", _REVIEW),
            count,
        ),
    ]


_REVIEW = json.dumps(
    {"spec": {"user": "joe", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "bench"}}}
).encode()
_DEFINITION = {
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
        "versions": [{
            "name": "v1", "served": True, "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer", "minimum": 0, "default": 1},
                    "tags": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 20}},
                },
                "x-kubernetes-validations": [{"rule": "self.size < 1000000 || self.tags.all(t, t != 'big')"}],
            }}}},
        }],
    },
}  # fmt: skip


async def ask(server: Server, made: Request) -> int:
    answer = await server.handle(made)
    if isinstance(answer, Response | Stream):
        return answer.status
    return 101


async def run_all(server: Server, make: Make, start: int, count: int) -> set[int]:
    return {await ask(server, make(number)) for number in range(start, start + count)}


async def timed(server: Server, case: Case) -> tuple[list[float], set[int]]:
    """Return microseconds of CPU per request of each round, and the codes that came back."""
    rounds, codes, size = [], set(), max(1, case.count // _ROUNDS)
    for number in range(_ROUNDS):
        begun = time.process_time()
        codes |= await run_all(server, case.make, number * size, size)
        rounds.append((time.process_time() - begun) / size * 1e6)
    return rounds, codes


async def allocated(server: Server, make: Make, start: int) -> tuple[int, int]:
    """Return the most bytes that were allocated while a request was answered, and those kept after it.

    Of several the least: now and then a request pays for what later ones find done.
    """
    found = []
    tracemalloc.start()
    for number in range(start, start + _ROUNDS):
        made = make(number)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        await ask(server, made)
        await asyncio.sleep(0)
        after, most = tracemalloc.get_traced_memory()
        found.append((most - before, after - before))
    tracemalloc.stop()
    return min(found)


async def shares(work: Callable[[], Awaitable[Any]]) -> dict[str, int]:
    """Return the percentage of each stage in the time of `work`."""
    profile = cProfile.Profile()
    profile.enable()
    await work()
    profile.disable()
    total: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if not file.startswith(("~", "<")):
            total[_stage(file)] += own
            continue
        # What is built in belongs to those who call it.
        for (caller, _, _), (_, _, part, _) in callers.items():
            total[_stage(caller)] += part
    whole = sum(total.values()) or 1.0
    found = {stage: round(100 * seconds / whole) for stage, seconds in total.items()}
    return {stage: share for stage, share in sorted(found.items(), key=lambda item: -item[1]) if share}


def _stage(file: str) -> str:
    for stage, places in _STAGES:
        if any(f"/{place}" in file for place in places):
            return stage
    return "runtime"


async def measure(server: Server, case: Case) -> dict[str, Any]:
    rounds, codes = await timed(server, case)
    most, kept = await allocated(server, case.make, case.count)
    where = await shares(lambda: run_all(server, case.make, case.count + _ROUNDS, case.count))
    return {
        "request": case.name,
        "cpu_us": round(statistics.median(rounds), 1),
        "bytes_at_most": most,
        "bytes_kept": kept,
        "codes": sorted(codes),
        "percent": where,
    }


async def main_async(options: argparse.Namespace) -> None:
    server = await build(Config(disable_admission_plugins=("ServiceAccount",)), MemoryBackend())
    await server.registry.create(NAMESPACES, "", {"metadata": {"name": "bench"}})
    await ask(server, request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                              json.dumps(_DEFINITION).encode()))  # fmt: skip
    for number in range(options.pods):
        await ask(server, request("POST", PODS, pod(number)))
    # As a component is run.
    collect_rarely()
    for case in cases(options.pods, options.count):
        sys.stdout.write(json.dumps(await measure(server, case)) + "\n")
        sys.stdout.flush()
    await server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--count", type=int, default=400, help="requests timed of each kind")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main_async(parser.parse_args()))


if __name__ == "__main__":
    main()
