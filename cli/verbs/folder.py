"""The `--dir` flag that all verbs of a local cluster share."""

import argparse
import os
from pathlib import Path


def add_dir(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get("PELAMIS_DIR", "~/.pelamis")
    parser.add_argument(
        "--dir", default=default, help="the cluster's directory (default ~/.pelamis, or $PELAMIS_DIR)"
    )


def folder_of(args: argparse.Namespace) -> Path:
    return Path(args.dir).expanduser().resolve()
