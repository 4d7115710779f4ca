"""The `pelamis` command: finds the verb and hands over. A verb's module is imported only when it is used."""

import importlib
import os
import sys
from collections.abc import Sequence

# verb -> (module under cli.verbs, one line of help), in the order of `--help`.
VERBS = {
    "up": ("up", "make and start a cluster on this machine"),
    "status": ("status", "show a cluster's processes and whether it is ready"),
    "stop": ("stop", "stop a cluster, or one node of it; everything is kept"),
    "start": ("start", "start a stopped cluster, or one node of it"),
    "down": ("down", "remove a cluster from this machine"),
    "why": ("why", "say why a pod is on its node, or why it waits and what would let it run"),
    "why-not": ("why", "say why a pod is not on a node, and what would have to change"),
    "image": ("image", "load images into the nodes of a local cluster"),
    "whatif": ("whatif", "say what would come of a drain, a loss, a manifest, new nodes"),
    "apiserver": ("component", "run the API server"),
    "scheduler": ("component", "run the scheduler"),
    "controllers": ("component", "run the controllers"),
    "node": ("component", "run the node agent"),
    "proxy": ("component", "run the service proxy of a node"),
    "dns": ("component", "run the cluster DNS server of a node"),
    "hollow": ("component", "run nodes without containers"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `pelamis ARGV`; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if words[0] not in VERBS:
        print(f"pelamis: unknown command {words[0]!r}\n\n{_usage()}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"cli.verbs.{VERBS[words[0]][0]}")
    try:
        return int(module.main(words[0], words[1:]))
    except BrokenPipeError:
        # Whoever read our output has had enough (`| head`); there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _usage() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {text}" for verb, (_, text) in VERBS.items()]
    return "\n".join(
        [
            "A Kubernetes cluster in Python.",
            "",
            "Usage: pelamis COMMAND [FLAGS]    (`pelamis COMMAND --help` for its flags)",
            "",
            *lines,
            "",
            "Try: pelamis up --nodes 3 && export KUBECONFIG=~/.pelamis/kubeconfig && kubectl get nodes",
        ]
    )
