"""Random requests to an API server: valid ones bent in many ways, and bytes that are no HTTP at all.

    python -m tests.integration.apiserver.fuzz KUBECONFIG SEED COUNT     against a running cluster

`requests(seed)` yields the same requests for a seed; `fault(...)` says what is wrong with an answer. The
short run of the suite is in `test_fuzz.py`. Only what the server may do without a real node is asked for:
nothing is proxied.
"""

import asyncio
import base64
import random
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
import yaml

from api.catalog import ALL
from api.resource import Resource
from api.schemas import json_type, resolve, schema_name
from client.http import tls_context
from client.kubeconfig import load

NAMESPACE = "fuzz"
ANSWER_S = 20.0
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
NAMES = (
    "a",
    "b",
    "a-b.c",
    "default",
    "A",
    "",
    "..",
    ".",
    "%2e%2e",
    "a%2Fb",
    "%00",
    "%ff",
    "ü",
    "x" * 300,
    "a:b",
    "-",
)
WORDS = (
    "",
    "a",
    "b",
    "default",
    "kubernetes",
    "1",
    "0",
    "-1",
    "10m",
    "1Gi",
    "1e400",
    "0x10",
    "10.0.0.1",
    "::1",
    "fe80::/10",
    "10.0.0.0/8",
    "2020-01-01T00:00:00Z",
    "99999-01-01T00:00:00Z",
    "2020-13-45",
    "*",
    "Always",
    "TCP",
    "ClusterIP",
    "None",
    "a/b",
    "../..",
    "/etc",
    "\x00",
    "\ud7ff",
    "ü",
    "x" * 70,
    "x" * 5000,
    "50%",
    "101%",
    "%",
    "In",
    "Exists",
    "1h",
    "true",
)
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    -(2**63),
    2**63 - 1,
    2**64 - 1,
    1.5,
    -0.0,
    1e300,
    [],
    {},
    [[]],
    [None],
    {"": None},
)


@dataclass(frozen=True)
class Sent:
    """One request as bytes. `well_formed`: HTTP as the standard has it, so that the answer is a Status."""

    raw: bytes
    what: str
    well_formed: bool = True
    body: bytes = b""


