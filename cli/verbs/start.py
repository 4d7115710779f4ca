"""`pelamis start`: start a stopped cluster, or one stopped node of a running one."""

import argparse
import sys
from collections.abc import Sequence

from cli.cluster import bringup, control
from cli.verbs import up
from cli.verbs.folder import add_dir, folder_of


def main(verb: str, argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"pelamis {verb}", description="Start a stopped cluster as it was.")
    add_dir(parser)
    parser.add_argument("--node", help="only this node, which `pelamis stop --node` stopped")
    args = parser.parse_args(argv)
    folder = folder_of(args)
    try:
        layout = bringup.load(folder)
        if args.node:
            control.ask(layout.control_socket, "start-node", node=args.node)
            return 0
    except (bringup.BringUpError, control.NotRunning, control.Refused) as error:
        print(f"pelamis start: {error}", file=sys.stderr)
        return 1
    return up.main("up", ["--dir", str(folder)])
