"""`pelamis why pod/x`, `pelamis why-not pod/x NODE`: what the scheduler has decided, and what would help."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import orjson

from api.errors import StatusError, from_status
from cli.printers import decision
from cli.verbs.connection import add_connection, endpoint_of
from client.http import HTTPTransport
from client.kubeconfig import Endpoint, KubeconfigError
from client.transport import RawRequest, Unreachable

_TEXTS = {
    "why": "Say why a pod is on its node, or why it waits and what would let it run.",
    "why-not": "Say why a pod is not on a node, and what would have to change.",
}
_PODS = ("pod/", "pods/", "po/")


def main(verb: str, argv: Sequence[str]) -> int:
    args = _parse(verb, argv)
    try:
        endpoint = endpoint_of(args)
        doc = asyncio.run(_ask(endpoint, args))
    except (KubeconfigError, StatusError, Unreachable) as error:
        print(f"pelamis {verb}: {error}", file=sys.stderr)
        return 1
    if args.output == "json":
        print(orjson.dumps(doc, option=orjson.OPT_INDENT_2).decode())
    else:
        print("\n".join(decision.why_not(doc) if verb == "why-not" else decision.why(doc)))
    return 0


def _parse(verb: str, argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"pelamis {verb}", description=_TEXTS[verb])
    parser.add_argument("pod", help="pod/NAME, or NAME")
    if verb == "why-not":
        parser.add_argument("node", help="the node that it is not on")
    else:
        parser.add_argument("--all", action="store_true", help="earlier decisions too")
    parser.add_argument("-n", "--namespace", default="", help="of the pod (default the kubeconfig's)")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    add_connection(parser)
    args = parser.parse_args(argv)
    prefix = next((word for word in _PODS if args.pod.startswith(word)), "")
    args.pod = args.pod.removeprefix(prefix)
    args.node = getattr(args, "node", "").removeprefix("node/")
    if "/" in args.pod or not args.pod:
        parser.error("name a pod: pod/NAME")
    return args


async def _ask(endpoint: Endpoint, args: argparse.Namespace) -> Any:
    """Return the Decision. Raises `StatusError`, `Unreachable`."""
    namespace = args.namespace or endpoint.namespace
    path = f"/api/v1/namespaces/{namespace}/pods/{args.pod}/decision"
    query = {"node": args.node} if args.node else {}
    query |= {"all": "true"} if getattr(args, "all", False) else {}
    transport = HTTPTransport(endpoint)
    try:
        answer = await transport.request(RawRequest("GET", path, query))
    finally:
        await transport.close()
    try:
        said = orjson.loads(answer.body)
    except ValueError:
        said = {"message": answer.body.decode(errors="replace").strip()}
    if answer.status != 200:
        raise from_status(answer.status, said)
    return said
