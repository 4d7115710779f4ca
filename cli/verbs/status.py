"""`pelamis status`: the processes of a cluster and whether it is ready."""

import argparse
import sys
from collections.abc import Sequence

import orjson

from cli.cluster import bringup, control
from cli.verbs.folder import add_dir, folder_of


def main(verb: str, argv: Sequence[str]) -> int:
    """Exit code 0 when everything runs, 1 otherwise."""
    parser = argparse.ArgumentParser(prog=f"pelamis {verb}", description="Show a cluster's processes.")
    add_dir(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    args = parser.parse_args(argv)
    try:
        layout = bringup.load(folder_of(args))
        processes = control.ask(layout.control_socket, "status")["processes"]
    except (bringup.BringUpError, control.NotRunning, control.Refused) as error:
        print(f"pelamis status: {error}", file=sys.stderr)
        return 1
    if args.output == "json":
        print(orjson.dumps(processes, option=orjson.OPT_INDENT_2).decode())
    else:
        print(f"{'PROCESS':<20} {'PID':>8}  {'STATE':<8} {'RESTARTS':>8} {'AGE':>8}")
        for row in processes:
            age = f"{row['age_s']:.0f}s"
            print(f"{row['name']:<20} {row['pid']:>8}  {row['state']:<8} {row['restarts']:>8} {age:>8}")
        print(f"kubeconfig: {layout.kubeconfig}")
    return 0 if all(row["state"] == "running" for row in processes) else 1
