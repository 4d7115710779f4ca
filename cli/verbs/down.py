"""`pelamis down`: remove a cluster from this machine."""

import argparse
import sys
from collections.abc import Sequence

from cli.cluster import bringup, host
from cli.verbs.folder import add_dir, folder_of


def main(verb: str, argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog=f"pelamis {verb}",
        description="Remove a cluster: processes, containers, networks and data. Certificates and logs stay.",
    )
    add_dir(parser)
    parser.add_argument("--purge", action="store_true", help="remove the directory too")
    args = parser.parse_args(argv)
    try:
        bringup.down(bringup.load(folder_of(args)), args.purge)
    except (bringup.BringUpError, host.HostError, OSError) as error:
        print(f"pelamis down: {error}", file=sys.stderr)
        return 1
    return 0
