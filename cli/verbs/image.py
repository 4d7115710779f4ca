"""`pelamis image load FILE.tar`: put an OCI or docker archive onto the nodes of a local cluster."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.cluster import bringup, containerd
from cli.verbs.folder import add_dir, folder_of


def main(verb: str, argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"pelamis {verb}", description="Images of a local cluster's nodes.")
    commands = parser.add_subparsers(dest="command", required=True)
    load = commands.add_parser("load", help="put an OCI or docker archive onto every node")
    add_dir(load)
    load.add_argument("file", type=Path, help="the archive, as `docker save` or `skopeo copy` write it")
    load.add_argument("--nodes", default="", help="only these nodes, comma-separated")
    args = parser.parse_args(argv)
    try:
        layout = bringup.load(folder_of(args))
        if layout.settings.runtime == "hollow":
            raise bringup.BringUpError("hollow nodes hold no images: every image is there")
        wanted = set(filter(None, args.nodes.split(",")))
        if unknown := wanted - {node.name for node in layout.nodes()}:
            raise bringup.BringUpError(f"there is no node {', '.join(sorted(unknown))}")
        if not args.file.is_file():
            raise bringup.BringUpError(f"{args.file} does not exist")
        for node in layout.nodes():
            if not wanted or node.name in wanted:
                for name in containerd.load_image(node, args.file.resolve()):
                    print(f"{node.name}: {name}")
    except (bringup.BringUpError, containerd.ImportFailed) as error:
        print(f"pelamis image: {error}", file=sys.stderr)
        return 1
    return 0