class Maker:
    """Draws requests from one seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.resources = [one for one in ALL if one.verbs]

    def one(self) -> Sent:
        draw = self.draw
        if draw.random() < 0.04:
            return self._garbage()
        resource = draw.choice(self.resources)
        method = draw.choice(("GET", "POST", "POST", "PUT", "PATCH", "PATCH", "DELETE", "HEAD", "OPTIONS"))
        path = self._path(resource, method)
        query = self._query(method)
        body, media = self._body(resource, method)
        headers = self._headers(media, body, method)
        target = path + ("?" + query if query else "")
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
        well_formed = "\x01" not in head
        return Sent(head.encode() + b"\r\n" + body, f"{method} {target[:200]} {media}", well_formed, body)

    def _garbage(self) -> Sent:
        draw = self.draw
        noise = bytes(draw.randrange(256) for _ in range(draw.randrange(1, 400)))
        raw = draw.choice(
            (
                noise + b"\r\n\r\n",
                b"GET / HTTP/9.9\r\n\r\n",
                b"GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                b"POST /api/v1/pods HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + noise,
                b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"b" * 70_000 + b"\r\n\r\n",
                b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 40_000 + b"\r\n",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET //x:y@[::1/api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
            )
        )
        return Sent(raw, f"garbage {raw[:60]!r}", well_formed=False)

    def _path(self, resource: Resource[Any], method: str) -> str:
        draw = self.draw
        root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        if resource.namespaced and draw.random() < 0.9:
            root += f"/namespaces/{NAMESPACE if draw.random() < 0.9 else quote(draw.choice(NAMES), safe='%')}"
        path = f"{root}/{resource.plural}"
        if method not in ("POST", "GET") or draw.random() < 0.3:
            path += "/" + (draw.choice("ab") if draw.random() < 0.7 else quote(draw.choice(NAMES), safe="%"))
            if draw.random() < 0.3:
                path += "/" + draw.choice(
                    (*resource.subresources, "status", "scale", "nothing", "..", "token")
                )
        if draw.random() < 0.05:
            path = draw.choice(
                (
                    path.replace("/", "//"),
                    path + "/../../..",
                    path.replace("s", "%73"),
                    "/" + path,
                    path + "%3fwatch=1",
                    "/version",
                    "/openapi/v3/" + path,
                    "/openapi/v2",
                    "/api",
                    "/apis",
                    "/apis/nope",
                    "/metrics/..",
                    "/",
                    "/%",
                    "/api/v1/%zz",
                )
            )
        return path.replace("/proxy", "/status")

    def _query(self, method: str) -> str:
        draw = self.draw
        found = []
        for _ in range(draw.choice((0, 0, 0, 1, 1, 2, 4))):
            name = draw.choice(
                (
                    "labelSelector",
                    "fieldSelector",
                    "limit",
                    "continue",
                    "resourceVersionMatch",
                    "dryRun",
                    "fieldManager",
                    "fieldValidation",
                    "propagationPolicy",
                    "gracePeriodSeconds",
                    "pretty",
                    "watch",
                    "sendInitialEvents",
                    "force",
                    "allowWatchBookmarks",
                    "orphanDependents",
                    "includeObject",
                    "timeout",
                    "resourceVersion",
                    "command",
                    "container",
                )
            )
            found.append(f"{name}={quote(self._value(name), safe='%')}")
        if any(part.startswith(("watch", "sendInitialEvents")) for part in found):
            found.append("timeoutSeconds=1")
        return "&".join(found)

    def _value(self, name: str) -> str:
        draw = self.draw
        good = {
            "labelSelector": [
                "a=b",
                "a in (b,c)",
                "!a",
                "a notin (x),b",
                "a in (",
                "a=b,,",
                "," * 5000,
                "a in (" + "b," * 9000,
            ],
            "fieldSelector": [
                "metadata.name=a",
                "spec.nodeName!=",
                "status.phase=x,metadata.namespace=y",
                "a",
                "=",
                "a==b=c",
            ],
            "continue": [
                "x",
                base64.b64encode(b'{"v":"meta.k8s.io/v1","rv":1,"start":"../a"}').decode(),
                "%00",
                "////",
            ],
            "resourceVersion": ["0", "1", "-1", "x", "1.5", "0x1", "9" * 40],
            "dryRun": ["All", "None", ""],
            "fieldValidation": ["Strict", "Warn", "Ignore", "Nope"],
            "resourceVersionMatch": ["Exact", "NotOlderThan", "x"],
            "propagationPolicy": ["Foreground", "Orphan", "Background", "x"],
        }.get(name, ["1", "true", "false", "0", "-1", "x", "9" * 40, "1" * 5000])
        return draw.choice(good) if draw.random() < 0.9 else draw.choice(WORDS)

    def _headers(self, media: str, body: bytes, method: str) -> list[tuple[str, str]]:
        draw = self.draw
        headers = [("Host", "x"), ("Connection", "close")]
        if body or method in ("POST", "PUT", "PATCH"):
            headers += [("Content-Type", media), ("Content-Length", str(len(body)))]
        accept = draw.choice(
            (
                "",
                "",
                "*/*",
                "application/json",
                "application/yaml",
                "application/vnd.kubernetes.protobuf",
                "text/html",
                "a/b;q=x,,;",
                "application/json;as=Table;v=v1;g=meta.k8s.io",
                "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,*/*",
                "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
                ";;;;",
                "application/json;as=Table;v=v9;g=x",
            )
        )
        if accept:
            headers.append(("Accept", accept))
        if draw.random() < 0.03:
            headers.append(
                draw.choice(
                    (
                        ("Impersonate-User", "x"),
                        ("Impersonate-Group", "y"),
                        ("Impersonate-Extra-%zz", "1"),
                        ("Impersonate-Uid", "1"),
                        ("Authorization", "Bearer x.y.z"),
                        ("Authorization", "Basic ="),
                        ("Upgrade", "websocket"),
                        ("Expect", "x"),
                        ("Content-Encoding", "gzip"),
                        ("Accept-Encoding", "gzip;q=x"),
                        ("Range", "bytes=9-1"),
                        ("Cookie", "\x01"),
                    )
                )
            )
        return headers

    def _body(self, resource: Resource[Any], method: str) -> tuple[bytes, str]:
        draw = self.draw
        if method in ("GET", "HEAD", "OPTIONS") or (method == "DELETE" and draw.random() < 0.7):
            return b"", ""
        obj = self._object(resource)
        for _ in range(draw.choice((0, 0, 1, 1, 2, 5))):
            obj = self._bent(obj)
        if method == "PATCH":
            return self._patch(obj)
        if method == "DELETE":
            obj = {
                "kind": "DeleteOptions",
                "apiVersion": "v1",
                "gracePeriodSeconds": draw.choice((0, 1, -1, "x", 10**18)),
                "preconditions": draw.choice((None, {"uid": "x"}, {"resourceVersion": "1"}, [], "x")),
                "propagationPolicy": draw.choice((None, "Orphan", "Foreground", 1)),
            }
        media = draw.choice(
            ("application/json",) * 6
            + ("application/yaml", "application/vnd.kubernetes.protobuf", "text/plain", "")
        )
        if media == "application/vnd.kubernetes.protobuf":
            noise = bytes(draw.randrange(256) for _ in range(draw.randrange(200)))
            return draw.choice(
                (
                    b"k8s\x00" + noise,
                    noise,
                    b"k8s\x00\x0a\x04\x0a\x02v1\x12" + bytes([draw.randrange(128)]) + noise,
                )
            ), media
        raw = yaml.safe_dump(obj).encode() if media == "application/yaml" else _dumps(obj)
        return self._cut(raw), media

    def _cut(self, raw: bytes) -> bytes:
        draw = self.draw
        kind = draw.random()
        if kind < 0.9 or not raw:
            return raw
        at = draw.randrange(len(raw))
        return draw.choice(
            (
                raw[:at],
                raw[:at] + bytes([draw.randrange(256)]) + raw[at + 1 :],
                raw + raw,
                b"[" * 3000,
                b'{"a":' * 20_000,
                b"null",
                b"[]",
                b'"x"',
                b'{"a":1,"a":2}',
                b"NaN",
                b"a: &a [*a]",
                b"\xff\xfe",
                b"- " * 3000,
                b"{} {}",
                b"",
            )
        )

    def _patch(self, obj: Any) -> tuple[bytes, str]:
        draw = self.draw
        media = draw.choice(PATCHES if draw.random() < 0.95 else ("application/json", ""))
        if media != PATCHES[0]:
            if isinstance(obj, dict) and draw.random() < 0.3:
                obj = {
                    **obj,
                    **draw.choice(
                        (
                            {"$patch": "delete"},
                            {"$patch": "x"},
                            {"$retainKeys": 1},
                            {"metadata": None},
                            {"$setElementOrder/x": [1]},
                            {"spec": {"$patch": "replace"}},
                            {"metadata": {"$deleteFromPrimitiveList/finalizers": "x"}},
                        )
                    ),
                }
            return self._cut(_dumps(obj)), media
        paths = (
            "",
            "/",
            "/metadata/labels/a",
            "/metadata/name",
            "/spec",
            "/data",
            "/metadata/finalizers/-",
            "/x/~1/~2",
            "/metadata/-1",
            "a",
            1,
            None,
        )
        operations = [
            {
                "op": draw.choice(("add", "remove", "replace", "move", "copy", "test", "x", None)),
                "path": draw.choice(paths),
                "from": draw.choice(paths),
                "value": draw.choice((*ODD, *WORDS)),
            }
            for _ in range(draw.randrange(4))
        ]
        return self._cut(_dumps(operations)), media

    def _object(self, resource: Resource[Any]) -> Any:
        name = schema_name(resource)
        filled = self._fill({"$ref": "#/$defs/" + name}, 0) if name and self.draw.random() < 0.9 else {}
        obj = filled if isinstance(filled, dict) else {}
        metadata = (
            obj.get("metadata") if isinstance(obj.get("metadata"), dict) and self.draw.random() < 0.3 else {}
        )
        obj.update(kind=resource.kind, apiVersion=resource.group_version)
        obj["metadata"] = {**(metadata or {}), "name": self.draw.choice("ab")}
        return obj

    def _fill(self, schema: dict[str, Any], depth: int) -> Any:
        """Return something of the shape of a schema, most of its members left out."""
        draw, schema = self.draw, resolve(schema)
        if draw.random() < 0.02:
            return draw.choice(ODD)
        match json_type(schema):
            case "object" | "" if "properties" in schema:
                chance = 0.5 if depth < 2 else 0.3 if depth < 6 else 0.05
                needed = set(schema.get("required") or ())
                return {
                    key: self._fill(sub, depth + 1)
                    for key, sub in schema["properties"].items()
                    if draw.random() < chance or (key in needed and draw.random() < 0.95)
                }
            case "object":
                sub = schema.get("additionalProperties")
                of = sub if isinstance(sub, dict) else {"type": "string"}
                return {draw.choice(WORDS): self._fill(of, depth + 1) for _ in range(draw.randrange(3))}
            case "array":
                return [self._fill(schema["items"], depth + 1) for _ in range(draw.choice((0, 1, 1, 2)))]
            case "integer" | "number":
                return draw.choice((0, 1, 1, 2, 80, 65536, -1, 2**31, 2**40))
            case "boolean":
                return draw.random() < 0.5
        return (
            draw.choice(schema["enum"]) if schema.get("enum") and draw.random() < 0.8 else draw.choice(WORDS)
        )

    def _bent(self, value: Any) -> Any:
        """Return the value with one place in it changed."""
        draw = self.draw
        if draw.random() < 0.15 or not value or not isinstance(value, dict | list):
            return draw.choice((*ODD, *WORDS))
        if isinstance(value, list):
            at = draw.randrange(len(value))
            return [*value[:at], self._bent(value[at]), *value[at + 1 :]]
        key = draw.choice(list(value))
        if draw.random() < 0.1:
            return {**value, draw.choice(WORDS): draw.choice(ODD)}
        return {**value, key: self._bent(value[key])}


def _dumps(obj: Any) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_NON_STR_KEYS)


def requests(seed: int) -> Iterator[Sent]:
    """Yield requests without end."""
    maker = Maker(seed)
    while True:
        yield maker.one()


def fault(sent: Sent, answer: bytes) -> str:
    """Return what is wrong with an answer, "" if nothing is."""
    if not answer:
        return "" if not sent.well_formed else "no answer"
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    # What upstream answers so as well.
    if b"Too large resource version" in body or b"failed to create typed patch object" in body:
        return ""
    if status >= 500:
        return f"{status}: {body[:300]!r}"
    if status < 400 or not sent.well_formed or sent.raw.startswith(b"HEAD"):
        return ""
    if b"chunked" in head.lower():
        return "an error in chunks"
    if b"yaml" in head.lower():
        return "" if b"kind: Status" in body else f"no Status: {body[:200]!r}"
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return f"{status} without a Status: {body[:200]!r}"
    if told.get("kind") != "Status" or told.get("code") != status or not told.get("message"):
        return f"{status} with a bad Status: {body[:200]!r}"
    return ""


async def ask(port: int, context: ssl.SSLContext, sent: Sent, host: str = "127.0.0.1") -> bytes:
    """Send a request on a connection of its own; return all that comes back."""
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        writer.write(sent.raw)
        if not sent.well_formed:
            writer.write_eof() if writer.can_write_eof() else None
        async with asyncio.timeout(ANSWER_S if sent.well_formed else 2.0):
            return await reader.read(-1)
    except (ConnectionError, ssl.SSLError):
        return b""
    except TimeoutError:
        if sent.well_formed:
            raise
        return b""
    finally:
        writer.close()


async def run(
    port: int, context: ssl.SSLContext, seed: int, count: int, host: str = "127.0.0.1"
) -> list[str]:
    """Send `count` requests, eight at a time; return the faults."""
    source, faults = requests(seed), []
    space = orjson.dumps({"metadata": {"name": NAMESPACE}})
    make = b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    make += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    await ask(port, context, Sent(make % (len(space), space), "namespace"), host)

    async def worker(share: int) -> None:
        for _ in range(share):
            sent = next(source)
            try:
                found = fault(sent, await ask(port, context, sent, host))
            except TimeoutError:
                found = "no answer in time"
            if found:
                faults.append(f"{sent.what}\n   {found}\n   {sent.body[:1500]!r}")

    await asyncio.gather(*(worker(count // 8) for _ in range(8)))
    return faults


def main() -> None:
    """Run against the cluster of a kubeconfig."""
    endpoint = load(sys.argv[1])
    host, _, port = endpoint.server.removeprefix("https://").rpartition(":")
    context = tls_context(endpoint)
    faults = asyncio.run(run(int(port), context, int(sys.argv[2]), int(sys.argv[3]), host))
    sys.stdout.write("\n".join([*faults, f"{len(faults)} faults\n"]))


if __name__ == "__main__":
    main()
