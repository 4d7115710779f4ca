"""Which cluster a verb speaks to: `--kubeconfig`, or that of a local cluster (`--dir`), or `$KUBECONFIG`."""

import argparse
import os
from pathlib import Path

from cli.verbs.folder import add_dir, folder_of
from client import kubeconfig
from client.kubeconfig import Endpoint


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add the flags; `--dir` says nothing unless it is given, or there is no other way."""
    parser.add_argument("--kubeconfig", help="how to reach the API server (default $KUBECONFIG)")
    add_dir(parser)
    parser.set_defaults(dir=None)


def endpoint_of(args: argparse.Namespace) -> Endpoint:
    """Return where the API server is: by `--kubeconfig`, `--dir`, `$KUBECONFIG`, the local cluster's default
    directory, `~/.kube/config`, the first that there is. Raises `KubeconfigError`.
    """
    if args.kubeconfig:
        return kubeconfig.load(args.kubeconfig)
    if args.dir is not None:
        return kubeconfig.load(folder_of(args) / "kubeconfig")
    if not os.environ.get("KUBECONFIG"):
        local = Path(os.environ.get("PELAMIS_DIR", "~/.pelamis")).expanduser() / "kubeconfig"
        if local.exists():
            return kubeconfig.load(local)
    return kubeconfig.load()
