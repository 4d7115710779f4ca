"""`pelamis whatif`: what would come of a change, answered from a copy of the cluster's present state."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

from api.errors import StatusError
from api.resource import Key
from api.types.core_v1 import NODES
from cli.printers.whatif import render
from cli.verbs.connection import add_connection, endpoint_of
from cli.whatif.fetch import fetch
from cli.whatif.hypothesis import applied, more_nodes
from cli.whatif.live import Live
from cli.whatif.manifests import BadManifest
from client.api import Client
from client.http import HTTPTransport
from client.kubeconfig import Endpoint, KubeconfigError
from client.transport import Unreachable
from kit import clock
from scheduler.config import Config
from scheduler.profiles import new_profiles
from scheduler.python_plugins.files import PythonPlugins
from scheduler.whatif.hypotheses import Drain, Hypothesis, Impossible, Lose
from scheduler.whatif.report import Report, predict, to_json

_EPILOG = """exit code: 0 if all pods would have a place, 1 if some would not, 2 if that cannot be said

examples:
  pelamis whatif drain node-2
  pelamis whatif lose topology.kubernetes.io/zone=b
  pelamis whatif apply -f web.yaml
  pelamis whatif add-nodes 3 node-1
"""


@dataclass(frozen=True)
class Answer:
    report: Report
    # What of the question was not looked at.
    notes: tuple[str, ...] = ()


def main(verb: str, argv: Sequence[str]) -> int:
    """Answer one question. Writes nothing to the cluster."""
    args = parse(verb, argv)
    try:
        settings = settings_of(args)
        endpoint = endpoint_of(args)
        live = asyncio.run(_listed(endpoint))
        answer = ask(args, live, settings, args.namespace or endpoint.namespace)
    except (StatusError, Unreachable, KubeconfigError, BadManifest, Impossible, OSError, ValueError) as error:
        print(f"pelamis {verb} {args.what}: {error}", file=sys.stderr)
        return 2
    for note in answer.notes:
        print(f"not looked at: {note}", file=sys.stderr)
    if args.output == "json":
        print(orjson.dumps(to_json(answer.report), option=orjson.OPT_INDENT_2).decode())
    else:
        print(render(answer.report), end="")
    return 0 if answer.report.fits else 1


async def _listed(endpoint: Endpoint) -> Live:
    client = Client(HTTPTransport(endpoint))
    try:
        return await fetch(client)
    finally:
        await client.close()


def ask(args: argparse.Namespace, live: Live, settings: Config, namespace: str) -> Answer:
    """Return what would come of the change in a cluster with these objects."""
    hypothesis, notes = _hypothesis(args, live, namespace)
    profiles = PythonPlugins(settings.plugin_files).extend(new_profiles(settings.configuration))
    return Answer(predict(live.objects, hypothesis, profiles, settings.seed), tuple(notes))


def _hypothesis(args: argparse.Namespace, live: Live, namespace: str) -> tuple[Hypothesis, list[str]]:
    match args.what:
        case "drain":
            return Drain(args.node), []
        case "lose":
            label, _, value = args.label.partition("=")
            return Lose(label, value), []
        case "add-nodes":
            return more_nodes(live, args.count, _template(args.template, live), clock.now()), []
        case _:
            data = b"\n---\n".join(map(_read, args.filename))
            return applied(live, data, namespace, clock.now())


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _template(name: str, live: Live) -> bytes | object:
    """Return the node of this name, or the content of the file."""
    found = live.get(NODES, Key("", name))
    if found is None and not Path(name).exists():
        raise Impossible(f"there is neither a node nor a file {name}")
    return found if found is not None else Path(name).read_bytes()


def settings_of(args: argparse.Namespace) -> Config:
    """Return the settings of the scheduler that decides. Raises `ConfigurationError`, a `ValueError`."""
    flags = {"kubeconfig": Path("unused"), "plugin_file": tuple(args.plugin_file), "seed": args.seed}
    if args.scheduler_config:
        return Config(**Config.from_file(Path(args.scheduler_config).read_bytes(), flags))
    return Config(**flags)


def parse(verb: str, argv: Sequence[str]) -> argparse.Namespace:
    common = argparse.ArgumentParser(add_help=False)
    add_connection(common)
    common.add_argument("-n", "--namespace", default="", help="of manifests that name none")
    common.add_argument("-o", "--output", choices=("text", "json"), default="text")
    common.add_argument("--scheduler-config", default="", help="the configuration file of the scheduler")
    common.add_argument(
        "--plugin-file",
        action="append",
        default=[],
        help="the scheduler's file of functions; may be repeated",
    )
    common.add_argument("--seed", type=int, default=0, help="the scheduler's seed (default 0)")
    parser = argparse.ArgumentParser(
        prog=f"pelamis {verb}",
        description="Say what would come of a change: where pods would go, which would wait and why, which "
        "would be ended, how full nodes would be. The cluster is only read.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = partial(parser.add_subparsers(dest="what", required=True).add_parser, parents=[common])
    drain = add("drain", help="a node is drained: budgets are kept")
    drain.add_argument("node")
    lose = add("lose", help="all nodes with a label vanish, with their pods")
    lose.add_argument("label", metavar="LABEL=VALUE")
    apply = add("apply", help="manifests are applied; workloads roll")
    apply.add_argument(
        "-f", "--filename", action="append", required=True, help="file of manifests, - for input"
    )
    more = add("add-nodes", help="nodes like another one are added")
    more.add_argument("count", type=int)
    more.add_argument("template", help="the name of a node, or a file with one")
    args = parser.parse_args(argv)
    if args.what == "lose" and not args.label.partition("=")[1]:
        parser.error(f"expected LABEL=VALUE, not {args.label!r}")
    if args.what == "add-nodes" and args.count < 1:
        parser.error("COUNT must be 1 or more")
    return args
