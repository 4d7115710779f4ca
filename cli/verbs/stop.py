"""`pelamis stop`: end a cluster's processes, or power one node off; everything is kept."""

import argparse
import sys
from collections.abc import Sequence

from cli.cluster import bringup, control
from cli.verbs.folder import add_dir, folder_of


def main(verb: str, argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"pelamis {verb}", description="Stop a cluster; its data is kept.")
    add_dir(parser)
    parser.add_argument("--node", help="only this node, at once, as by a power cut")
    args = parser.parse_args(argv)
    try:
        layout = bringup.load(folder_of(args))
        if args.node:
            control.ask(layout.control_socket, "stop-node", node=args.node)
        else:
            bringup.stop(layout)
            if layout.settings.store == "memory":
                print("pelamis stop: the store was in memory; its objects are gone", file=sys.stderr)
    except (bringup.BringUpError, control.NotRunning, control.Refused, OSError) as error:
        print(f"pelamis stop: {error}", file=sys.stderr)
        return 1
    return 0
