"""`pelamis up`: a cluster on this machine, in the background."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.cluster import bringup, claims, containerd, control, host
from cli.cluster.layout import MAX_NODES, Layout, Settings
from cli.verbs import component
from cli.verbs.folder import add_dir, folder_of
from kit import clock

_CONTROL_PLANE = ("apiserver", "scheduler", "controllers")
_CONFIGURABLE = (*_CONTROL_PLANE, "node", "proxy", "dns")


def main(verb: str, argv: Sequence[str]) -> int:
    """Bring the cluster up and print the path of its kubeconfig last."""
    args = _parse(verb, argv)
    folder = folder_of(args)
    began = clock.monotonic()

    def say(text: str) -> None:
        print(f"  {clock.monotonic() - began:5.1f} s  {text}", flush=True)

    try:
        layout = _layout(folder, args)
        if bringup.is_running(layout):
            print(f"already running in {folder}")
        else:
            component.preload(_components(layout))
            say(f"store: {layout.settings.store}; API server: {layout.server}")
            bringup.up(layout, say, component.run_component)
            say("ready")
    except (
        bringup.BringUpError,
        claims.NoIndex,
        containerd.ImportFailed,
        control.Refused,
        host.HostError,
        OSError,
    ) as error:
        print(f"pelamis up: {error}", file=sys.stderr)
        return 1
    print(layout.kubeconfig)
    return 0


def _parse(verb: str, argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"pelamis {verb}",
        description="Make and start a cluster on this machine; prints the path of its kubeconfig last. "
        "A cluster that is there already is started as it was made; other flags count only the first time.",
    )
    add_dir(parser)
    parser.add_argument(
        "--nodes", type=int, default=1, help="how many nodes; 0 is a control plane alone (default 1)"
    )
    parser.add_argument(
        "--runtime", choices=("containerd", "hollow"), default="containerd", help="hollow: no containers"
    )
    parser.add_argument(
        "--store", default="auto", help="auto, etcd, sqlite, memory, or the URL of an etcd (default auto)"
    )
    parser.add_argument("--port", type=int, default=6443, help="of the API server (default 6443)")
    parser.add_argument(
        "--components", default=",".join(_CONTROL_PLANE), help="of the control plane (default all)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="COMPONENT:FLAG",
        help="one more flag for a component, as controllers:--node-monitor-grace-period=8s; may be repeated",
    )
    args = parser.parse_args(argv)
    most = MAX_NODES[args.runtime]
    if not 0 <= args.nodes <= most:
        parser.error(f"--nodes must be between 0 and {most} ({args.runtime})")
    if unknown := set(args.components.split(",")) - set(_CONTROL_PLANE):
        parser.error(f"unknown components: {', '.join(sorted(unknown))}")
    for item in args.set:
        name, _, flag = item.partition(":")
        if name not in _CONFIGURABLE or not flag.startswith("--"):
            parser.error(f"--set {item}: expected COMPONENT:--FLAG=VALUE, of {', '.join(_CONFIGURABLE)}")
    return args


def _layout(folder: Path, args: argparse.Namespace) -> Layout:
    root = claims.default_root()
    if (folder / "cluster.json").exists():
        layout = bringup.load(folder)
        claims.claim(folder, root, layout.settings.index)
        return layout
    extra: dict[str, tuple[str, ...]] = {}
    for item in args.set:
        name, _, flag = item.partition(":")
        extra[name] = (*extra.get(name, ()), flag)
    settings = Settings(
        index=claims.claim(folder, root),
        port=args.port,
        nodes=args.nodes,
        runtime=args.runtime,
        store=bringup.resolve_store(args.store),
        components=tuple(args.components.split(",")),
        extra=extra,
    )
    return Layout(folder, settings)


def _components(layout: Layout) -> list[str]:
    wanted = list(layout.settings.components)
    if layout.settings.nodes:
        wanted += ["hollow"] if layout.settings.runtime == "hollow" else ["node", "proxy", "dns"]
    return wanted
