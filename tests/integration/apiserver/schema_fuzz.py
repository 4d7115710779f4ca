"""Requests made up from our own OpenAPI documents: whatever is asked, the server answers, and never with 500.

    python -m tests.integration.apiserver.schema_fuzz [--requests 10000] [--seed 1]

serves the API in a thread, makes requests by schemathesis for every operation of every group, and prints how
many answers of which code there were, the slowest, and what was wrong. `test_schema_fuzz.py`: the short run.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import orjson
import requests
import schemathesis
from schemathesis.core.result import Ok

from apiserver.app import build
from apiserver.config import Config
from kit import tls
from store.memory import MemoryBackend

# Longer than a request may take that is not a watch.
SLOW_S = 10.0
_SETTINGS: dict[str, Any] = {
    "database": None,
    "deadline": None,
    "suppress_health_check": list(hypothesis.HealthCheck),
    "phases": [hypothesis.Phase.generate],
}
_READ = (
    "application/json",
    "application/yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
# Objects that meet each other.
_NAMES = ("a", "b", "kubernetes", "default")


@dataclass
class Found:
    """What came back."""

    codes: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    @property
    def requests(self) -> int:
        return sum(self.codes.values())


class Served:
    """A server in a thread of its own, with an administrator's certificate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ca = tls.new_ca("test")
        ca.save(folder / "ca")
        tls.issue(ca, "server", server_names=["127.0.0.1"], client=False).save(folder / "server")
        tls.issue(ca, "admin", ["system:masters"]).save(folder / "admin")
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self.url = ""
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    def __enter__(self) -> "Served":
        self._thread.start()
        self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        self._loop.close()

    async def _run(self) -> None:
        folder = self._folder
        config = Config(
            bind_address="127.0.0.1",
            secure_port=0,
            tls_cert_file=folder / "server.crt",
            tls_private_key_file=folder / "server.key",
            client_ca_file=folder / "ca.crt",
            service_account_signing_key_file=_key(folder),
            disable_admission_plugins=("ServiceAccount",),
        )
        backend = MemoryBackend()
        server = await build(config, backend)
        self.url = f"https://127.0.0.1:{await server.listen()}"
        self._ready.set()
        await self._stop.wait()
        await server.close()
        await backend.close()

    def call(self, case: Any) -> requests.Response:
        """Send a case. Raises `requests.RequestException`."""
        made = case.as_transport_kwargs(base_url=self.url)
        made["headers"] = {key: value for key, value in (made.get("headers") or {}).items() if key.isascii()}
        base = self._folder / "admin"
        made |= {"verify": str(self._folder / "ca.crt"), "cert": (f"{base}.crt", f"{base}.key")}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(**made, timeout=SLOW_S)

    def get(self, path: str) -> Any:
        base = self._folder / "admin"
        with requests.Session() as session:
            session.trust_env = False
            found = session.get(
                self.url + path, verify=str(self._folder / "ca.crt"), cert=(f"{base}.crt", f"{base}.key")
            )
            return found.json()


def _key(folder: Path) -> Path:
    path = folder / "sa.key"
    path.write_bytes(tls.new_key())
    return path


def operations(served: Served, groups: Callable[[str], bool]) -> list[Any]:
    """Return every operation of the OpenAPI v3 documents whose group version is wanted."""
    index = served.get("/openapi/v3")["paths"]
    found = []
    for name, where in index.items():
        if groups(name):
            document = schemathesis.openapi.from_dict(served.get(where["serverRelativeURL"]))
            found += [one.ok() for one in document.get_all_operations() if isinstance(one, Ok)]
    return found


def run(served: Served, wanted: list[Any], each: int, seed: int) -> Found:
    """Make `each` requests of each operation."""
    found = Found()
    for number, operation in enumerate(wanted):

        @hypothesis.seed(seed * 100_000 + number)
        @hypothesis.settings(max_examples=each, **_SETTINGS)
        @hypothesis.given(operation.as_strategy(), hypothesis.strategies.sampled_from(_NAMES))
        def ask(case: Any, name: str) -> None:
            _ask(served, case, name, found)

        ask()
    return found


def _ask(served: Served, case: Any, name: str, found: Found) -> None:
    parameters = dict(case.path_parameters or {})
    for key in parameters:
        if key in ("namespace", "name"):
            parameters[key] = "default" if key == "namespace" else name
    case.path_parameters = parameters
    _plausible(case, name)
    if case.method == "GET":
        case.query = {**(case.query or {}), "timeoutSeconds": "1"}
    begun = time.monotonic()
    try:
        answer = served.call(case)
    except (requests.RequestException, UnicodeError, ValueError) as error:
        if isinstance(error, requests.Timeout):
            found.faults.append(f"{case.method} {case.path}: no answer within {SLOW_S} s")
        return
    found.codes[answer.status_code] += 1
    found.slowest_s = max(found.slowest_s, time.monotonic() - begun)
    # 503: there is no pod or node behind a proxy, a log, an exec.
    if answer.status_code >= 500 and answer.status_code != 503:
        found.faults.append(
            f"{case.method} {answer.request.url}: {answer.status_code} {answer.text[:300]} "
            f"for {str(answer.request.body)[:300]}"
        )


def _plausible(case: Any, name: str) -> None:
    """Let most bodies get as far as validation: of a form that is read, of the right kind, with a name."""
    if isinstance(case.body, dict) and case.media_type not in _READ:
        case.media_type = "application/json"
    kind = case.operation.definition.raw.get("x-kubernetes-group-version-kind")
    if case.method not in ("POST", "PUT") or not isinstance(case.body, dict) or not kind:
        return
    metadata = case.body.get("metadata")
    case.body["metadata"] = {**(metadata if isinstance(metadata, dict) else {}), "name": name}
    version = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
    case.body |= {"kind": kind["kind"], "apiVersion": version}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Served(Path(folder)) as served:
        wanted = operations(served, lambda name: True)
        each = max(1, round(options.requests / len(wanted)))
        found = run(served, wanted, each, options.seed)
    line = {
        "operations": len(wanted),
        "requests": found.requests,
        "codes": {str(code): count for code, count in sorted(found.codes.items())},
        "slowest_s": round(found.slowest_s, 2),
        "faults": found.faults[:30],
    }
    sys.stdout.write(orjson.dumps(line, option=orjson.OPT_INDENT_2).decode() + "\n")
    sys.exit(1 if found.faults else 0)


if __name__ == "__main__":
    main()
